//! The demo provider's own wire: one JSON request, answered by lines or by one body that holds the lines.

use std::borrow::Cow;

use or_protocol::{LogProb, RawJson};
use serde::{Deserialize, Serialize};

/// The kind in the configuration, and the origin of sealed reasoning.
pub(super) const KIND: &str = "demo";
/// Where the demo counts.
pub const COUNT_PATH: &str = "/demo/count";

/// Body of `POST /demo`.
#[derive(Debug, Deserialize, Serialize)]
pub struct DemoRequest<'a> {
    /// Name of the model.
    #[serde(borrow)]
    pub model: Cow<'a, str>,
    /// System text.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub instructions: Cow<'a, str>,
    /// The conversation.
    #[serde(borrow)]
    pub messages: Vec<WireMessage<'a>>,
    /// Functions that may be called.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<WireTool<'a>>,
    /// Which of them.
    #[serde(default)]
    pub tool_choice: WireChoice,
    /// Whether one answer may hold several calls.
    #[serde(default = "yes")]
    pub parallel: bool,
    /// Form of the answer's text.
    #[serde(default)]
    pub format: WireFormat,
    /// Words of thinking grow with it; none is no thinking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<or_protocol::Effort>,
    /// Whether a digest of the thinking is wanted.
    #[serde(default)]
    pub summary: bool,
    /// Tokens of thinking, text and arguments together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Number of alternatives per token; absent: no log probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u64>,
    /// Whether lines are wanted, as they come.
    #[serde(default)]
    pub stream: bool,
}

fn yes() -> bool {
    true
}

/// Who or what a message comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WireRole {
    /// Whoever set the conversation up.
    System,
    /// The user.
    User,
    /// The model.
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
pub struct WireMessage<'a> {
    /// Who or what it comes from.
    pub role: WireRole,
    /// Id of a call.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub id: Cow<'a, str>,
    /// Name of a function.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub name: Cow<'a, str>,
    /// What it says; what else depends on the role or kind.
    #[serde(borrow, default)]
    pub text: Cow<'a, str>,
}

/// A function the model may call.
#[derive(Debug, Deserialize, Serialize)]
pub struct WireTool<'a> {
    /// Name of a function.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// What it is for.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub description: Cow<'a, str>,
    /// JSON Schema of its arguments.
    #[serde(default)]
    pub parameters: RawJson,
}

/// Which tools may or must be called.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct WireChoice {
    /// Whether a call may or must be made.
    pub mode: WireMode,
    /// Only these; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
}

/// Whether a call may or must be made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WireMode {
    /// It may.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must.
    Required,
}

/// Form of the answer's text.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WireFormat {
    /// Text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema(RawJson),
}

/// What a line of an answer is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Raw thinking.
    Trace,
    /// Digest of the thinking.
    Summary,
    /// Opaque state of the thinking, which ends it.
    State,
    /// Text.
    Text,
    /// A refusal.
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
    /// A later version's.
    #[serde(other)]
    Unknown,
}

/// One line of an answer. Flat, so that a delta parses without buffering.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Line<'a> {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: LineKind,
    /// What it says; what else depends on the role or kind.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub text: Cow<'a, str>,
    /// Id of a call.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub id: Cow<'a, str>,
    /// Name of a function.
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    pub name: Cow<'a, str>,
    /// Log probabilities of the tokens of `text`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<LogProb>,
    /// Of a citation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
    /// Of the last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of the last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<WireUsage>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}

impl<'a> Line<'a> {
    /// A line of this kind with nothing but a text.
    pub fn new(kind: LineKind, text: impl Into<Cow<'a, str>>) -> Self {
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
pub struct Citation {
    /// Address.
    pub url: String,
    /// Title.
    pub title: String,
    /// First code point.
    pub start: u64,
    /// Code point behind the last.
    pub end: u64,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The model was done.
    Stop,
    /// The budget was used up.
    Length,
    /// A filter cut it off.
    Filter,
    /// A later version's.
    #[serde(other)]
    Unknown,
}

/// Token counts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct WireUsage {
    /// Tokens of the request.
    pub input: u64,
    /// Includes `reasoning`.
    pub output: u64,
    /// Tokens of thinking.
    pub reasoning: u64,
}

/// What went wrong.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct WireError {
    /// One of a few words.
    pub code: String,
    /// For the client.
    pub message: String,
}

/// Body of an answer that is not 2xx.
#[derive(Debug, Deserialize, Serialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: WireError,
}

/// Body of a unary answer: the lines of the stream, each text whole.
#[derive(Debug, Deserialize, Serialize)]
pub struct UnaryBody<'a> {
    /// The lines.
    #[serde(borrow)]
    pub output: Vec<Line<'a>>,
}

/// Answer of `POST /demo/count`.
#[derive(Debug, Serialize)]
pub struct Count {
    /// Tokens of the request.
    pub input: u64,
}
