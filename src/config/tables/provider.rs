//! `[providers.<name>]`: a company's API, or a host that speaks its language.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::config::header::HeaderValue;

/// One provider, as configured. Its name is the key of the table.
///
/// `kind` is never empty in a loaded [`crate::config::Config`]; `base_url` is empty
/// only for kinds that need none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    pub kind: ProviderKind,
    /// `None`: it is on. But `demo` is on by itself only while no other provider can be used and there are no client
    /// keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Up to and including the version (`…/v1`), without a slash at the end.
    pub base_url: String,
    /// The variable that holds the key; empty: the provider needs none.
    pub api_key_env: String,
    /// Further variables with keys; all keys are used in turn.
    pub api_key_envs: Vec<String>,
    pub connect_timeout_ms: u64,
    pub first_byte_timeout_s: u64,
    pub idle_timeout_s: u64,
    /// Calls at the same time; 0: no limit.
    pub max_concurrent: usize,
    /// Names for `GET /v1/models`; has no say in what is served.
    pub models: Vec<String>,
    /// Sent with every call, beside what the adapter sends.
    pub headers: BTreeMap<String, HeaderValue>,
    /// Deviations from the kind's standard; the adapter knows and checks the keys.
    pub quirks: serde_json::Map<String, Json>,
    /// Who runs the MCP tools of requests; `Provider` only where that is known to work.
    pub mcp: McpRunner,
}

impl ProviderConfig {
    /// The variables with its keys, in their order; none if it needs no key.
    pub fn key_variables(&self) -> impl Iterator<Item = &str> {
        let first = (!self.api_key_env.is_empty()).then_some(&self.api_key_env);
        first.into_iter().chain(&self.api_key_envs).map(String::as_str)
    }

    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub fn first_byte_timeout(&self) -> Duration {
        Duration::from_secs(self.first_byte_timeout_s)
    }

    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s)
    }
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            kind: ProviderKind::default(),
            enabled: None,
            base_url: String::new(),
            api_key_env: String::new(),
            api_key_envs: Vec::new(),
            connect_timeout_ms: 5000,
            first_byte_timeout_s: 600,
            idle_timeout_s: 120,
            max_concurrent: 0,
            models: Vec::new(),
            headers: BTreeMap::new(),
            quirks: serde_json::Map::new(),
            mcp: McpRunner::Server,
        }
    }
}

/// Name of an adapter, such as `anthropic`.
///
/// A string and no enum, so that adapters registered by a program that embeds
/// the server can be configured; a kind that nobody registered is refused
/// where adapters are looked up.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ProviderKind(String);

impl ProviderKind {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who runs the MCP tools of the requests that go to a provider.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum McpRunner {
    Server,
    Provider,
}

/// Name, kind, base URL, key variable.
type BuiltIn = (&'static str, &'static str, &'static str, &'static str);

const BUILT_IN: [BuiltIn; 5] = [
    ("openai", "openai-responses", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    ("anthropic", "anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    ("ollama", "ollama", "http://127.0.0.1:11434", ""),
    ("demo", "demo", "", ""),
];

pub(crate) fn built_in_providers() -> BTreeMap<String, ProviderConfig> {
    let provider = |(name, kind, base_url, api_key_env): BuiltIn| {
        let config = ProviderConfig {
            kind: ProviderKind::new(kind),
            base_url: base_url.into(),
            api_key_env: api_key_env.into(),
            ..ProviderConfig::default()
        };
        (name.to_owned(), config)
    };
    BUILT_IN.into_iter().map(provider).collect()
}

/// Adds the built-in providers that a checked file does not name.
pub(crate) fn add_built_in(file: &mut Table) {
    let providers = file.entry("providers").or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(providers) = providers else { return };
    for (name, ..) in BUILT_IN {
        providers.entry(name).or_insert_with(|| Value::Table(Table::new()));
    }
}

/// Fills in what follows from the name and the kind of each provider.
///
/// A key variable is filled in only where the base URL is the one that the
/// key belongs to: a table that sends a kind elsewhere must not send along a
/// key that it does not name.
pub(crate) fn complete(file: &mut Table) {
    let Some(Value::Table(providers)) = file.get_mut("providers") else { return };
    for (name, provider) in providers.iter_mut() {
        let Some(table) = provider.as_table_mut() else { continue };
        if let Some((_, kind, ..)) = BUILT_IN.iter().find(|built_in| built_in.0 == name) {
            set_default(table, "kind", kind);
        }
        let kind = table.get("kind").and_then(Value::as_str);
        let Some((.., base_url, api_key_env)) = BUILT_IN.iter().find(|built_in| Some(built_in.1) == kind)
        else {
            continue;
        };
        set_default(table, "base_url", base_url);
        let names_keys = table.contains_key("api_key_envs");
        if !names_keys
            && table.get("base_url").and_then(Value::as_str).map(|url| url.trim_end_matches('/'))
                == Some(base_url)
        {
            set_default(table, "api_key_env", api_key_env);
        }
    }
}

/// Whether this is what a server without configuration has under this name.
pub(crate) fn is_built_in(name: &str, provider: &ProviderConfig) -> bool {
    built_in_providers()
        .get(name)
        .is_some_and(|built_in| *built_in == ProviderConfig { enabled: None, ..provider.clone() })
}

fn set_default(table: &mut Table, key: &str, value: &str) {
    table.entry(key).or_insert_with(|| Value::String(value.into()));
}

/// Whether the kind is one of ours that calls a host.
pub(crate) fn needs_base_url(kind: &ProviderKind) -> bool {
    kind.as_str() == "openai-chat"
        || BUILT_IN.iter().any(|(_, known, base_url, _)| *known == kind.as_str() && !base_url.is_empty())
}

/// Whether MCP tools can be left to a provider of this kind. Of a kind that is not ours nobody knows here.
pub(crate) fn can_run_mcp(kind: &ProviderKind) -> bool {
    kind.as_str() == "openai-responses" || !or_adapters::KINDS.contains(&kind.as_str())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// Completes `[providers.<name>]` and returns kind, base URL and key variable.
    #[track_caller]
    fn check(name: &str, table: &str, want: [&str; 3]) {
        let mut file: Table = format!("[providers.{name}]\n{table}").parse().unwrap();
        complete(&mut file);
        let got = ["kind", "base_url", "api_key_env"].map(|key| {
            file["providers"][name].get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        });
        assert_eq!(got, want);
    }

    #[test]
    fn a_built_in_name_needs_no_kind() {
        check(
            "anthropic",
            "idle_timeout_s = 5",
            ["anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"],
        );
    }

    #[test]
    fn a_kind_brings_its_base_url_and_variable() {
        check(
            "second",
            "kind = 'openai-responses'",
            ["openai-responses", "https://api.openai.com/v1", "OPENAI_API_KEY"],
        );
    }

    #[test]
    fn a_key_does_not_follow_to_another_host() {
        check(
            "openai",
            "base_url = 'https://example.com/v1'",
            ["openai-responses", "https://example.com/v1", ""],
        );
    }

    #[test]
    fn what_is_written_stays() {
        check(
            "gemini",
            "kind = 'openai-chat'\nbase_url = 'http://x/v1'\napi_key_env = 'X'",
            ["openai-chat", "http://x/v1", "X"],
        );
    }

    #[test]
    fn the_built_in_tables_are_the_defaults() {
        let mut file = Table::new();
        add_built_in(&mut file);
        complete(&mut file);
        let got: BTreeMap<String, ProviderConfig> = file["providers"].clone().try_into().unwrap();
        assert_eq!(got, built_in_providers());
    }

    #[test]
    fn a_literal_header_value_is_not_printed() {
        let header = HeaderValue::Text("sk-secret".into());
        assert_eq!(format!("{header:?}"), "***");
    }
}
