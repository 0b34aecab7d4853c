//! Turns of a model, in the five providers' wires. Written by hand from their documents, without our types.

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
        "openai-chat" => chat_frames(turn),
        "openai-responses" => responses_frames(turn),
        "anthropic" => anthropic_frames(turn),
        "gemini" => gemini_frames(turn),
        _ => ollama_frames(turn),
    }
}

/// A unary answer.
pub fn whole(kind: &str, turn: &Turn) -> Value {
    match kind {
        "openai-chat" => chat_whole(turn),
        "openai-responses" => responses_whole(turn),
        "anthropic" => anthropic_whole(turn),
        "gemini" => gemini_chunk(&[turn.text.concat().as_str()], turn, true),
        _ => ollama_line(&turn.text.concat(), turn, true),
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

fn chat_usage() -> Value {
    json!({"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": 18})
}

fn chat_end(turn: &Turn) -> &'static str {
    match (turn.cut, turn.call) {
        (true, _) => "length",
        (_, Some(_)) => "tool_calls",
        _ => "stop",
    }
}

fn chat_frames(turn: &Turn) -> Vec<String> {
    let chunk = |delta: Value, end: Value| {
        data(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                     "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}))
    };
    let mut frames = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    if !turn.thinking.is_empty() {
        frames.push(chunk(json!({"reasoning_content": turn.thinking}), Value::Null));
    }
    frames.extend(turn.text.iter().map(|text| chunk(json!({"content": text}), Value::Null)));
    if !turn.refusal.is_empty() {
        frames.push(chunk(json!({"refusal": turn.refusal}), Value::Null));
    }
    if let Some((id, name, arguments)) = turn.call {
        let start =
            json!({"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
        frames.push(chunk(json!({"tool_calls": [start]}), Value::Null));
        let (a, b) = arguments.split_at(arguments.len() / 2);
        for piece in [a, b] {
            let more = json!({"index": 0, "function": {"arguments": piece}});
            frames.push(chunk(json!({"tool_calls": [more]}), Value::Null));
        }
    }
    frames.push(chunk(json!({}), json!(chat_end(turn))));
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [], "usage": chat_usage()});
    frames.push(data(&usage));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

fn chat_whole(turn: &Turn) -> Value {
    let mut message = json!({"role": "assistant", "content": turn.text.concat()});
    if !turn.thinking.is_empty() {
        message["reasoning_content"] = json!(turn.thinking);
    }
    if !turn.refusal.is_empty() {
        message["content"] = Value::Null;
        message["refusal"] = json!(turn.refusal);
    }
    if let Some((id, name, arguments)) = turn.call {
        let function = json!({"name": name, "arguments": arguments});
        message["tool_calls"] = json!([{"id": id, "type": "function", "function": function}]);
    }
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": chat_usage(),
           "choices": [{"index": 0, "message": message, "finish_reason": chat_end(turn)}]})
}

fn responses_items(turn: &Turn) -> Vec<Value> {
    let mut items = Vec::new();
    if !turn.thinking.is_empty() {
        items.push(json!({"type": "reasoning", "id": "rs_up", "encrypted_content": "blob-of-openai",
                          "summary": [{"type": "summary_text", "text": turn.thinking}]}));
    }
    let status = if turn.cut { "incomplete" } else { "completed" };
    let message = |content: Value| json!({"type": "message", "id": "msg_up", "status": status, "role": "assistant", "content": [content]});
    if !turn.text.is_empty() {
        items.push(message(json!({"type": "output_text", "text": turn.text.concat(), "annotations": []})));
    }
    if !turn.refusal.is_empty() {
        items.push(message(json!({"type": "refusal", "refusal": turn.refusal})));
    }
    if let Some((id, name, arguments)) = turn.call {
        items.push(json!({"type": "function_call", "id": "fc_up", "call_id": id, "name": name,
                          "arguments": arguments, "status": "completed"}));
    }
    items
}

fn responses_whole(turn: &Turn) -> Value {
    let reason = if turn.cut { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    json!({"id": "resp_up", "object": "response", "created_at": 1, "model": "m", "error": null,
           "status": if turn.cut { "incomplete" } else { "completed" }, "incomplete_details": reason,
           "output": responses_items(turn),
           "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": 18,
                     "input_tokens_details": {"cached_tokens": 0},
                     "output_tokens_details": {"reasoning_tokens": 0}}})
}

fn responses_frames(turn: &Turn) -> Vec<String> {
    let begun = json!({"id": "resp_up", "object": "response", "status": "in_progress", "output": []});
    let mut frames = vec![named(&json!({"type": "response.created", "response": begun}))];
    for (at, item) in responses_items(turn).into_iter().enumerate() {
        let event = |kind: &str, key: &str, value: Value| {
            let mut event = json!({"type": kind, "output_index": at, "item_id": item["id"]});
            event[key] = value;
            event
        };
        let part = |kind: &str, key: &str, value: Value| {
            let mut event = event(kind, key, value);
            event["content_index"] = json!(0);
            named(&event)
        };
        let mut empty = item.clone();
        empty["status"] = json!("in_progress");
        match item["type"].as_str() {
            Some("message") => empty["content"] = json!([]),
            Some("function_call") => empty["arguments"] = json!(""),
            _ => empty["summary"] = json!([]),
        }
        frames.push(named(&event("response.output_item.added", "item", empty)));
        match (item["type"].as_str(), item["content"][0]["type"].as_str()) {
            (_, Some("output_text")) => {
                let deltas = turn.text.iter();
                frames.extend(deltas.map(|text| part("response.output_text.delta", "delta", json!(text))));
                frames.push(part("response.output_text.done", "text", json!(turn.text.concat())));
            }
            (_, Some("refusal")) => {
                frames.push(part("response.refusal.delta", "delta", json!(turn.refusal)));
                frames.push(part("response.refusal.done", "refusal", json!(turn.refusal)));
            }
            (Some("function_call"), _) => {
                let kind = "response.function_call_arguments.delta";
                frames.push(named(&event(kind, "delta", item["arguments"].clone())));
            }
            _ => {
                let mut delta = event("response.reasoning_summary_text.delta", "delta", json!(turn.thinking));
                delta["summary_index"] = json!(0);
                frames.push(named(&delta));
            }
        }
        frames.push(named(&event("response.output_item.done", "item", item.clone())));
    }
    let kind = if turn.cut { "response.incomplete" } else { "response.completed" };
    frames.push(named(&json!({"type": kind, "response": responses_whole(turn)})));
    frames
}

fn anthropic_blocks(turn: &Turn) -> Vec<Value> {
    let mut blocks = Vec::new();
    if !turn.thinking.is_empty() {
        blocks.push(json!({"type": "thinking", "thinking": turn.thinking, "signature": "sig-of-anthropic"}));
    }
    if !turn.text.is_empty() {
        blocks.push(json!({"type": "text", "text": turn.text.concat()}));
    }
    if let Some((id, name, arguments)) = turn.call {
        let input: Value = serde_json::from_str(arguments).unwrap();
        blocks.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
    }
    blocks
}

fn anthropic_end(turn: &Turn) -> &'static str {
    match (turn.cut, turn.call) {
        (true, _) => "max_tokens",
        (_, Some(_)) => "tool_use",
        _ => "end_turn",
    }
}

fn anthropic_whole(turn: &Turn) -> Value {
    json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "m",
           "content": anthropic_blocks(turn), "stop_reason": anthropic_end(turn), "stop_sequence": null,
           "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}})
}

fn anthropic_frames(turn: &Turn) -> Vec<String> {
    let mut start = anthropic_whole(turn);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut frames = vec![named(&json!({"type": "message_start", "message": start}))];
    for (index, block) in anthropic_blocks(turn).into_iter().enumerate() {
        let delta =
            |delta: Value| named(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        let (empty, deltas) = match block["type"].as_str() {
            Some("thinking") => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    delta(json!({"type": "thinking_delta", "thinking": turn.thinking})),
                    delta(json!({"type": "signature_delta", "signature": block["signature"]})),
                ],
            ),
            Some("text") => (
                json!({"type": "text", "text": ""}),
                turn.text.iter().map(|text| delta(json!({"type": "text_delta", "text": text}))).collect(),
            ),
            _ => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                vec![delta(json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))],
            ),
        };
        frames.push(named(&json!({"type": "content_block_start", "index": index, "content_block": empty})));
        frames.extend(deltas);
        frames.push(named(&json!({"type": "content_block_stop", "index": index})));
    }
    frames.push(named(&json!({"type": "message_delta", "usage": {"output_tokens": OUTPUT_TOKENS},
                              "delta": {"stop_reason": anthropic_end(turn), "stop_sequence": null}})));
    frames.push(named(&json!({"type": "message_stop"})));
    frames
}

fn gemini_chunk(texts: &[&str], turn: &Turn, last: bool) -> Value {
    let mut parts = Vec::new();
    if last && texts.len() == 1 && !turn.thinking.is_empty() {
        parts.push(json!({"text": turn.thinking, "thought": true}));
    }
    parts.extend(texts.iter().filter(|text| !text.is_empty()).map(|text| json!({"text": text})));
    if last && let Some((id, name, arguments)) = turn.call {
        let args: Value = serde_json::from_str(arguments).unwrap();
        parts.push(json!({"functionCall": {"id": id, "name": name, "args": args},
                          "thoughtSignature": "c2lnLW9mLWdlbWluaQ=="}));
    }
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if last {
        candidate["finishReason"] = json!(if turn.cut { "MAX_TOKENS" } else { "STOP" });
    }
    json!({"candidates": [candidate], "modelVersion": "m",
           "usageMetadata": {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS,
                             "totalTokenCount": 18}})
}

fn gemini_frames(turn: &Turn) -> Vec<String> {
    let mut frames = Vec::new();
    if !turn.thinking.is_empty() {
        let mut chunk = gemini_chunk(&[turn.thinking], turn, false);
        chunk["candidates"][0]["content"]["parts"][0]["thought"] = json!(true);
        frames.push(data(&chunk));
    }
    frames.extend(turn.text.iter().map(|text| data(&gemini_chunk(&[text], turn, false))));
    frames.push(data(&gemini_chunk(&[], turn, true)));
    frames
}

fn ollama_line(text: &str, turn: &Turn, done: bool) -> Value {
    let mut line = json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": done,
                          "message": {"role": "assistant", "content": text}});
    if done {
        line["done_reason"] = json!(if turn.cut { "length" } else { "stop" });
        line["prompt_eval_count"] = json!(INPUT_TOKENS);
        line["eval_count"] = json!(OUTPUT_TOKENS);
        if !turn.thinking.is_empty() {
            line["message"]["thinking"] = json!(turn.thinking);
        }
        if let Some((id, name, arguments)) = turn.call {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            line["message"]["tool_calls"] =
                json!([{"id": id, "function": {"name": name, "arguments": arguments}}]);
        }
    }
    line
}

fn ollama_frames(turn: &Turn) -> Vec<String> {
    let mut lines = Vec::new();
    if !turn.thinking.is_empty() {
        let mut line = ollama_line("", turn, false);
        line["message"]["thinking"] = json!(turn.thinking);
        lines.push(line);
    }
    lines.extend(turn.text.iter().map(|text| ollama_line(text, turn, false)));
    let thought = Turn { thinking: "", ..*turn };
    lines.push(ollama_line("", &thought, true));
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}
