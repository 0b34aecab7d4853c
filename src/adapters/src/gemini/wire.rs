//! What Gemini answers. Unknown members are ignored; enums are kept as text.

pub(super) mod body;

use or_protocol::{LogProb, TopLogProb, Usage};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shared::lenient::{Count, Flag, Lenient, List, Objects, Real, Seen, Text, Word};
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
    pub(super) candidates: Objects<Candidate<'a>>,
    #[serde(borrow)]
    pub(super) prompt_feedback: Lenient<PromptFeedback<'a>>,
    #[serde(borrow)]
    pub(super) usage_metadata: Lenient<UsageMetadata<'a>>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Candidate<'a> {
    #[serde(borrow)]
    pub(super) content: Lenient<Content<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Word<'a>,
    #[serde(borrow)]
    pub(super) finish_message: Word<'a>,
    pub(super) index: Count,
    #[serde(borrow)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs_result: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) parts: Objects<Part<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Part<'a> {
    /// Absent and empty are two things: an empty text may carry a signature.
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    pub(super) thought: Flag,
    #[serde(borrow)]
    pub(super) thought_signature: Word<'a>,
    #[serde(borrow)]
    pub(super) function_call: Lenient<FunctionCall<'a>>,
    #[serde(borrow)]
    pub(super) executable_code: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) code_execution_result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_call: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) inline_data: Lenient<InlineData<'a>>,
    pub(super) file_data: Seen,
}

/// Media in base64.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct InlineData<'a> {
    #[serde(borrow)]
    pub(super) mime_type: Word<'a>,
    #[serde(borrow)]
    pub(super) data: Word<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub(super) name: Word<'a>,
    #[serde(borrow)]
    pub(super) id: Word<'a>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) partial_args: Objects<PartialArg<'a>>,
    pub(super) will_continue: Flag,
}

/// A piece of streamed arguments (Vertex). The model's own values stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PartialArg<'a> {
    #[serde(borrow)]
    pub(super) json_path: Word<'a>,
    #[serde(borrow)]
    pub(super) string_value: Option<Text<'a>>,
    pub(super) number_value: Option<Value>,
    pub(super) bool_value: Option<Value>,
    pub(super) will_continue: Flag,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(super) block_reason: Word<'a>,
    #[serde(borrow)]
    pub(super) block_reason_message: Word<'a>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageMetadata<'a> {
    pub(super) prompt_token_count: Count,
    pub(super) candidates_token_count: Count,
    pub(super) total_token_count: Count,
    pub(super) thoughts_token_count: Count,
    pub(super) cached_content_token_count: Count,
    pub(super) tool_use_prompt_token_count: Count,
    #[serde(borrow)]
    pub(super) service_tier: Word<'a>,
}

/// Where the answer's statements come from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Grounding<'a> {
    #[serde(borrow)]
    pub(super) grounding_chunks: List<Lenient<GroundingChunk<'a>>>,
    #[serde(borrow)]
    pub(super) grounding_supports: Objects<GroundingSupport<'a>>,
    #[serde(borrow)]
    pub(super) web_search_queries: List<Word<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroundingChunk<'a> {
    #[serde(borrow)]
    pub(super) web: Lenient<Source<'a>>,
    #[serde(borrow)]
    pub(super) retrieved_context: Lenient<Source<'a>>,
    #[serde(borrow)]
    pub(super) maps: Lenient<Source<'a>>,
    #[serde(borrow)]
    pub(super) image: Lenient<Source<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source<'a> {
    #[serde(borrow)]
    pub(super) uri: Word<'a>,
    /// Of images, in place of `uri`.
    #[serde(borrow)]
    pub(super) source_uri: Word<'a>,
    #[serde(borrow)]
    pub(super) title: Word<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GroundingSupport<'a> {
    #[serde(borrow)]
    pub(super) segment: Lenient<Segment<'a>>,
    pub(super) grounding_chunk_indices: List<Count>,
}

/// Byte offsets in the whole answer text; a missing start is 0.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Segment<'a> {
    pub(super) start_index: Count,
    pub(super) end_index: Count,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LogprobsResult<'a> {
    #[serde(borrow)]
    pub(super) chosen_candidates: Objects<TokenLogprob<'a>>,
    #[serde(borrow)]
    pub(super) top_candidates: List<Lenient<TopCandidates<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TopCandidates<'a> {
    #[serde(borrow)]
    pub(super) candidates: Objects<TokenLogprob<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TokenLogprob<'a> {
    #[serde(borrow)]
    pub(super) token: Text<'a>,
    pub(super) log_probability: Real,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorDetail<'a> {
    #[serde(borrow)]
    pub(super) reason: Word<'a>,
    #[serde(borrow)]
    pub(super) retry_delay: Word<'a>,
    #[serde(borrow)]
    pub(super) violations: Objects<Violation<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Violation<'a> {
    #[serde(borrow)]
    pub(super) quota_id: Word<'a>,
}

impl UsageMetadata<'_> {
    fn input(&self) -> u64 {
        self.prompt_token_count.or_zero().saturating_add(self.tool_use_prompt_token_count.or_zero())
    }

    fn output(&self) -> u64 {
        self.candidates_token_count.or_zero().saturating_add(self.thoughts_token_count.or_zero())
    }

    /// This report after an earlier one. Each of them counts anew, and may correct the one before, so the last counts
    /// hold unless they say nothing.
    pub(super) fn over(&self, old: &UsageMetadata<'static>) -> UsageMetadata<'static> {
        let has_input = self.input() > 0 || old.input() == 0;
        let has_output = self.output() > 0 || old.output() == 0;
        let input = |new: Count, old: Count| if has_input { new } else { old };
        let output = |new: Count, old: Count| if has_output { new } else { old };
        let tier = if self.service_tier.is_empty() { &old.service_tier } else { &self.service_tier };
        UsageMetadata {
            prompt_token_count: input(self.prompt_token_count, old.prompt_token_count),
            tool_use_prompt_token_count: input(
                self.tool_use_prompt_token_count,
                old.tool_use_prompt_token_count,
            ),
            cached_content_token_count: input(
                self.cached_content_token_count,
                old.cached_content_token_count,
            ),
            candidates_token_count: output(self.candidates_token_count, old.candidates_token_count),
            thoughts_token_count: output(self.thoughts_token_count, old.thoughts_token_count),
            total_token_count: self.total_token_count.max(if has_input && has_output {
                Count::default()
            } else {
                old.total_token_count
            }),
            service_tier: Word(tier.as_str().to_owned().into()),
        }
    }

    /// Our counting. Nothing if the provider counted nothing.
    pub(super) fn counts(&self) -> Option<Usage> {
        let counted = [self.prompt_token_count, self.candidates_token_count, self.total_token_count];
        counted.iter().any(|count| count.0.is_some()).then(|| {
            let (input, output) = (self.input(), self.output());
            // A total below its parts is none.
            let total = self.total_token_count.0.filter(|total| *total >= input.saturating_add(output));
            let cached = self.cached_content_token_count.or_zero();
            Usage::new(input, output, total, cached, self.thoughts_token_count.or_zero())
        })
    }
}

impl LogprobsResult<'_> {
    /// In our form.
    pub(super) fn entries(self) -> Vec<LogProb> {
        let mut tops = self.top_candidates.0.into_iter();
        let chosen = self.chosen_candidates.0.into_iter();
        chosen
            .map(|token| {
                let top = tops.next().and_then(|list| list.0).unwrap_or_default().candidates.0.into_iter();
                let (token, logprob) = token.parts();
                let bytes = token.clone().into_bytes();
                let top_logprobs = top.map(TokenLogprob::parts).map(|(token, logprob)| TopLogProb {
                    bytes: token.clone().into_bytes(),
                    token,
                    logprob,
                });
                LogProb { bytes, token, logprob, top_logprobs: top_logprobs.collect() }
            })
            .collect()
    }
}

impl TokenLogprob<'_> {
    fn parts(self) -> (String, f64) {
        (self.token.0.into_owned(), self.log_probability.0.unwrap_or_default())
    }
}
