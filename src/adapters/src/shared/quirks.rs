//! The `quirks` table of a provider.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ProviderOptions;

/// Which header carries the key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer`.
    Bearer,
    ApiKey,
    XApiKey,
}

impl KeyHeader {
    /// The header for a key.
    pub(crate) fn credentials(self, key: &str) -> Vec<(&'static str, String)> {
        match self {
            Self::Bearer => vec![("authorization", format!("Bearer {key}"))],
            Self::ApiKey => vec![("api-key", key.to_owned())],
            Self::XApiKey => vec![("x-api-key", key.to_owned())],
        }
    }
}

/// As what developer messages are sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeveloperRole {
    Developer,
    System,
}

/// What becomes of a system message inside the conversation: many models' templates take one in front only.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LaterSystem {
    /// It stays what it is.
    System,
    /// Marked user text, where it stands.
    User,
    /// It joins those in front.
    Front,
}

/// Reads the table over a preset, as JSON. The error names the key that is wrong; `T` must have defaults for
/// all keys and refuse unknown ones.
pub(crate) fn read<T: DeserializeOwned>(options: &ProviderOptions, preset: &str) -> Result<T, String> {
    let mut keys: Map<String, Value> =
        serde_json::from_str(preset).map_err(|e| format!("built-in preset: {e}"))?;
    for (key, value) in &options.quirks {
        let alone = Map::from_iter([(key.clone(), value.clone())]);
        if let Err(e) = T::deserialize(Value::Object(alone)) {
            return Err(format!("quirks.{key}: {e}"));
        }
        keys.insert(key.clone(), value.clone());
    }
    T::deserialize(Value::Object(keys)).map_err(|e| format!("quirks: {e}"))
}

/// Host of a URL in lower case, without port and user.
pub(crate) fn host(base_url: &str) -> String {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

/// Whether a host is this one or below it; a pattern that ends in a dot is the beginning of a host.
pub(crate) fn is_at(host: &str, pattern: &str) -> bool {
    if pattern.ends_with('.') {
        return host.starts_with(pattern);
    }
    host.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Table {
        one: u64,
        two: bool,
    }

    fn table(quirks: Value) -> Result<Table, String> {
        let quirks = quirks.as_object().unwrap().clone();
        read(&ProviderOptions { quirks, ..ProviderOptions::default() }, r#"{"one":1,"two":true}"#)
    }

    #[test]
    fn the_table_overrides_the_preset_key_by_key() {
        assert_eq!(table(json!({})), Ok(Table { one: 1, two: true }));
        assert_eq!(table(json!({"one": 7})), Ok(Table { one: 7, two: true }));
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let error = table(json!({"tow": false})).unwrap_err();
        assert_eq!(error, "quirks.tow: unknown field `tow`, expected `one` or `two`");
        assert!(table(json!({"two": 2})).unwrap_err().starts_with("quirks.two: "));
    }

    #[test]
    fn a_host_is_read_from_any_form_of_url() {
        assert_eq!(host("https://u:p@API.x.ai:8443/v1"), "api.x.ai");
        assert_eq!(host("http://u:p@[::1]:80/v1"), "::1");
        assert_eq!(host("localhost:1234"), "localhost");
    }

    #[test]
    fn a_host_is_known_by_its_end_or_its_beginning() {
        assert!(is_at("api.x.ai", "x.ai") && is_at("x.ai", "x.ai") && !is_at("notx.ai", "x.ai"));
        assert!(is_at("mantle.eu.example", "mantle.") && !is_at("a.mantle.eu", "mantle."));
    }
}
