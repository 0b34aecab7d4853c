//! The provider's `quirks` table.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::wire::Think;
use crate::ProviderOptions;
use crate::shared::quirks::{self, host, is_at};

/// Host of the hosted service.
const HOSTED: &str = "ollama.com";

/// Ways in which one server differs from another.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quirks {
    /// By its base URL: the hosted service, which does not enforce `format`.
    #[serde(skip)]
    pub(super) hosted: bool,
    /// What to send where the request names no effort, or never to send it.
    pub(super) think: ThinkMode,
    /// Prefixes of further models that take levels.
    pub(super) think_levels: Vec<String>,
    /// When text is held back for a lone `</think>`.
    pub(super) think_leak: LeakMode,
    /// Whether the server enforces a schema.
    pub(super) format: FormatMode,
    /// Whether `truncation` is sent on.
    pub(super) truncate: TruncateMode,
    /// As it is sent.
    pub(super) keep_alive: Option<Value>,
    /// Goes into `options`.
    pub(super) num_ctx: Option<u64>,
    /// Options of the model; the request's own settings win.
    pub(super) options: Map<String, Value>,
}

/// See [`Quirks::think`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum ThinkMode {
    /// Nothing: the server decides.
    #[default]
    Auto,
    /// The field is never sent, for models and servers that refuse it.
    Never,
    Off,
    On,
    Low,
    Medium,
    High,
    Max,
}

impl ThinkMode {
    /// What is sent unless the request names an effort.
    pub(super) fn unasked(self) -> Option<Think> {
        match self {
            Self::Auto | Self::Never => None,
            Self::Off => Some(Think::Switch(false)),
            Self::On => Some(Think::Switch(true)),
            Self::Low => Some(Think::Level("low")),
            Self::Medium => Some(Think::Level("medium")),
            Self::High => Some(Think::Level("high")),
            Self::Max => Some(Think::Level("max")),
        }
    }
}

/// See [`Quirks::think_leak`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum LeakMode {
    #[default]
    Auto,
    Hold,
    Off,
}

/// See [`Quirks::format`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum FormatMode {
    #[default]
    Auto,
    Native,
    Prompt,
}

/// See [`Quirks::truncate`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum TruncateMode {
    #[default]
    Auto,
    Server,
}

impl Quirks {
    /// Reads the table. The error names the key that is wrong.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let mut quirks: Self = quirks::read(options, "{}")?;
        quirks.hosted = is_at(&host(&options.base_url), HOSTED);
        quirks.think_levels.iter_mut().for_each(|prefix| prefix.make_ascii_lowercase());
        if quirks.think_levels.iter().any(String::is_empty) {
            return Err("quirks.think_levels: expected a list of model name prefixes".into());
        }
        if quirks.keep_alive.as_ref().is_some_and(|value| !value.is_string() && !value.is_i64()) {
            return Err("quirks.keep_alive: expected seconds or a text such as \"10m\"".into());
        }
        match quirks.num_ctx {
            Some(0) => return Err("quirks.num_ctx: expected a number of tokens above 0".into()),
            Some(n) => {
                quirks.options.insert("num_ctx".into(), n.into());
            }
            None => {}
        }
        Ok(quirks)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn read(table: Value) -> Result<Quirks, String> {
        let quirks = table.as_object().unwrap().clone();
        Quirks::read(&ProviderOptions { quirks, ..ProviderOptions::default() })
    }

    #[track_caller]
    fn check_refused(table: Value, key: &str) {
        let text = read(table).unwrap_err();
        assert!(text.starts_with(&format!("quirks.{key}:")), "{text}");
    }

    #[test]
    fn every_key_is_read() {
        let quirks = read(json!({
            "think": "off", "think_levels": ["GLM"], "think_leak": "hold", "format": "prompt",
            "truncate": "server", "keep_alive": -1, "num_ctx": 8192, "options": {"seed": 1, "num_ctx": 1}
        }))
        .unwrap();
        assert_eq!(quirks.think, ThinkMode::Off);
        assert_eq!(quirks.think_levels, ["glm"]);
        assert_eq!(quirks.think_leak, LeakMode::Hold);
        assert_eq!(quirks.format, FormatMode::Prompt);
        assert_eq!(quirks.truncate, TruncateMode::Server);
        assert_eq!(quirks.keep_alive, Some(json!(-1)));
        assert_eq!(Value::Object(quirks.options), json!({"seed": 1, "num_ctx": 8192}));
    }

    #[test]
    fn the_hosted_service_is_known_by_its_host() {
        for (base_url, want) in [
            ("https://ollama.com", true),
            ("https://api.ollama.com/x", true),
            ("http://notollama.com", false),
            ("http://127.0.0.1:11434", false),
        ] {
            let options = ProviderOptions { base_url: base_url.into(), ..ProviderOptions::default() };
            assert_eq!(Quirks::read(&options).unwrap().hosted, want, "{base_url}");
        }
    }

    #[test]
    fn a_bad_quirk_is_named() {
        check_refused(json!({"thinking": true}), "thinking");
        check_refused(json!({"think": "sometimes"}), "think");
        check_refused(json!({"think": true}), "think");
        check_refused(json!({"think_levels": "glm"}), "think_levels");
        check_refused(json!({"think_levels": [""]}), "think_levels");
        check_refused(json!({"think_leak": 1}), "think_leak");
        check_refused(json!({"format": "yes"}), "format");
        check_refused(json!({"truncate": false}), "truncate");
        check_refused(json!({"keep_alive": true}), "keep_alive");
        check_refused(json!({"num_ctx": 0}), "num_ctx");
        check_refused(json!({"options": []}), "options");
    }
}
