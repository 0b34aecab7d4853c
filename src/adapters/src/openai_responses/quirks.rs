//! What a host does differently: presets by host name, each key overridable in the configuration.

use serde_json::Value;

use super::models::{OwnRule, read_rules};
use crate::ProviderOptions;

/// Request fields that `drop_params` may name.
pub(super) const DROPPABLE: &[&str] = &[
    "include",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "reasoning.summary",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "temperature",
    "text.format",
    "text.verbosity",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// The behaviour of one host.
#[derive(Clone, Debug)]
pub(super) struct Quirks {
    /// The key travels in `api-key` and not in `authorization`.
    pub(super) api_key_header: bool,
    /// Role `developer` is known; otherwise it is sent as `system`.
    pub(super) developer_role: bool,
    /// `phase` on assistant messages is known.
    pub(super) phase: bool,
    /// `strict` may be sent on function tools.
    pub(super) strict_tools: bool,
    /// `custom` and `namespace` tools are known; otherwise they become functions.
    pub(super) custom_tools: bool,
    /// `tool_choice` of type `allowed_tools` is known; otherwise the tool list is cut.
    pub(super) allowed_tools: bool,
    /// The two penalties are known.
    pub(super) penalties: bool,
    /// OpenAI's table of model limits applies.
    pub(super) model_limits: bool,
    /// Reasoning without encrypted content is taken back, with its raw text.
    pub(super) reasoning_text: bool,
    /// Encrypted reasoning made by another model of this kind is sent too.
    pub(super) reasoning_across_models: bool,
    /// A plain assistant message is sent with a string as content.
    pub(super) content_strings: bool,
    /// `input_video` parts are known.
    pub(super) input_video: bool,
    /// Only streams are answered.
    pub(super) always_stream: bool,
    /// `instructions` must be there, if only empty.
    pub(super) instructions_required: bool,
    /// Request fields that are never sent.
    pub(super) drop_params: Vec<String>,
    /// The user's own model rules, tried before the built-in table.
    pub(super) model_rules: Vec<OwnRule>,
}

/// The part of [`Quirks`] that a preset sets.
struct Preset {
    /// Host name, or its end behind a dot; with a trailing dot its beginning.
    host: &'static str,
    set: fn(&mut Quirks),
}

fn openai(q: &mut Quirks) {
    q.phase = true;
    q.model_limits = true;
    q.reasoning_text = false;
    q.content_strings = false;
    q.input_video = false;
}

fn azure(q: &mut Quirks) {
    openai(q);
    q.api_key_header = true;
}

fn chatgpt(q: &mut Quirks) {
    openai(q);
    q.always_stream = true;
    q.instructions_required = true;
    drop(q, &["max_output_tokens", "temperature", "top_p", "truncation", "safety_identifier", "user"]);
}

fn copilot(q: &mut Quirks) {
    openai(q);
    q.model_limits = false;
}

fn mantle(q: &mut Quirks) {
    q.phase = true;
}

fn functions_only(q: &mut Quirks) {
    q.custom_tools = false;
    q.allowed_tools = false;
}

fn deepseek(q: &mut Quirks) {
    functions_only(q);
    q.developer_role = false;
}

fn groq(q: &mut Quirks) {
    functions_only(q);
    drop(q, &["include", "truncation", "safety_identifier", "prompt_cache_key"]);
}

fn moonshot(q: &mut Quirks) {
    functions_only(q);
    q.developer_role = false;
    drop(q, &["temperature", "top_p"]);
}

fn drop(q: &mut Quirks, names: &[&str]) {
    q.drop_params.extend(names.iter().map(|n| (*n).to_owned()));
}

const PRESETS: &[Preset] = &[
    Preset { host: "api.openai.com", set: openai },
    Preset { host: "openai.azure.com", set: azure },
    Preset { host: "services.ai.azure.com", set: azure },
    Preset { host: "cognitiveservices.azure.com", set: azure },
    Preset { host: "chatgpt.com", set: chatgpt },
    Preset { host: "githubcopilot.com", set: copilot },
    Preset { host: "bedrock-mantle.", set: mantle },
    Preset { host: "api.deepseek.com", set: deepseek },
    Preset { host: "api.x.ai", set: deepseek },
    Preset { host: "minimax.io", set: deepseek },
    Preset { host: "minimaxi.com", set: deepseek },
    Preset { host: "moonshot.ai", set: moonshot },
    Preset { host: "moonshot.cn", set: moonshot },
    Preset { host: "api.groq.com", set: groq },
    Preset { host: "openrouter.ai", set: functions_only },
    Preset { host: "api.together.xyz", set: functions_only },
    Preset { host: "api.together.ai", set: functions_only },
    Preset { host: "api.fireworks.ai", set: functions_only },
];

impl Default for Quirks {
    /// A host that keeps to the Open Responses document, apart from `phase`.
    fn default() -> Self {
        Self {
            api_key_header: false,
            developer_role: true,
            phase: false,
            strict_tools: true,
            custom_tools: true,
            allowed_tools: true,
            penalties: false,
            model_limits: false,
            reasoning_text: true,
            reasoning_across_models: true,
            content_strings: true,
            input_video: true,
            always_stream: false,
            instructions_required: false,
            drop_params: Vec::new(),
            model_rules: Vec::new(),
        }
    }
}

impl Quirks {
    /// The preset for the host of `base_url`, changed by the configuration's table.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let mut quirks = Self::default();
        let host = host(&options.base_url);
        if let Some(preset) = PRESETS.iter().find(|p| p.fits(&host)) {
            (preset.set)(&mut quirks);
        }
        for (key, value) in &options.quirks {
            quirks.set(key, value)?;
        }
        Ok(quirks)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "auth_header" => self.api_key_header = choice(key, value, "bearer", "api-key")?,
            "developer_role" => self.developer_role = !choice(key, value, "developer", "system")?,
            "phase" => self.phase = flag(key, value)?,
            "strict_tools" => self.strict_tools = flag(key, value)?,
            "custom_tools" => self.custom_tools = flag(key, value)?,
            "allowed_tools" => self.allowed_tools = flag(key, value)?,
            "penalties" => self.penalties = flag(key, value)?,
            "model_limits" => self.model_limits = flag(key, value)?,
            "reasoning_text" => self.reasoning_text = flag(key, value)?,
            "reasoning_across_models" => self.reasoning_across_models = flag(key, value)?,
            "content_strings" => self.content_strings = flag(key, value)?,
            "input_video" => self.input_video = flag(key, value)?,
            "always_stream" => self.always_stream = flag(key, value)?,
            "instructions_required" => self.instructions_required = flag(key, value)?,
            "drop_params" => self.drop_params = params(value)?,
            "model_rules" => self.model_rules = read_rules(value)?,
            _ => return Err(format!("unknown quirk `{key}` for a provider of kind openai-responses")),
        }
        Ok(())
    }

    /// Whether a request field must not be sent.
    pub(super) fn drops(&self, name: &str) -> bool {
        self.drop_params.iter().any(|p| p == name)
    }
}

impl Preset {
    fn fits(&self, host: &str) -> bool {
        if self.host.ends_with('.') {
            return host.starts_with(self.host);
        }
        host.strip_suffix(self.host).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    }
}

fn host(base_url: &str) -> String {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = authority.rsplit('@').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default().to_ascii_lowercase()
}

fn flag(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("quirk `{key}` must be true or false"))
}

/// True for the second word.
fn choice(key: &str, value: &Value, no: &str, yes: &str) -> Result<bool, String> {
    match value.as_str() {
        Some(word) if word == no => Ok(false),
        Some(word) if word == yes => Ok(true),
        _ => Err(format!("quirk `{key}` must be \"{no}\" or \"{yes}\"")),
    }
}

fn params(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("quirk `drop_params` must be a list out of: {}", DROPPABLE.join(", "));
    let list = value.as_array().ok_or_else(wrong)?;
    list.iter()
        .map(|name| match name.as_str() {
            Some(name) if DROPPABLE.contains(&name) => Ok(name.to_owned()),
            _ => Err(wrong()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(base_url: &str, table: Value) -> Result<Quirks, String> {
        let quirks = table.as_object().unwrap().clone();
        Quirks::read(&ProviderOptions { name: "o".into(), base_url: base_url.into(), quirks })
    }

    #[test]
    fn a_preset_goes_by_host_and_not_by_path() {
        assert!(check("https://api.openai.com/v1", json!({})).unwrap().model_limits);
        assert!(check("https://res.openai.azure.com/openai/v1", json!({})).unwrap().api_key_header);
        assert!(!check("https://notapi.openai.com.evil.net/api.openai.com", json!({})).unwrap().model_limits);
        assert!(!check("https://xapi.x.ai", json!({})).is_ok_and(|q| !q.developer_role));
        assert!(check("https://bedrock-mantle.us-east-1.api.aws/openai/v1", json!({})).unwrap().phase);
    }

    #[test]
    fn the_table_overrides_the_preset() {
        let quirks = check(
            "https://res.openai.azure.com/openai/v1",
            json!({"auth_header": "bearer", "drop_params": ["service_tier"], "developer_role": "system"}),
        )
        .unwrap();
        assert!(!quirks.api_key_header && !quirks.developer_role && quirks.drops("service_tier"));
    }

    #[test]
    fn a_wrong_quirk_is_refused_by_name() {
        for (table, key) in [
            (json!({"colour": 1}), "`colour`"),
            (json!({"phase": "yes"}), "`phase`"),
            (json!({"auth_header": "basic"}), "`auth_header`"),
            (json!({"drop_params": ["input"]}), "`drop_params`"),
            (json!({"model_rules": [{"efforts": []}]}), "`model_rules`"),
        ] {
            assert!(check("http://h", table.clone()).unwrap_err().contains(key), "{table}");
        }
    }

    #[test]
    fn the_host_is_read_from_any_form_of_url() {
        assert_eq!(host("https://u:p@API.x.ai:8443/v1"), "api.x.ai");
        assert_eq!(host("localhost:1234"), "localhost");
    }
}
