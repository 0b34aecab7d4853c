//! What Gemini answers. Unknown members are ignored; enums are kept as text.

pub(super) mod body;

use or_protocol::{LogProb, TopLogProb, Usage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::shared::names::NameRule;

/// The kind in the configuration and in envelopes.
pub(super) const KIND: &str = "gemini";

/// A letter or `_` first, and no characters beyond `_ . : -`.
pub(super) const NAMES: NameRule =
    NameRule { also: &['_', '.', ':', '-'], letter_first: true, max: usize::MAX, hashed: false };

/// One chunk of a stream, or a whole unary answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Chunk<'a> {
    #[serde(borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    pub(super) prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<UsageMetadata>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    pub(super) finish_reason: Option<String>,
    pub(super) finish_message: Option<String>,
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Part<'a> {
    pub(super) text: Option<String>,
    pub(super) thought: Option<bool>,
    pub(super) thought_signature: Option<String>,
    #[serde(borrow)]
    pub(super) function_call: Option<FunctionCall<'a>>,
    pub(super) executable_code: Option<IgnoredAny>,
    pub(super) code_execution_result: Option<IgnoredAny>,
    pub(super) tool_call: Option<IgnoredAny>,
    pub(super) tool_response: Option<IgnoredAny>,
    pub(super) inline_data: Option<IgnoredAny>,
    pub(super) file_data: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FunctionCall<'a> {
    pub(super) name: Option<String>,
    pub(super) id: Option<String>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    pub(super) partial_args: Option<Vec<PartialArg>>,
    pub(super) will_continue: Option<bool>,
}

/// A piece of streamed arguments (Vertex).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartialArg {
    pub(super) json_path: String,
    pub(super) string_value: Option<String>,
    pub(super) number_value: Option<serde_json::Number>,
    pub(super) bool_value: Option<bool>,
    pub(super) will_continue: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PromptFeedback {
    pub(super) block_reason: Option<String>,
    pub(super) block_reason_message: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageMetadata {
    pub(super) prompt_token_count: Option<u64>,
    pub(super) candidates_token_count: Option<u64>,
    pub(super) total_token_count: Option<u64>,
    pub(super) thoughts_token_count: Option<u64>,
    pub(super) cached_content_token_count: Option<u64>,
    pub(super) tool_use_prompt_token_count: Option<u64>,
    pub(super) service_tier: Option<String>,
}

/// Where the answer's statements come from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Grounding {
    pub(super) grounding_chunks: Option<Vec<GroundingChunk>>,
    pub(super) grounding_supports: Option<Vec<GroundingSupport>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroundingChunk {
    pub(super) web: Option<Source>,
    pub(super) retrieved_context: Option<Source>,
    pub(super) maps: Option<Source>,
    pub(super) image: Option<Source>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    pub(super) uri: Option<String>,
    /// Of images, in place of `uri`.
    pub(super) source_uri: Option<String>,
    pub(super) title: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroundingSupport {
    pub(super) segment: Option<Segment>,
    pub(super) grounding_chunk_indices: Option<Vec<usize>>,
}

/// Byte offsets in the whole answer text; a missing start is 0.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Segment {
    pub(super) start_index: Option<usize>,
    pub(super) end_index: Option<usize>,
    pub(super) text: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogprobsResult {
    pub(super) chosen_candidates: Option<Vec<TokenLogprob>>,
    pub(super) top_candidates: Option<Vec<TopCandidates>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TopCandidates {
    pub(super) candidates: Option<Vec<TokenLogprob>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TokenLogprob {
    pub(super) token: String,
    pub(super) log_probability: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorDetail {
    pub(super) reason: Option<String>,
    pub(super) retry_delay: Option<String>,
    pub(super) violations: Option<Vec<Violation>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Violation {
    pub(super) quota_id: Option<String>,
}

impl UsageMetadata {
    /// Our counting. Nothing if the provider counted nothing.
    pub(super) fn counts(&self) -> Option<Usage> {
        let counted = [self.prompt_token_count, self.candidates_token_count, self.total_token_count];
        counted.iter().any(Option::is_some).then(|| {
            let n = Option::unwrap_or_default;
            let thoughts: u64 = n(self.thoughts_token_count);
            Usage::new(
                n(self.prompt_token_count).saturating_add(n(self.tool_use_prompt_token_count)),
                n(self.candidates_token_count).saturating_add(thoughts),
                self.total_token_count,
                n(self.cached_content_token_count),
                thoughts,
            )
        })
    }
}

impl LogprobsResult {
    /// In our form.
    pub(super) fn entries(self) -> Vec<LogProb> {
        let mut tops = self.top_candidates.into_iter().flatten();
        let top = |t: TokenLogprob| TopLogProb {
            bytes: t.token.clone().into_bytes(),
            token: t.token,
            logprob: t.log_probability,
        };
        let chosen = self.chosen_candidates.into_iter().flatten();
        chosen
            .map(|t| LogProb {
                bytes: t.token.clone().into_bytes(),
                token: t.token,
                logprob: t.log_probability,
                top_logprobs: tops
                    .next()
                    .and_then(|list| list.candidates)
                    .into_iter()
                    .flatten()
                    .map(top)
                    .collect(),
            })
            .collect()
    }
}
