//! The response object: 31 fields in every answer and snapshot (rules 7).

use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Serialize};

use crate::settings::response_members::{ResponseMember, ResponseMembers};
use crate::{Effort, ErrorDetails, Item, RawJson, ResponseId, Settings, SummaryStyle, ToolChoice};

/// State of a response (rules 7.6). The last four are terminal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum ResponseStatus {
    Queued,
    InProgress,
    Completed,
    Failed,
    Incomplete,
    Cancelled,
}

impl ResponseStatus {
    /// The wire word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Token counts for one whole response, summed over every turn of the loop.
///
/// Unit: tokens, as counted by the provider. `input_tokens` includes cached tokens and `output_tokens`
/// includes reasoning. Source: schema `Usage`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct Usage {
    pub input_tokens: u64,
    pub input_tokens_details: InputTokensDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputTokensDetails,
    pub total_tokens: u64,
}

/// Parts of the input that came from the provider's cache and that were written to it.
///
/// The second is OpenAI's: its types of November 2026 require it. A record of before has none.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct InputTokensDetails {
    pub cached_tokens: u64,
    #[serde(default)]
    pub cache_write_tokens: u64,
}

/// Part of the output that was thinking.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct OutputTokensDetails {
    pub reasoning_tokens: u64,
}

impl Usage {
    /// From the five numbers; `total` is the sum where the provider gave none.
    pub fn new(input: u64, output: u64, total: Option<u64>, cached: u64, reasoning: u64) -> Self {
        Self {
            input_tokens: input,
            input_tokens_details: InputTokensDetails { cached_tokens: cached, cache_write_tokens: 0 },
            output_tokens: output,
            output_tokens_details: OutputTokensDetails { reasoning_tokens: reasoning },
            total_tokens: total.unwrap_or_else(|| input.saturating_add(output)),
        }
    }

    /// The same with tokens that were written to the provider's cache; they are of the input.
    #[must_use]
    pub fn with_cache_writes(mut self, written: u64) -> Self {
        self.input_tokens_details.cache_write_tokens = written;
        self
    }

    /// Adds another turn's counts.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        sum(&mut self.input_tokens, other.input_tokens);
        let (input, others) = (&mut self.input_tokens_details, &other.input_tokens_details);
        sum(&mut input.cached_tokens, others.cached_tokens);
        sum(&mut input.cache_write_tokens, others.cache_write_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        sum(&mut self.output_tokens_details.reasoning_tokens, other.output_tokens_details.reasoning_tokens);
        sum(&mut self.total_tokens, other.total_tokens);
    }
}

/// How the prompt of a response compares with that of an earlier one, which its request named.
///
/// Source: OpenAI's `PromptCacheDiagnostics`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PromptCacheDiagnostics {
    /// One prompt is the beginning of the other.
    CacheHit,
    /// They part somewhere. Unit: tokens, estimated by this server.
    CacheMiss {
        /// What differs first.
        reason: CacheMissReason,
        /// Of this prompt, from where they part.
        cache_missed_tokens: u64,
        /// Of the earlier prompt, up to there.
        comparison_reusable_tokens: u64,
    },
    /// There is no such response of this client.
    ComparisonResponseNotFound,
    /// It is not over, or comparing it would take more than this server allows.
    Unavailable,
}

/// What differs first between two prompts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "OpenAI's words say it")]
pub enum CacheMissReason {
    ModelChanged,
    PromptCacheKeyChanged,
    ToolsChanged,
    TextFormatChanged,
    ReasoningEffortChanged,
    VerbosityChanged,
    ContextCompacted,
    InputChanged,
    ServiceTierChanged,
}

/// Why a response ended early: `max_output_tokens`, `content_filter`, `cancelled`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct IncompleteDetails {
    pub reason: String,
}

/// Why a response failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct ResponseError {
    pub code: String,
    pub message: String,
    /// What the provider said beside.
    #[serde(flatten)]
    pub details: ErrorDetails,
}

/// The response object, borrowed from whoever keeps its parts. Serialises to the 31 fields.
///
/// `output` shows `encrypted_content` of reasoning items only if the request included it.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct ResponseResource<'a> {
    pub id: &'a ResponseId,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds; only when completed.
    pub completed_at: Option<i64>,
    pub status: ResponseStatus,
    pub incomplete_details: Option<&'a IncompleteDetails>,
    pub model: &'a str,
    pub previous_response_id: Option<&'a str>,
    pub output: &'a [Item],
    pub error: Option<&'a ResponseError>,
    pub usage: Option<&'a Usage>,
    pub store: bool,
    pub background: bool,
    /// The tier that was used; `default` where the provider says nothing.
    pub service_tier: &'a str,
    pub settings: &'a Settings,
    /// What the provider says of it; where the request says the same, the request's word is echoed.
    pub members: Option<&'a ResponseMembers>,
    /// Where the request asked for a comparison.
    pub prompt_cache_diagnostics: Option<&'a PromptCacheDiagnostics>,
}

impl Serialize for ResponseResource<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let s = self.settings;
        let mut out = serializer.serialize_struct("ResponseResource", 40)?;
        out.serialize_field("id", self.id)?;
        out.serialize_field("object", "response")?;
        out.serialize_field("created_at", &self.created_at)?;
        out.serialize_field("completed_at", &self.completed_at)?;
        out.serialize_field("status", &self.status)?;
        out.serialize_field("incomplete_details", &self.incomplete_details)?;
        out.serialize_field("model", self.model)?;
        out.serialize_field("previous_response_id", &self.previous_response_id)?;
        out.serialize_field("instructions", &s.instructions)?;
        out.serialize_field("output", self.output)?;
        out.serialize_field("error", &self.error)?;
        out.serialize_field("tools", &s.tools)?;
        out.serialize_field::<ToolChoice>("tool_choice", &s.tool_choice)?;
        out.serialize_field("truncation", &s.truncation)?;
        out.serialize_field("parallel_tool_calls", &s.parallel())?;
        out.serialize_field("text", &s.text)?;
        out.serialize_field("top_p", &number(s.top_p, 1.0))?;
        out.serialize_field("presence_penalty", &number(s.presence_penalty, 0.0))?;
        out.serialize_field("frequency_penalty", &number(s.frequency_penalty, 0.0))?;
        out.serialize_field("top_logprobs", &s.top_logprobs.unwrap_or(0))?;
        out.serialize_field("temperature", &number(s.temperature, 1.0))?;
        out.serialize_field("reasoning", &ReasoningEcho::of(s))?;
        out.serialize_field("usage", &self.usage)?;
        out.serialize_field("max_output_tokens", &s.max_output_tokens)?;
        out.serialize_field("max_tool_calls", &s.max_tool_calls)?;
        out.serialize_field("store", &self.store)?;
        out.serialize_field("background", &self.background)?;
        out.serialize_field("service_tier", self.service_tier)?;
        out.serialize_field("metadata", &s.metadata)?;
        out.serialize_field("safety_identifier", &s.safety_identifier)?;
        out.serialize_field("prompt_cache_key", &s.prompt_cache_key)?;
        match &s.user {
            Some(user) => out.serialize_field("user", user)?,
            None => out.skip_field("user")?,
        }
        for member in ResponseMember::ALL {
            let told = || self.members.and_then(|members| members.get(member)).cloned();
            match s.echoed(member).or_else(told) {
                Some(value) => out.serialize_field(member.as_str(), &value)?,
                None => out.skip_field(member.as_str())?,
            }
        }
        match self.prompt_cache_diagnostics {
            Some(found) => out.serialize_field("prompt_cache_diagnostics", found)?,
            None => out.skip_field("prompt_cache_diagnostics")?,
        }
        out.end()
    }
}

/// The request's `reasoning`, with OpenAI's further members where they were given.
#[derive(Serialize)]
struct ReasoningEcho {
    effort: Option<Effort>,
    summary: Option<SummaryStyle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<RawJson>,
}

impl ReasoningEcho {
    fn of(settings: &Settings) -> Option<Self> {
        let member = |name| settings.members.reasoning.member(name);
        let config = settings.reasoning?;
        Some(Self {
            effort: config.effort,
            summary: config.summary,
            context: member("context"),
            mode: member("mode"),
        })
    }
}

/// A whole number is written without fraction, as clients sent it.
#[derive(Serialize)]
#[serde(untagged)]
enum PlainNumber {
    Whole(i64),
    Fraction(f64),
}

fn number(value: Option<f64>, default: f64) -> PlainNumber {
    let value = value.unwrap_or(default);
    if value.fract() == 0.0 { PlainNumber::Whole(value as i64) } else { PlainNumber::Fraction(value) }
}
