//! What a model did, in one vocabulary for all providers.

use or_protocol::{Annotation, Extra, LogProb, Phase, RawJson, ResponseMember, Usage, json_bytes};
use serde_json::{Map, Value};

use crate::Note;

/// Whether a call's payload is JSON arguments or free text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CallKind {
    /// `function_call`: the payload is JSON.
    Function,
    /// `custom_tool_call`: the payload is free text. Only from providers that know custom tools.
    Custom,
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FinishReason {
    /// The model was done, or waits for tool results.
    Stop,
    /// The token budget or the context window is used up.
    MaxOutputTokens,
    /// A filter cut the answer off.
    ContentFilter,
    /// Not an end: the same turn is to be sampled again with the output so far appended.
    Pause,
}

/// One step of a turn.
///
/// `block` names an output item within the turn, by a number the adapter chooses; it is never used again
/// for another item. The first event of a block opens its item: text, refusal and annotation events open
/// a message, reasoning events a reasoning item. Blocks should be ended by `BlockDone` before the next one
/// begins (blocks may interleave if the provider interleaves them); `Finished` ends what is still open.
/// Within a message or reasoning block, `PartDone` ends the current part, and so does a change of part type.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelEvent {
    /// Opens a message whose phase is known, or one that may stay empty.
    MessageStart {
        /// Output item.
        block: u32,
        /// Commentary or final answer, if the provider says so.
        phase: Option<Phase>,
    },
    /// More answer text. A unary answer sends it whole.
    TextDelta {
        /// Output item.
        block: u32,
        /// Text to append.
        text: String,
        /// Log probabilities of exactly these tokens, empty unless asked for.
        logprobs: Vec<LogProb>,
    },
    /// More of a refusal.
    RefusalDelta {
        /// Output item.
        block: u32,
        /// Text to append.
        text: String,
    },
    /// A note on the text of the current part; offsets in code points of that part's whole text.
    Annotation {
        /// Output item.
        block: u32,
        /// The annotation.
        annotation: Annotation,
    },
    /// More of a raw thinking trace (design D12).
    ReasoningDelta {
        /// Output item.
        block: u32,
        /// Text to append.
        text: String,
    },
    /// More of the provider's digest of its thinking (design D12).
    SummaryDelta {
        /// Output item.
        block: u32,
        /// Text to append.
        text: String,
    },
    /// The reasoning item's opaque state in its final form, an [`or_protocol::Envelope`]'s text.
    /// Opens a reasoning item if need be; comes before the block's `BlockDone`.
    ReasoningSealed {
        /// Output item.
        block: u32,
        /// Sealed text.
        encrypted_content: String,
    },
    /// Opens a call.
    ToolCallStart {
        /// Output item.
        block: u32,
        /// The provider's id of the call, as it came. The engine makes one where there is none.
        call_id: Option<String>,
        /// Tool name as the model wrote it, renames by the adapter undone.
        name: String,
        /// Namespace, only where the provider knows namespaces.
        namespace: Option<String>,
        /// Form of the payload.
        kind: CallKind,
        /// Further members of the item, only where the provider speaks the standard's wire.
        extra: Extra,
    },
    /// More of a call's payload.
    ToolArgsDelta {
        /// Output item.
        block: u32,
        /// Piece of JSON, or of free text for a custom call.
        delta: String,
    },
    /// A hosted tool's item, whole as it stands at this moment (design D14). Sent again with `done` at its end.
    HostedItem {
        /// Output item.
        block: u32,
        /// The item as the provider sent it; its id will be replaced by ours.
        item: Map<String, Value>,
        /// Whether this is its final form.
        done: bool,
    },
    /// An event about an open hosted item; `item_id`, `output_index` and number will be replaced by ours.
    HostedEvent {
        /// Output item.
        block: u32,
        /// The event with its `type`.
        event: Map<String, Value>,
    },
    /// Ends the current part of a message or reasoning item.
    PartDone {
        /// Output item.
        block: u32,
    },
    /// Ends an item.
    BlockDone {
        /// Output item.
        block: u32,
        /// False if the provider says that the item was cut off.
        complete: bool,
    },
    /// Token counts of this turn so far; a later one replaces it.
    Usage(Usage),
    /// The tier the provider used, in the spec's words.
    ServiceTier(String),
    /// A member of the response as the provider wrote it, only where the provider speaks the standard's wire.
    ResponseMember {
        /// Which.
        member: ResponseMember,
        /// Not null.
        value: RawJson,
    },
    /// Something of the answer could not be carried over.
    Note(Note),
    /// The turn is over; the last event of a good turn.
    Finished {
        /// Why.
        reason: FinishReason,
    },
}

impl ModelEvent {
    /// A closed word, for those who watch a turn.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::TextDelta { .. } => "text_delta",
            Self::RefusalDelta { .. } => "refusal_delta",
            Self::Annotation { .. } => "annotation",
            Self::ReasoningDelta { .. } => "reasoning_delta",
            Self::SummaryDelta { .. } => "summary_delta",
            Self::ReasoningSealed { .. } => "reasoning_sealed",
            Self::ToolCallStart { .. } => "tool_call_start",
            Self::ToolArgsDelta { .. } => "tool_args_delta",
            Self::HostedItem { .. } => "hosted_item",
            Self::HostedEvent { .. } => "hosted_event",
            Self::PartDone { .. } => "part_done",
            Self::BlockDone { .. } => "block_done",
            Self::Usage(_) => "usage",
            Self::ServiceTier(_) => "service_tier",
            Self::ResponseMember { .. } => "response_member",
            Self::Note(_) => "note",
            Self::Finished { .. } => "finished",
        }
    }

    /// Roughly how many bytes the output grows by it.
    pub fn bytes(&self) -> usize {
        /// Of an event that has no text.
        const SMALL: usize = 64;
        match self {
            Self::TextDelta { text, logprobs, .. } => {
                text.len() + logprobs.iter().map(logprob_bytes).sum::<usize>()
            }
            Self::RefusalDelta { text, .. }
            | Self::ReasoningDelta { text, .. }
            | Self::SummaryDelta { text, .. }
            | Self::ReasoningSealed { encrypted_content: text, .. }
            | Self::ToolArgsDelta { delta: text, .. } => text.len(),
            Self::HostedItem { item, .. } => usize::try_from(json_bytes(item)).unwrap_or(usize::MAX),
            Self::HostedEvent { event, .. } => usize::try_from(json_bytes(event)).unwrap_or(usize::MAX),
            Self::ToolCallStart { name, extra, .. } => SMALL + name.len() + extra.size(),
            Self::ResponseMember { value, .. } => value.as_str().len(),
            Self::Annotation { annotation, .. } => {
                SMALL + usize::try_from(json_bytes(annotation)).unwrap_or(usize::MAX)
            }
            Self::MessageStart { .. }
            | Self::PartDone { .. }
            | Self::BlockDone { .. }
            | Self::Usage(_)
            | Self::ServiceTier(_)
            | Self::Note(_)
            | Self::Finished { .. } => SMALL,
        }
    }
}
/// Bytes of a log probability, as JSON or in memory, whichever are more: with 80 in its struct, and 56 in that of each
/// token that was likely as well, neither is far from the other.
pub fn logprob_bytes(one: &LogProb) -> usize {
    /// Beside the texts.
    const EACH: usize = 80;
    let others = one.top_logprobs.iter().map(|other| EACH + 4 * (other.token.len() + other.bytes.len()));
    EACH + 5 * (one.token.len() + one.bytes.len()) + others.sum::<usize>()
}
