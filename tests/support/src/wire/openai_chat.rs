//! OpenAI Chat Completions.

use serde_json::{Value, json};

use super::{INPUT_TOKENS, OUTPUT_TOKENS, Turn, data};

fn usage() -> Value {
    json!({"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": 18})
}

fn end(turn: &Turn) -> &'static str {
    match (turn.cut, turn.call) {
        (true, _) => "length",
        (_, Some(_)) => "tool_calls",
        _ => "stop",
    }
}

pub(super) fn frames(turn: &Turn) -> Vec<String> {
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
    frames.push(chunk(json!({}), json!(end(turn))));
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [], "usage": usage()});
    frames.push(data(&usage));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

pub(super) fn whole(turn: &Turn) -> Value {
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
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage(),
           "choices": [{"index": 0, "message": message, "finish_reason": end(turn)}]})
}
