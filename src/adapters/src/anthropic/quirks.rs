//! The provider's `quirks` table.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::models::Models;
use crate::ProviderOptions;

/// The version that older models and other hosts know.
const VERSION: &str = "2023-06-01";
/// Token budget for a model whose maximum is unknown, if the request names none.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// Hosts that know the caching mark at the top of a request.
const CACHING_HOSTS: &[&str] = &["https://api.anthropic.com/"];
/// Keys of the quirks table.
const KEYS: &[&str] = &["version", "beta", "auth", "prompt_caching", "default_max_tokens", "models"];

/// How one host of this wire differs from another.
#[derive(Debug)]
pub(super) struct Quirks {
    pub(super) version: String,
    pub(super) beta: Vec<String>,
    pub(super) auth: Auth,
    pub(super) caching: bool,
    pub(super) default_max_tokens: u64,
    pub(super) models: Models,
}

/// Which header carries the key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Auth {
    XApiKey,
    Bearer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Caching {
    Off,
    Auto,
}

impl Quirks {
    /// Reads the table. The error names the key that is wrong.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let base = format!("{}/", options.base_url);
        let mut quirks = Self {
            version: VERSION.to_owned(),
            beta: Vec::new(),
            auth: Auth::XApiKey,
            caching: CACHING_HOSTS.iter().any(|host| base.starts_with(host)),
            default_max_tokens: DEFAULT_MAX_TOKENS,
            models: Models::default(),
        };
        for (key, value) in &options.quirks {
            match key.as_str() {
                "version" => quirks.version = read(key, value)?,
                "beta" => quirks.beta = read(key, value)?,
                "auth" => quirks.auth = read(key, value)?,
                "prompt_caching" => quirks.caching = matches!(read(key, value)?, Caching::Auto),
                "default_max_tokens" => quirks.default_max_tokens = read(key, value)?,
                "models" => quirks.models = Models::new(read(key, value)?),
                _ => return Err(format!("unknown key `{key}`; known are {}", KEYS.join(", "))),
            }
        }
        if quirks.default_max_tokens == 0 {
            return Err("`default_max_tokens` must be at least 1".into());
        }
        let header = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !header(&quirks.version) {
            return Err("`version` must be a date such as 2023-06-01".into());
        }
        if !quirks.beta.iter().all(|beta| header(beta)) {
            return Err("`beta` must hold names without spaces".into());
        }
        Ok(quirks)
    }
}

fn read<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|e| format!("`{key}`: {e}"))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

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
            "unknown key `versoin`; known are version, beta, auth, prompt_caching, default_max_tokens, models",
        );
        check(json!({"auth": "basic"}), "`auth`: unknown variant `basic`, expected `x-api-key` or `bearer`");
        check(json!({"default_max_tokens": 0}), "`default_max_tokens` must be at least 1");
        check(json!({"beta": ["a b"]}), "`beta` must hold names without spaces");
        check(json!({"models": [{"max_output_tokens": 1}]}), "`models`: missing field `prefix`");
    }
}
