//! The demo provider's own wire: one JSON request, answered by lines or by one body that holds the lines.

use std::borrow::Cow;

use or_protocol::LogProb;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Body of `POST /demo`.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct DemoRequest<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) instructions: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) messages: Vec<WireMessage<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<WireTool<'a>>,
    #[serde(default)]
    pub(super) tool_choice: WireChoice,
    /// Whether one answer may hold several calls.
    #[serde(default = "yes")]
    pub(super) parallel: bool,
    #[serde(default)]
    pub(super) format: WireFormat,
    /// Words of thinking grow with it; none is no thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) effort: Option<or_protocol::Effort>,
    /// Whether a digest of the thinking is wanted.
    #[serde(default)]
    pub(super) summary: bool,
    /// Tokens of thinking, text and arguments together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_output_tokens: Option<u64>,
    /// Number of alternatives per token; absent: no log probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<u64>,
    #[serde(default)]
    pub(super) stream: bool,
}

fn yes() -> bool {
    true
}

/// Who or what a message comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireRole {
    System,
    User,
    Assistant,
    /// A call: `id`, `name`, and the arguments as `text`.
    Call,
    /// A call's result: `id`, `name`, and the output as `text`.
    Result,
    /// The model's own thinking: its opaque state as `text`.
    Reasoning,
}

/// One step of the conversation.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct WireMessage<'a> {
    pub(super) role: WireRole,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Cow<'a, str>,
}

/// A function the model may call.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct WireTool<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) description: Cow<'a, str>,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
}

/// Which tools may or must be called.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct WireChoice {
    pub(super) mode: WireMode,
    /// Only these; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) only: Option<Vec<String>>,
}

/// Whether a call may or must be made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WireMode {
    #[default]
    Auto,
    None,
    Required,
}

/// Form of the answer's text.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireFormat {
    #[default]
    Text,
    JsonObject,
    JsonSchema(Map<String, Value>),
}

/// What a line of an answer is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LineKind {
    /// Raw thinking.
    Trace,
    /// Digest of the thinking.
    Summary,
    /// Opaque state of the thinking, which ends it.
    State,
    Text,
    Refusal,
    /// A note on the text so far.
    Citation,
    /// Opens a call.
    Call,
    /// Part of the call's arguments.
    Arguments,
    /// The last line of a good answer.
    End,
    /// The last line of a failed one.
    Error,
    #[serde(other)]
    Unknown,
}

/// One line of an answer. Flat, so that a delta parses without buffering.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Line<'a> {
    #[serde(rename = "type")]
    pub(super) kind: LineKind,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) text: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub(super) name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) logprobs: Vec<LogProb>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) citation: Option<Citation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<WireUsage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<WireError>,
}

impl<'a> Line<'a> {
    pub(super) fn new(kind: LineKind, text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            text: text.into(),
            id: Cow::Borrowed(""),
            name: Cow::Borrowed(""),
            logprobs: Vec::new(),
            citation: None,
            reason: None,
            usage: None,
            error: None,
        }
    }
}

/// A source of a span of the text; offsets in code points, end exclusive.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Citation {
    pub(super) url: String,
    pub(super) title: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    Stop,
    Length,
    Filter,
    #[serde(other)]
    Unknown,
}

/// Token counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct WireUsage {
    pub(super) input: u64,
    /// Includes `reasoning`.
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

/// What went wrong.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct WireError {
    pub(super) code: String,
    pub(super) message: String,
}

/// Body of an answer that is not 2xx.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct ErrorBody {
    pub(super) error: WireError,
}

/// Body of a unary answer: the lines of the stream, each text whole.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct UnaryBody<'a> {
    #[serde(borrow)]
    pub(super) output: Vec<Line<'a>>,
}

/// Answer of `POST /demo/count`.
#[derive(Debug, Serialize)]
pub(super) struct Count {
    pub(super) input: u64,
}
