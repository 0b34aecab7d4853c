//! The provider's `quirks` table.

use serde::Deserialize;

use super::models::{ModelQuirk, Models};
use crate::ProviderOptions;
use crate::shared::quirks::{self, KeyHeader};

/// The version that older models and other hosts know.
const VERSION: &str = "2023-06-01";
/// Token budget for a model whose maximum is unknown, if the request names none.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// Hosts that know the caching mark at the top of a request, and run tools themselves.
const OWN_HOSTS: &[&str] = &["https://api.anthropic.com/"];
/// Types of the host's own tools. These versions are known to every model that has such tools, and run nothing else.
const WEB_SEARCH: &str = "web_search_20250305";
const CODE_EXECUTION: &str = "code_execution_20250825";
/// How one host of this wire differs from another.
#[derive(Debug)]
pub(super) struct Quirks {
    pub(super) version: String,
    pub(super) beta: Vec<String>,
    pub(super) auth: KeyHeader,
    pub(super) caching: bool,
    pub(super) default_max_tokens: u64,
    /// Types of the host's own tools, where it has them.
    pub(super) web_search: Option<String>,
    pub(super) code_execution: Option<String>,
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
    web_search: Option<String>,
    code_execution: Option<String>,
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
            web_search: None,
            code_execution: None,
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
        let own = OWN_HOSTS.iter().any(|host| base.starts_with(host));
        Ok(Self {
            version: table.version,
            beta: table.beta,
            auth: table.auth,
            caching: match table.prompt_caching {
                Some(caching) => caching == Caching::Auto,
                None => own,
            },
            default_max_tokens: table.default_max_tokens,
            web_search: server_tool("web_search", table.web_search, own.then_some(WEB_SEARCH))?,
            code_execution: server_tool(
                "code_execution",
                table.code_execution,
                own.then_some(CODE_EXECUTION),
            )?,
            models: Models::new(table.models),
        })
    }
}

/// The type of a tool of the host's: `off`, a version, or what the host is known for.
fn server_tool(name: &str, given: Option<String>, known: Option<&str>) -> Result<Option<String>, String> {
    let Some(kind) = given else { return Ok(known.map(str::to_owned)) };
    let version = kind.strip_prefix(name).and_then(|rest| rest.strip_prefix('_'));
    match version {
        Some(version) if version.len() == 8 && version.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(kind)),
        _ if kind == "off" => Ok(None),
        _ => Err(format!("quirks.{name}: must be off or a version such as {name}_20250305")),
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
             `default_max_tokens`, `web_search`, `code_execution`, `models`",
        );
        check(
            json!({"auth": "basic"}),
            "quirks.auth: unknown variant `basic`, expected one of `bearer`, `api-key`, `x-api-key`",
        );
        check(json!({"default_max_tokens": 0}), "quirks.default_max_tokens: must be at least 1");
        for kind in ["on", "web_search", "web_search_2025", "code_execution_20250825"] {
            let why = "quirks.web_search: must be off or a version such as web_search_20250305";
            check(json!({"web_search": kind}), why);
        }
        check(json!({"beta": ["a b"]}), "quirks.beta: must hold names without spaces");
        check(json!({"models": [{"max_output_tokens": 1}]}), "quirks.models: missing field `prefix`");
    }

    #[test]
    fn only_the_providers_own_host_is_known_for_its_tools() {
        let tools = |base_url: &str, quirks: Value| {
            let quirks = quirks.as_object().unwrap().clone();
            let options = ProviderOptions { name: "a".into(), base_url: base_url.into(), quirks };
            let quirks = Quirks::read(&options).unwrap();
            (quirks.web_search, quirks.code_execution)
        };
        let known = (Some(WEB_SEARCH.to_owned()), Some(CODE_EXECUTION.to_owned()));
        assert_eq!(tools("https://api.anthropic.com/v1", json!({})), known);
        let off = json!({"web_search": "off", "code_execution": "off"});
        assert_eq!(tools("https://api.anthropic.com/v1", off), (None, None));
        assert_eq!(tools("https://host.example/v1", json!({})), (None, None));
        let chosen = json!({"web_search": "web_search_20260209"});
        assert_eq!(tools("https://host.example/v1", chosen), (Some("web_search_20260209".into()), None));
    }
}
