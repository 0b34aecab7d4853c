//! Turns of a model, in the five providers' wires. Written by hand from their documents, without our types.

mod anthropic;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;

use serde_json::{Value, json};

use crate::provider::{Request, Script};

pub const KINDS: [&str; 5] = ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"];

/// Every turn costs as much.
pub const INPUT_TOKENS: u64 = 11;
pub const OUTPUT_TOKENS: u64 = 7;

/// What a model does in one turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    pub thinking: &'static str,
    pub text: &'static [&'static str],
    pub refusal: &'static str,
    /// Call id, name, arguments.
    pub call: Option<(&'static str, &'static str, &'static str)>,
    /// The token budget ran out.
    pub cut: bool,
}

pub const fn text(text: &'static [&'static str]) -> Turn {
    Turn { text, thinking: "", refusal: "", call: None, cut: false }
}

pub const CALL: Turn = Turn {
    call: Some(("call_1", "get_weather", r#"{"city":"Oslo"}"#)),
    text: &[],
    thinking: "",
    refusal: "",
    cut: false,
};

/// Text deltas of [`LONG`].
pub const DELTAS: usize = 1000;

/// A turn of many deltas, each about as long as providers send them, for measuring.
pub const LONG: Turn = text(&[" performance"; DELTAS]);

/// The content type of a kind's stream.
pub fn stream_type(kind: &str) -> &'static str {
    if kind == "ollama" { "application/x-ndjson" } else { "text/event-stream" }
}

/// Answers as a stream or whole, as it was asked.
pub fn answer(kind: &'static str, turn: Turn) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
    move |request| {
        if streams(kind, request) { stream(kind, &turn) } else { Script::json(200, &whole(kind, &turn)) }
    }
}

/// The kind of provider that such a request is for.
pub fn kind_of(request: &Request) -> &'static str {
    let path = &request.path;
    match () {
        () if path.contains("/chat/completions") => "openai-chat",
        () if path.contains("/responses") => "openai-responses",
        () if path.contains("/messages") => "anthropic",
        () if path.to_lowercase().contains("generatecontent") => "gemini",
        () => "ollama",
    }
}

fn streams(kind: &str, request: &Request) -> bool {
    match kind {
        "gemini" => request.path.contains("streamGenerateContent"),
        _ => request.body["stream"] == true,
    }
}

/// The whole stream, a write for each frame.
pub fn stream(kind: &str, turn: &Turn) -> Script {
    frames(kind, turn).into_iter().fold(Script::head(200, stream_type(kind)), Script::send)
}

/// The frames of a streamed turn.
pub fn frames(kind: &str, turn: &Turn) -> Vec<String> {
    match kind {
        "openai-chat" => openai_chat::frames(turn),
        "openai-responses" => openai_responses::frames(turn),
        "anthropic" => anthropic::frames(turn),
        "gemini" => gemini::frames(turn),
        _ => ollama::frames(turn),
    }
}

/// A unary answer.
pub fn whole(kind: &str, turn: &Turn) -> Value {
    match kind {
        "openai-chat" => openai_chat::whole(turn),
        "openai-responses" => openai_responses::whole(turn),
        "anthropic" => anthropic::whole(turn),
        "gemini" => gemini::chunk(&[turn.text.concat().as_str()], turn, true),
        _ => ollama::line(&turn.text.concat(), turn, true),
    }
}

/// An error body with this message, as the provider writes it with this status.
pub fn error(kind: &str, status: u16, message: &str) -> Value {
    // By status: Anthropic's type, Gemini's status, OpenAI's code.
    let (anthropic, gemini, openai) = match status {
        400 => ("invalid_request_error", "INVALID_ARGUMENT", Value::Null),
        401 => ("authentication_error", "UNAUTHENTICATED", json!("invalid_api_key")),
        403 => ("permission_error", "PERMISSION_DENIED", Value::Null),
        404 => ("not_found_error", "NOT_FOUND", json!("model_not_found")),
        429 => ("rate_limit_error", "RESOURCE_EXHAUSTED", json!("rate_limit_exceeded")),
        503 | 529 => ("overloaded_error", "UNAVAILABLE", Value::Null),
        _ => ("api_error", "INTERNAL", Value::Null),
    };
    match kind {
        "anthropic" => json!({"type": "error", "error": {"type": anthropic, "message": message}}),
        "gemini" => json!({"error": {"code": status, "message": message, "status": gemini}}),
        "ollama" => json!({"error": message}),
        _ => json!({"error": {"message": message, "type": "some_error", "param": null, "code": openai}}),
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default())
}
