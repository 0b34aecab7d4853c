//! The provider's own types. Requests are written from those in `body`, answers are read into these.
//!
//! Answers are read leniently: unknown members, event types, block types and words are tolerated.

pub(super) mod body;
mod tools;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::shared::lenient::{Count, Lenient, Objects, Text, Word};
use crate::shared::names::NameRule;

pub(super) use self::tools::{ChoiceKind, ClientTool, ServerTool, ToolChoiceParam, ToolParam, UserLocation};

/// The kind in the configuration, and the origin of sealed thinking.
pub(super) const KIND: &str = "anthropic";

/// Names of tools, and the letters of ids.
pub(super) const NAMES: NameRule =
    NameRule { also: &['_', '-'], letter_first: false, max: 128, hashed: true };

/// Data of one stream event; which members are there depends on `kind`.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(rename = "type", default)]
    pub(super) kind: EventKind,
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) delta: Lenient<Delta<'a>>,
    #[serde(borrow, default)]
    pub(super) content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) message: Lenient<StartMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) usage: Lenient<UsageCounts<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// Type of a stream event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum EventKind {
    MessageStart,
    ContentBlockStart,
    ContentBlockDelta,
    ContentBlockStop,
    MessageDelta,
    MessageStop,
    Error,
    /// `ping` and whatever comes new.
    #[default]
    Unknown,
}

impl EventKind {
    /// The type of this name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "message_start" => Self::MessageStart,
            "content_block_start" => Self::ContentBlockStart,
            "content_block_delta" => Self::ContentBlockDelta,
            "content_block_stop" => Self::ContentBlockStop,
            "message_delta" => Self::MessageDelta,
            "message_stop" => Self::MessageStop,
            "error" => Self::Error,
            _ => Self::Unknown,
        }
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Word::deserialize(deserializer)?.as_str()))
    }
}

/// A piece of a block, or the end data of the message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) partial_json: Text<'a>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow)]
    pub(super) signature: Text<'a>,
    #[serde(borrow)]
    pub(super) citation: Lenient<Citation<'a>>,
    #[serde(borrow)]
    pub(super) stop_reason: Word<'a>,
    #[serde(borrow)]
    pub(super) stop_details: Lenient<StopDetails<'a>>,
}

/// The message as it begins.
#[derive(Debug, Deserialize)]
pub(super) struct StartMessage<'a> {
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) usage: Lenient<UsageCounts<'a>>,
}

/// A unary answer.
#[derive(Debug, Deserialize)]
pub(super) struct MessageBody<'a> {
    /// A list of blocks, or a text.
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Word<'a>,
    #[serde(borrow, default)]
    pub(super) stop_details: Lenient<StopDetails<'a>>,
    #[serde(borrow, default)]
    pub(super) usage: Lenient<UsageCounts<'a>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// A content block of an answer; which members are there depends on `kind`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnswerBlock<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Word<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    #[serde(borrow)]
    pub(super) citations: Objects<Citation<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Text<'a>,
    #[serde(borrow)]
    pub(super) signature: Text<'a>,
    #[serde(borrow)]
    pub(super) data: Text<'a>,
    #[serde(borrow)]
    pub(super) id: Word<'a>,
    #[serde(borrow)]
    pub(super) name: Word<'a>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// Of the result of a tool of the provider's.
    #[serde(borrow)]
    pub(super) tool_use_id: Word<'a>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    /// All of it.
    #[serde(skip)]
    pub(super) whole: Option<&'a RawValue>,
}

/// Where a text comes from. Only web results have a URL.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Citation<'a> {
    #[serde(borrow)]
    pub(super) url: Word<'a>,
    #[serde(borrow)]
    pub(super) title: Word<'a>,
}

/// Why a model declined.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StopDetails<'a> {
    #[serde(borrow)]
    pub(super) explanation: Text<'a>,
}

/// Token counts; of two reports the larger counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageCounts<'a> {
    pub(super) input_tokens: Count,
    pub(super) cache_creation_input_tokens: Count,
    pub(super) cache_read_input_tokens: Count,
    pub(super) output_tokens: Count,
    pub(super) output_tokens_details: Lenient<OutputDetails>,
    #[serde(borrow)]
    pub(super) service_tier: Word<'a>,
}

/// Part of the output that was thinking.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutputDetails {
    pub(super) thinking_tokens: Count,
}

/// A thinking block as it is sealed and sent back. Order of members as the provider documents it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum SealedBlock<'a> {
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
}

/// A call id as the provider takes it. The rewriting keeps every byte, so ids stay different.
pub(super) fn wire_id(id: &str) -> Cow<'_, str> {
    match NAMES.fit(id) {
        Cow::Borrowed(id) => Cow::Borrowed(id),
        Cow::Owned(_) => Cow::Owned(format!("or_{}", URL_SAFE_NO_PAD.encode(id))),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn foreign_ids_are_rewritten_without_loss() {
        assert_eq!(wire_id("toolu_01A-b"), "toolu_01A-b");
        assert_eq!(wire_id("call.1|x"), "or_Y2FsbC4xfHg");
        assert_ne!(wire_id("a.b"), wire_id("a:b"));
        assert_eq!(wire_id(""), "or_");
    }
}
