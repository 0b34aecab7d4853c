//! Anthropic Messages.

use serde_json::{Value, json};

use super::{INPUT_TOKENS, OUTPUT_TOKENS, Turn, named};

fn blocks(turn: &Turn) -> Vec<Value> {
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

fn end(turn: &Turn) -> &'static str {
    match (turn.cut, turn.call) {
        (true, _) => "max_tokens",
        (_, Some(_)) => "tool_use",
        _ => "end_turn",
    }
}

pub(super) fn whole(turn: &Turn) -> Value {
    json!({"id": "msg_up", "type": "message", "role": "assistant", "model": "m",
           "content": blocks(turn), "stop_reason": end(turn), "stop_sequence": null,
           "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}})
}

pub(super) fn frames(turn: &Turn) -> Vec<String> {
    let mut start = whole(turn);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut frames = vec![named(&json!({"type": "message_start", "message": start}))];
    for (index, block) in blocks(turn).into_iter().enumerate() {
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
                              "delta": {"stop_reason": end(turn), "stop_sequence": null}})));
    frames.push(named(&json!({"type": "message_stop"})));
    frames
}
