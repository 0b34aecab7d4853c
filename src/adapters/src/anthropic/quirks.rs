//! The provider's `quirks` table.

use serde::Deserialize;

use super::models::{ModelQuirk, Models};
use crate::ProviderOptions;
use crate::shared::quirks::{self, KeyHeader};

/// The version that older models and other hosts know.
const VERSION: &str = "2023-06-01";
/// Token budget for a model whose maximum is unknown, if the request names none.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// Hosts that know the caching mark at the top of a request.
const CACHING_HOSTS: &[&str] = &["https://api.anthropic.com/"];
/// How one host of this wire differs from another.
#[derive(Debug)]
pub(super) struct Quirks {
    pub(super) version: String,
    pub(super) beta: Vec<String>,
    pub(super) auth: KeyHeader,
    pub(super) caching: bool,
    pub(super) default_max_tokens: u64,
    pub(super) models: Models,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Caching {
    Off,
    Auto,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    version: String,
    beta: Vec<String>,
    auth: KeyHeader,
    prompt_caching: Option<Caching>,
    default_max_tokens: u64,
    models: Vec<ModelQuirk>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            version: VERSION.to_owned(),
            beta: Vec::new(),
            auth: KeyHeader::XApiKey,
            prompt_caching: None,
            default_max_tokens: DEFAULT_MAX_TOKENS,
            models: Vec::new(),
        }
    }
}

impl Quirks {
    /// Reads the table. The error names the key that is wrong.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let table: Table = quirks::read(options, "{}")?;
        if table.default_max_tokens == 0 {
            return Err("quirks.default_max_tokens: must be at least 1".into());
        }
        let header = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !header(&table.version) {
            return Err("quirks.version: must be a date such as 2023-06-01".into());
        }
        if !table.beta.iter().all(|beta| header(beta)) {
            return Err("quirks.beta: must hold names without spaces".into());
        }
        let base = format!("{}/", options.base_url);
        Ok(Self {
            version: table.version,
            beta: table.beta,
            auth: table.auth,
            caching: match table.prompt_caching {
                Some(caching) => caching == Caching::Auto,
                None => CACHING_HOSTS.iter().any(|host| base.starts_with(host)),
            },
            default_max_tokens: table.default_max_tokens,
            models: Models::new(table.models),
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(quirks: Value, want: &str) {
        let quirks = quirks.as_object().unwrap().clone();
        let options =
            ProviderOptions { name: "a".into(), base_url: "https://host.example/v1".into(), quirks };
        assert_eq!(Quirks::read(&options).unwrap_err(), want);
    }

    #[test]
    fn a_bad_quirk_is_named() {
        check(
            json!({"versoin": "x"}),
            "quirks.versoin: unknown field `versoin`, expected one of `version`, `beta`, `auth`, `prompt_caching`, \
             `default_max_tokens`, `models`",
        );
        check(
            json!({"auth": "basic"}),
            "quirks.auth: unknown variant `basic`, expected one of `bearer`, `api-key`, `x-api-key`",
        );
        check(json!({"default_max_tokens": 0}), "quirks.default_max_tokens: must be at least 1");
        check(json!({"beta": ["a b"]}), "quirks.beta: must hold names without spaces");
        check(json!({"models": [{"max_output_tokens": 1}]}), "quirks.models: missing field `prefix`");
    }
}
