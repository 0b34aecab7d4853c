//! Reads a recorded provider answer the long way round, to say what our server must make of it.
//!
//! The five readers take whole bodies and know nothing of splitting, backpressure or our types; what they
//! find is compared with what the adapters and the engine produce. The mapping rules are those of
//! `shared/spec/providers-*.md` and `shared/fixtures/README.md`.

pub mod anthropic;
mod gemini;
pub mod ollama;
mod openai_chat;
pub mod openai_responses;

use serde_json::{Map, Value};

use super::shared::{Case, Kind};

/// What a response made from one recorded answer must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// All answer text, joined in order, without thinking.
    pub text: String,
    /// All thinking, be it summary or raw trace, joined in order.
    pub reasoning: String,
    pub refusal: String,
    /// Calls that the client has to run, in order: name, and arguments as read by [`parse_arguments`].
    pub tool_calls: Vec<(String, Value)>,
    /// The same calls in the provider's own writing.
    pub written: Vec<Written>,
    /// `None` when the provider counted nothing.
    pub usage: Option<Usage5>,
    pub end: End,
}

impl Expected {
    /// Nothing said, with the given end.
    pub fn empty(end: End) -> Self {
        Self {
            text: String::new(),
            reasoning: String::new(),
            refusal: String::new(),
            tool_calls: Vec::new(),
            written: Vec::new(),
            usage: None,
            end,
        }
    }

    /// Whether the model gave anything: text, refusal, thinking or a call.
    pub fn says_something(&self) -> bool {
        !(self.text.is_empty()
            && self.reasoning.is_empty()
            && self.refusal.is_empty()
            && self.tool_calls.is_empty())
    }
}

/// What a provider writes of a call beside its name and meaning.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Written {
    /// Not all providers have ids.
    pub id: Option<String>,
    /// Not all write arguments as a text.
    pub arguments: Option<String>,
}

impl Written {
    fn new(id: &Value, arguments: &Value) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Self { id: text(id), arguments: text(arguments) }
    }
}

/// Token counts in our sense: `input` includes cached tokens, `output` includes reasoning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage5 {
    pub input: u64,
    pub output: u64,
    /// The provider's own total where it gives one, else `input + output`.
    pub total: u64,
    pub cached: u64,
    pub reasoning: u64,
}

/// How the response must end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Completed,
    /// With the reason, `max_output_tokens` or `content_filter`.
    Incomplete(&'static str),
    /// The stream or the answer told of an error, or stopped before its end.
    Failed,
    /// The provider refused the request with this status; there is no response at all.
    HttpError(u16),
}

impl End {
    pub const MAX_OUTPUT_TOKENS: Self = Self::Incomplete("max_output_tokens");
    pub const CONTENT_FILTER: Self = Self::Incomplete("content_filter");
}

/// What must come of a recorded answer.
pub fn expected(case: &Case) -> Expected {
    if case.status >= 400 {
        return Expected::empty(End::HttpError(case.status));
    }
    let body = documents(case.kind, &case.response);
    match case.provider.as_str() {
        "anthropic" => anthropic::read(case.kind, &body),
        "gemini" => gemini::read(&body),
        "ollama" => ollama::read(&body),
        "openai-chat" => openai_chat::read(case.kind, &body),
        "openai-responses" => openai_responses::read(case.kind, &body),
        _ => Expected::empty(End::Failed),
    }
}

/// Arguments of a call as a value: none at all are an empty object, broken JSON stays a string.
///
/// Comparing tests read our own `arguments` string with this too.
pub fn parse_arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A body as it came: the JSON documents in order, and whether `[DONE]` closed it.
pub struct Body {
    pub documents: Vec<Value>,
    pub done: bool,
    /// Payloads that are not JSON. Empty on every recording; a test holds that.
    pub broken: Vec<String>,
}

/// Takes the JSON documents out of a body.
pub fn documents(kind: Kind, bytes: &[u8]) -> Body {
    let text = String::from_utf8_lossy(bytes);
    let mut body = Body { documents: Vec::new(), done: false, broken: Vec::new() };
    match kind {
        Kind::Json => body.push(&text),
        Kind::Ndjson => text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| body.push(line)),
        Kind::Sse => payloads(&text).iter().for_each(|payload| body.push(payload)),
        Kind::Txt => body.broken.push(text.into_owned()),
    }
    body
}

impl Body {
    fn push(&mut self, payload: &str) {
        if payload.trim() == "[DONE]" {
            self.done = true;
            return;
        }
        match serde_json::from_str(payload) {
            // Gemini without `alt=sse` sends its chunks as one array.
            Ok(Value::Array(list)) => self.documents.extend(list),
            Ok(document) => self.documents.push(document),
            Err(_) => self.broken.push(payload.to_owned()),
        }
    }
}

/// The `data` of every event of a server-sent stream; several data lines of one event join with LF.
fn payloads(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut data: Vec<&str> = Vec::new();
    // The empty line at the end closes an event that the recorder cut right behind its data.
    for line in text.lines().chain([""]) {
        if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        } else if line.is_empty() && !data.is_empty() {
            found.push(data.join("\n"));
            data.clear();
        }
    }
    found
}

/// A string field, or `""`.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A count, or 0 where it is missing or null.
fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

/// The entries of an array, or none.
fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
