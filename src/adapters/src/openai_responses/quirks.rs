//! What a host does differently: presets by host name, each key overridable in the configuration.

use serde::Deserialize;

use super::models::OwnRule;
use crate::ProviderOptions;
use crate::shared::quirks::{self, DeveloperRole, KeyHeader, LaterSystem, host, is_at};

/// Request fields that `drop_params` may name.
pub(super) const DROPPABLE: &[&str] = &[
    "access_programs",
    "background_options",
    "client_metadata",
    "context_management",
    "image",
    "include",
    "max_output_tokens",
    "max_tool_calls",
    "moderation",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "reasoning.context",
    "reasoning.mode",
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
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quirks {
    pub(super) auth_header: KeyHeader,
    /// As what developer messages are sent.
    pub(super) developer_role: DeveloperRole,
    /// Join the leading system messages and the instructions.
    pub(super) merge_system: bool,
    /// As what a system message behind any other is sent.
    pub(super) later_system: LaterSystem,
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
    /// Members that this server does not know are taken, or refused with words of the host's own; otherwise they are
    /// not sent.
    pub(super) other_members: bool,
    /// Only streams are answered.
    pub(super) always_stream: bool,
    /// `instructions` must be there, if only empty.
    pub(super) instructions_required: bool,
    /// Request fields that are never sent.
    pub(super) drop_params: Vec<String>,
    /// The user's own model rules, tried before the built-in table.
    pub(super) model_rules: Vec<OwnRule>,
}

const FUNCTIONS_ONLY: &str = r#"{"custom_tools":false,"allowed_tools":false}"#;
const SYSTEM_ONLY: &str = r#"{"custom_tools":false,"allowed_tools":false,"developer_role":"system"}"#;

/// Hosts, and their quirks as JSON.
const PRESETS: &[(&[&str], &str)] = &[
    (
        &["api.openai.com"],
        r#"{"phase":true,"model_limits":true,"reasoning_text":false,"content_strings":false,
            "input_video":false}"#,
    ),
    (
        &["openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"],
        r#"{"auth_header":"api-key","phase":true,"model_limits":true,"reasoning_text":false,
            "content_strings":false,"input_video":false}"#,
    ),
    (
        &["chatgpt.com"],
        r#"{"phase":true,"model_limits":true,"reasoning_text":false,"content_strings":false,
            "input_video":false,"always_stream":true,"instructions_required":true,"drop_params":[
            "max_output_tokens","temperature","top_p","truncation","safety_identifier","user"]}"#,
    ),
    (
        &["githubcopilot.com"],
        r#"{"phase":true,"reasoning_text":false,"content_strings":false,"input_video":false}"#,
    ),
    (&["bedrock-mantle."], r#"{"phase":true}"#),
    (&["api.deepseek.com", "api.x.ai", "minimax.io", "minimaxi.com"], SYSTEM_ONLY),
    (
        &["moonshot.ai", "moonshot.cn"],
        r#"{"custom_tools":false,"allowed_tools":false,"developer_role":"system",
            "drop_params":["temperature","top_p"]}"#,
    ),
    (
        &["api.groq.com"],
        r#"{"custom_tools":false,"allowed_tools":false,
            "drop_params":["include","truncation","safety_identifier","prompt_cache_key"]}"#,
    ),
    (&["openrouter.ai", "api.together.xyz", "api.together.ai", "api.fireworks.ai"], FUNCTIONS_ONLY),
];

impl Default for Quirks {
    /// A host that keeps to the Open Responses document, apart from `phase`.
    fn default() -> Self {
        Self {
            auth_header: KeyHeader::Bearer,
            developer_role: DeveloperRole::Developer,
            merge_system: false,
            later_system: LaterSystem::System,
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
            other_members: true,
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
        let host = host(&options.base_url);
        let preset = PRESETS.iter().find(|(hosts, _)| hosts.iter().any(|pattern| is_at(&host, pattern)));
        let quirks: Self = quirks::read(options, preset.map_or("{}", |(_, preset)| preset))?;
        if !quirks.drop_params.iter().all(|name| DROPPABLE.contains(&name.as_str())) {
            return Err(format!("quirks.drop_params: expected a list out of {}", DROPPABLE.join(", ")));
        }
        Ok(quirks)
    }

    /// Whether a request field must not be sent.
    pub(super) fn drops(&self, name: &str) -> bool {
        self.drop_params.iter().any(|p| p == name)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(base_url: &str, table: Value) -> Result<Quirks, String> {
        let quirks = table.as_object().unwrap().clone();
        Quirks::read(&ProviderOptions { name: "o".into(), base_url: base_url.into(), quirks })
    }

    #[test]
    fn a_preset_goes_by_host_and_not_by_path() {
        assert!(check("https://api.openai.com/v1", json!({})).unwrap().model_limits);
        assert!(
            check("https://res.openai.azure.com/openai/v1", json!({})).unwrap().auth_header
                == KeyHeader::ApiKey
        );
        assert!(!check("https://notapi.openai.com.evil.net/api.openai.com", json!({})).unwrap().model_limits);
        assert!(
            !check("https://xapi.x.ai", json!({})).is_ok_and(|q| q.developer_role == DeveloperRole::System)
        );
        assert!(check("https://bedrock-mantle.us-east-1.api.aws/openai/v1", json!({})).unwrap().phase);
    }

    #[test]
    fn the_table_overrides_the_preset() {
        let quirks = check(
            "https://res.openai.azure.com/openai/v1",
            json!({"auth_header": "bearer", "drop_params": ["service_tier"], "developer_role": "system"}),
        )
        .unwrap();
        assert_eq!((quirks.auth_header, quirks.developer_role), (KeyHeader::Bearer, DeveloperRole::System));
        assert!(quirks.drops("service_tier"));
    }

    #[test]
    fn a_wrong_quirk_is_refused_by_name() {
        for (table, key) in [
            (json!({"colour": 1}), "quirks.colour:"),
            (json!({"phase": "yes"}), "quirks.phase:"),
            (json!({"auth_header": "basic"}), "quirks.auth_header:"),
            (json!({"drop_params": ["input"]}), "quirks.drop_params:"),
            (json!({"model_rules": [{"efforts": []}]}), "quirks.model_rules:"),
        ] {
            assert!(check("http://h", table.clone()).unwrap_err().contains(key), "{table}");
        }
    }

    #[test]
    fn every_preset_is_made_of_known_keys() {
        for (hosts, text) in PRESETS {
            let parsed = serde_json::from_str::<Quirks>(text);
            assert!(parsed.is_ok(), "{hosts:?}: {parsed:?}");
        }
    }
}
