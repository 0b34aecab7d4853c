//! The provider's `quirks` table.

use serde_json::{Map, Value};

use super::wire::Think;
use crate::ProviderOptions;

/// Ways in which one server differs from another.
#[derive(Debug, Default)]
pub(super) struct Quirks {
    /// By its base URL: the hosted service, which does not enforce `format`.
    pub(super) hosted: bool,
    /// `think`: what to send where the request names no effort, or never to send it.
    pub(super) think: ThinkMode,
    /// `think_levels`: prefixes of further models that take levels.
    pub(super) think_levels: Vec<String>,
    /// `think_leak`: when text is held back for a lone `</think>`.
    pub(super) think_leak: LeakMode,
    /// `format`: whether the server enforces a schema.
    pub(super) format: FormatMode,
    /// `truncate`: whether `truncation` is sent on.
    pub(super) truncate: TruncateMode,
    /// `keep_alive`, as it is sent.
    pub(super) keep_alive: Option<Value>,
    /// `options` and `num_ctx`; the request's own settings win.
    pub(super) options: Map<String, Value>,
}

/// See [`Quirks::think`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum ThinkMode {
    /// Nothing: the server decides.
    #[default]
    Auto,
    /// The field is never sent, for models and servers that refuse it.
    Never,
    /// This, unless the request names an effort.
    Default(Think),
}

/// See [`Quirks::think_leak`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum LeakMode {
    #[default]
    Auto,
    Hold,
    Off,
}

/// See [`Quirks::format`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum FormatMode {
    #[default]
    Auto,
    Native,
    Prompt,
}

/// See [`Quirks::truncate`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum TruncateMode {
    #[default]
    Auto,
    Server,
}

const KEYS: &str = "think, think_levels, think_leak, format, truncate, keep_alive, num_ctx, options";

impl Quirks {
    /// Reads the table; unknown keys and wrong values are refused by name.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let mut quirks = Self { hosted: is_hosted(&options.base_url), ..Self::default() };
        let mut num_ctx = None;
        for (key, value) in &options.quirks {
            match key.as_str() {
                "think" => quirks.think = think(value)?,
                "think_levels" => quirks.think_levels = prefixes(value)?,
                "think_leak" => {
                    let words = [("auto", LeakMode::Auto), ("hold", LeakMode::Hold), ("off", LeakMode::Off)];
                    quirks.think_leak = word(key, value, &words)?;
                }
                "format" => {
                    let words = [
                        ("auto", FormatMode::Auto),
                        ("native", FormatMode::Native),
                        ("prompt", FormatMode::Prompt),
                    ];
                    quirks.format = word(key, value, &words)?;
                }
                "truncate" => {
                    let words = [("auto", TruncateMode::Auto), ("server", TruncateMode::Server)];
                    quirks.truncate = word(key, value, &words)?;
                }
                "keep_alive" if value.is_string() || value.is_i64() => {
                    quirks.keep_alive = Some(value.clone());
                }
                "keep_alive" => {
                    return Err("quirks.keep_alive: expected seconds or a text such as \"10m\"".into());
                }
                "num_ctx" => match value.as_u64() {
                    Some(n) if n > 0 => num_ctx = Some(n),
                    _ => return Err("quirks.num_ctx: expected a number of tokens above 0".into()),
                },
                "options" => match value {
                    Value::Object(map) => quirks.options.clone_from(map),
                    _ => return Err("quirks.options: expected a table".into()),
                },
                _ => return Err(format!("quirks.{key}: unknown key, expected one of {KEYS}")),
            }
        }
        if let Some(n) = num_ctx {
            quirks.options.insert("num_ctx".into(), n.into());
        }
        Ok(quirks)
    }
}

/// Hosts of the hosted service.
const HOSTED: &[&str] = &["ollama.com"];

/// Whether the base URL is that of the hosted service.
fn is_hosted(base_url: &str) -> bool {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    HOSTED.iter().any(|h| host == *h || host.strip_suffix(h).is_some_and(|sub| sub.ends_with('.')))
}

fn word<T: Copy>(key: &str, value: &Value, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_str().unwrap_or_default();
    words.iter().find(|(word, _)| *word == text).map(|(_, mode)| *mode).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("quirks.{key}: expected one of {}", known.join(", "))
    })
}

fn think(value: &Value) -> Result<ThinkMode, String> {
    let on = |level| ThinkMode::Default(Think::Level(level));
    let words = [
        ("auto", ThinkMode::Auto),
        ("never", ThinkMode::Never),
        ("off", ThinkMode::Default(Think::Switch(false))),
        ("on", ThinkMode::Default(Think::Switch(true))),
        ("low", on("low")),
        ("medium", on("medium")),
        ("high", on("high")),
        ("max", on("max")),
    ];
    word("think", value, &words)
}

fn prefixes(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
    if !value.is_array() || texts.len() != list.len() || texts.iter().any(String::is_empty) {
        return Err("quirks.think_levels: expected a list of model name prefixes".into());
    }
    Ok(texts)
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
        assert_eq!(quirks.think, ThinkMode::Default(Think::Switch(false)));
        assert_eq!(quirks.think_levels, ["glm"]);
        assert_eq!(quirks.think_leak, LeakMode::Hold);
        assert_eq!(quirks.format, FormatMode::Prompt);
        assert_eq!(quirks.truncate, TruncateMode::Server);
        assert_eq!(quirks.keep_alive, Some(json!(-1)));
        assert_eq!(Value::Object(quirks.options), json!({"seed": 1, "num_ctx": 8192}));
    }

    #[test]
    fn the_hosted_service_is_known_by_its_host() {
        assert!(is_hosted("https://ollama.com") && is_hosted("https://api.ollama.com/x"));
        assert!(!is_hosted("http://notollama.com") && !is_hosted("http://127.0.0.1:11434"));
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
