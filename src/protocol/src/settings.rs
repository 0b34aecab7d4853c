//! What a request asks for beside its input. `None` means "not given": defaults are applied in the echo.

pub(crate) mod members;
pub(crate) mod response_members;

use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::members::{CacheMode, Members, PromptCacheOptions};
use self::response_members::ResponseMember;
use crate::{RawJson, Tool, ToolChoice};

/// How hard to think. The spec has none to xhigh; OpenAI adds minimal and max.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words, in order")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

impl Effort {
    /// The wire word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }
}

/// Which digest of the thinking is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum SummaryStyle {
    Concise,
    Detailed,
    Auto,
}

/// The `reasoning` object; both keys are always echoed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct ReasoningConfig {
    pub effort: Option<Effort>,
    pub summary: Option<SummaryStyle>,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum Verbosity {
    Low,
    Medium,
    High,
}

/// A schema the answer must satisfy.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct JsonSchemaFormat {
    pub name: String,
    pub description: Option<String>,
    pub schema: RawJson,
    pub strict: bool,
}

impl Serialize for JsonSchemaFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("JsonSchemaFormat", 5)?;
        out.serialize_field("type", "json_schema")?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("description", &self.description)?;
        out.serialize_field("schema", &self.schema)?;
        out.serialize_field("strict", &self.strict)?;
        out.end()
    }
}

/// The form of the answer's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum TextFormat {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema(Box<JsonSchemaFormat>),
}

impl Serialize for TextFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self {
            Self::Text => "text",
            Self::JsonObject => "json_object",
            Self::JsonSchema(format) => return format.serialize(serializer),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("type", kind)?;
        map.end()
    }
}

/// The `text` object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct TextConfig {
    pub format: TextFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<Verbosity>,
}

/// Whether the server may drop older context to fit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum Truncation {
    Auto,
    #[default]
    Disabled,
}

/// Extra data the answer shall carry. The first two are the spec's; the rest OpenAI's for its hosted tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "see `Include::TABLE` for the wire words")]
pub enum Include {
    ReasoningEncryptedContent,
    OutputTextLogprobs,
    FileSearchResults,
    WebSearchResults,
    WebSearchSources,
    InputImageUrl,
    ComputerImageUrl,
    CodeInterpreterOutputs,
}

impl Include {
    /// Wire words.
    pub const TABLE: &'static [(&'static str, Self)] = &[
        ("reasoning.encrypted_content", Self::ReasoningEncryptedContent),
        ("message.output_text.logprobs", Self::OutputTextLogprobs),
        ("file_search_call.results", Self::FileSearchResults),
        ("web_search_call.results", Self::WebSearchResults),
        ("web_search_call.action.sources", Self::WebSearchSources),
        ("message.input_image.image_url", Self::InputImageUrl),
        ("computer_call_output.output.image_url", Self::ComputerImageUrl),
        ("code_interpreter_call.outputs", Self::CodeInterpreterOutputs),
    ];

    /// The wire word.
    pub fn as_str(self) -> &'static str {
        Self::TABLE.iter().find(|(_, v)| *v == self).map_or("", |(word, _)| word)
    }
}

/// Every request field that shapes the answer, for adapters, the echo and the record alike.
///
/// Ranges were checked at decoding (rules 2).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct Settings {
    pub instructions: Option<String>,
    pub tools: Vec<Tool>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: Option<bool>,
    /// Hosted-tool calls in one response, at least 1.
    pub max_tool_calls: Option<u64>,
    pub text: TextConfig,
    pub reasoning: Option<ReasoningConfig>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    /// Tokens of the whole response, at least 16.
    pub max_output_tokens: Option<u64>,
    /// 0 to 20.
    pub top_logprobs: Option<u64>,
    pub include: Vec<Include>,
    pub truncation: Truncation,
    pub service_tier: Option<String>,
    pub safety_identifier: Option<String>,
    pub prompt_cache_key: Option<String>,
    /// Client's own key-value pairs; values are strings.
    pub metadata: Map<String, Value>,
    /// OpenAI's deprecated end-user id, echoed only when given.
    pub user: Option<String>,
    /// What has no form of its own.
    pub members: Members,
    /// Tools that items of the context bring. Providers that know such items read them there; no response shows them.
    pub brought: Vec<Tool>,
}

impl Settings {
    /// Whether `include` has this word.
    pub fn includes(&self, what: Include) -> bool {
        self.include.contains(&what)
    }

    /// Whether log probabilities are wanted (rules 5.3).
    pub fn wants_logprobs(&self) -> bool {
        self.includes(Include::OutputTextLogprobs) || self.top_logprobs.is_some_and(|n| n > 0)
    }

    /// Whether the client wants to see a digest of the thinking.
    pub fn wants_summary(&self) -> bool {
        self.reasoning.is_some_and(|r| r.summary.is_some())
    }

    /// Requested effort.
    pub fn effort(&self) -> Option<Effort> {
        self.reasoning.and_then(|r| r.effort)
    }

    /// All tools that the model may be told of: the request's, then those that items bring.
    pub fn all_tools(&self) -> impl Iterator<Item = &Tool> + Clone {
        self.tools.iter().chain(&self.brought)
    }

    /// `parallel_tool_calls`, true by default.
    pub fn parallel(&self) -> bool {
        self.parallel_tool_calls.unwrap_or(true)
    }
}

/// Lifetime of a cache entry where a request names none.
const DEFAULT_TTL: &str = "30m";

impl Settings {
    /// How the prompt is to be cached, where the request says it.
    pub fn prompt_cache_options(&self) -> Option<PromptCacheOptions> {
        let options = self.members.body.member("prompt_cache_options")?;
        let text = |name| options.text(name).map(|text| text.into_owned());
        let mode = text("mode").and_then(|word| CacheMode::TABLE.iter().find(|(name, _)| *name == word));
        Some(PromptCacheOptions {
            mode: mode.map(|(_, mode)| *mode).unwrap_or_default(),
            ttl: text("ttl"),
            prewarm: options.get("prewarm").is_some_and(|value| value.get() == "true"),
            comparison_response_id: text("comparison_response_id"),
        })
    }

    /// Whether the request forbids to generate anything.
    pub fn generates_nothing(&self) -> bool {
        let told = self.members.body.member("generate").is_some_and(|value| value.as_str() == "false");
        told || self.prompt_cache_options().is_some_and(|options| options.prewarm)
    }

    /// What the response shows again of a member, by OpenAI's type.
    pub(crate) fn echoed(&self, member: ResponseMember) -> Option<RawJson> {
        let own = self.members.body.member(member.as_str());
        match member {
            ResponseMember::AccessPrograms | ResponseMember::PromptCacheRetention => own,
            // What `auto` came to is for the provider to say.
            ResponseMember::Image => {
                own.filter(|image| image.text("context_compression").as_deref() != Some("auto"))
            }
            ResponseMember::PromptCacheOptions => {
                let options = own?;
                let word = |name: &str, default: &str| {
                    Some(options.text(name).as_deref().unwrap_or(default).to_owned())
                };
                let words = [("mode", word("mode", "implicit")), ("ttl", word("ttl", DEFAULT_TTL))];
                Some(options.with_texts(&words, &["mode", "ttl"]))
            }
            // Of moderation the request has the policy, and the response what came of it.
            ResponseMember::InputTransformations | ResponseMember::Moderation | ResponseMember::ToolUsage => {
                None
            }
        }
    }
}
