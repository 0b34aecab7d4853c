//! How hosts differ, as data: the `quirks` table of a provider, over the preset of its host.

use std::sync::Arc;

use or_protocol::Effort;
use serde::Deserialize;
use serde_json::Value;

use super::presets;
use crate::ProviderOptions;
use crate::shared::quirks::{self, DeveloperRole, KeyHeader, LaterSystem, host};

/// What a host takes and in which form. The defaults are for hosts we know nothing of.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quirks {
    /// Which host answers, from `base_url`: reasoning it sealed is no use to another one.
    #[serde(skip)]
    pub(super) host: Arc<str>,
    /// Takes the preset of this name, whatever the host.
    pub(super) preset: Option<String>,
    pub(super) auth_header: KeyHeader,
    pub(super) developer_role: DeveloperRole,
    /// Join the leading system messages.
    pub(super) merge_system: bool,
    /// As what a system message behind any other is sent.
    pub(super) later_system: LaterSystem,
    /// Join neighbours of the same role.
    pub(super) alternate_roles: bool,
    /// Send content that is only text as a string.
    pub(super) content_strings: bool,
    pub(super) max_tokens_field: MaxTokensField,
    pub(super) tool_choice: ToolChoiceForm,
    pub(super) required_word: RequiredWord,
    /// Ask for usage in streams.
    pub(super) stream_usage: bool,
    /// The host knows the `allowed_tools` choice.
    pub(super) allowed_tools: bool,
    /// The host knows `strict` of a function.
    pub(super) strict_tools: bool,
    /// Tool messages may hold images and files.
    pub(super) image_in_tool: bool,
    /// `tools` and `response_format` may stand together.
    pub(super) tools_with_format: bool,
    /// `[DONE]` without a finish reason is a good end.
    pub(super) finish_reason_optional: bool,
    /// The field may be sent.
    pub(super) parallel_tool_calls: bool,
    pub(super) json_schema: JsonSchemaForm,
    pub(super) json_object: bool,
    pub(super) file_parts: FileParts,
    pub(super) video_parts: bool,
    /// Assistant messages have a `refusal` field.
    pub(super) refusal_field: bool,
    pub(super) reasoning_param: ReasoningParam,
    /// Efforts the host takes; the nearest is sent.
    pub(super) reasoning_efforts: Vec<Effort>,
    pub(super) reasoning_echo: ReasoningEcho,
    /// Send an empty reasoning field with tool calls where there is no text to echo.
    pub(super) echo_empty: bool,
    pub(super) tool_call_id: CallIdForm,
    /// Table of what single models refuse.
    pub(super) model_rules: ModelRules,
    /// How the host is told what to cache of a prompt.
    pub(super) prompt_caching: PromptCaching,
    /// Body fields that are never sent.
    pub(super) drop_params: Vec<String>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            host: Arc::default(),
            preset: None,
            auth_header: KeyHeader::Bearer,
            developer_role: DeveloperRole::System,
            merge_system: false,
            later_system: LaterSystem::System,
            alternate_roles: false,
            content_strings: true,
            max_tokens_field: MaxTokensField::MaxTokens,
            tool_choice: ToolChoiceForm::Full,
            required_word: RequiredWord::Required,
            stream_usage: true,
            allowed_tools: false,
            strict_tools: false,
            image_in_tool: false,
            tools_with_format: true,
            finish_reason_optional: true,
            parallel_tool_calls: true,
            json_schema: JsonSchemaForm::Openai,
            json_object: true,
            file_parts: FileParts::File,
            video_parts: true,
            refusal_field: false,
            reasoning_param: ReasoningParam::Effort,
            reasoning_efforts: vec![Effort::Low, Effort::Medium, Effort::High],
            reasoning_echo: ReasoningEcho::Sealed,
            echo_empty: false,
            tool_call_id: CallIdForm::Any,
            model_rules: ModelRules::None,
            prompt_caching: PromptCaching::None,
            drop_params: presets::PRIVATE_PARAMS.iter().map(|p| (*p).to_owned()).collect(),
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum MaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

/// Which tool choices the host takes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolChoiceForm {
    Full,
    Strings,
    AutoOnly,
    /// `auto`, or one function.
    AutoOrNamed,
    /// Everything while reasoning is switched off, else only `auto`.
    AutoWhenThinking,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequiredWord {
    Required,
    Any,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum JsonSchemaForm {
    Openai,
    BareSchema,
    AsJsonObject,
    None,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileParts {
    File,
    DocumentUrl,
    None,
}

/// How the wish for an effort is put.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasoningParam {
    Effort,
    Openrouter,
    ThinkingType,
    EnableThinking,
    TemplateKwargs,
    None,
}

/// What of earlier reasoning goes back with an assistant message.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReasoningEcho {
    None,
    /// Only sealed details that this very host made.
    Sealed,
    ReasoningContent,
    Reasoning,
    /// Sealed details of this host; text in `reasoning` where there are none.
    ReasoningDetails,
    ThinkTags,
    ThinkParts,
}

/// What a tool call's id must look like.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallIdForm {
    Any,
    Alnum9,
    Max40,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModelRules {
    None,
    Openai,
}

/// How a host caches prompts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum PromptCaching {
    /// It is not known to.
    None,
    /// By the beginning of the input, and nothing need be said.
    ByPrefix,
    /// `cache_control` on texts, with one lifetime.
    CacheControl,
    /// `cache_control` on texts, with a `ttl` of five minutes or an hour.
    CacheControlTtl,
    /// OpenAI's members.
    Openai,
}

impl Quirks {
    /// The preset of the host (or of the name given), with the table's own keys over it.
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let preset = match options.quirks.get("preset") {
            Some(Value::String(name)) => presets::by_name(name).ok_or_else(|| {
                format!("quirks.preset: unknown preset `{name}`, expected one of {}", presets::names())
            })?,
            _ => presets::by_host(&host(&options.base_url)),
        };
        let quirks: Self = quirks::read(options, preset)?;
        Ok(Self { host: host(&options.base_url).into(), ..quirks })
    }

    /// Whether a body field is never to be sent.
    pub(super) fn drops(&self, field: &str) -> bool {
        self.drop_params.iter().any(|p| p == field)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn load(base_url: &str, quirks: Value) -> Result<Quirks, String> {
        let Value::Object(quirks) = quirks else { panic!("quirks must be an object") };
        Quirks::read(&ProviderOptions { name: "x".into(), base_url: base_url.into(), quirks })
    }

    #[test]
    fn every_preset_is_made_of_known_keys() {
        for (name, _, text) in presets::PRESETS {
            let parsed = serde_json::from_str::<Quirks>(text);
            assert!(parsed.is_ok(), "{name}: {parsed:?}");
        }
    }

    #[test]
    fn a_preset_goes_by_the_end_of_the_host() {
        let preset = |url: &str| Quirks { host: Arc::default(), ..load(url, json!({})).unwrap() };
        let mistral = preset("https://api.mistral.ai/v1");
        assert_eq!(mistral.tool_call_id, CallIdForm::Alnum9);
        assert_eq!(preset("https://eu.api.mistral.ai:443/v1"), mistral);
        assert_eq!(preset("https://notapi.mistral.ai.example/v1"), Quirks::default());
        assert_eq!(preset("http://127.0.0.1:8000/v1"), Quirks::default());
    }

    #[test]
    fn every_key_can_be_overridden() {
        let quirks = load("https://api.mistral.ai/v1", json!({"tool_call_id": "any"})).unwrap();
        assert_eq!(quirks.tool_call_id, CallIdForm::Any);
        assert_eq!(quirks.required_word, RequiredWord::Any);
        let named = load("http://localhost/v1", json!({"preset": "mistral"})).unwrap();
        assert_eq!(named.required_word, RequiredWord::Any);
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let wrong = load("http://h/v1", json!({"tool_coice": "full"})).unwrap_err();
        assert!(wrong.starts_with("quirks.tool_coice: unknown field"), "{wrong}");
        let wrong = load("http://h/v1", json!({"stream_usage": "yes"})).unwrap_err();
        assert!(wrong.starts_with("quirks.stream_usage: invalid type"), "{wrong}");
        let wrong = load("http://h/v1", json!({"preset": "nobody"})).unwrap_err();
        assert!(wrong.starts_with("quirks.preset: unknown preset `nobody`"), "{wrong}");
    }
}
