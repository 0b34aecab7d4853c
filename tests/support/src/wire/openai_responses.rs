//! OpenAI Responses.

use serde_json::{Value, json};

use super::{INPUT_TOKENS, OUTPUT_TOKENS, Turn, named};

fn items(turn: &Turn) -> Vec<Value> {
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

pub(super) fn whole(turn: &Turn) -> Value {
    let reason = if turn.cut { json!({"reason": "max_output_tokens"}) } else { Value::Null };
    json!({"id": "resp_up", "object": "response", "created_at": 1, "model": "m", "error": null,
           "status": if turn.cut { "incomplete" } else { "completed" }, "incomplete_details": reason,
           "output": items(turn),
           "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "total_tokens": 18,
                     "input_tokens_details": {"cached_tokens": 0},
                     "output_tokens_details": {"reasoning_tokens": 0}}})
}

pub(super) fn frames(turn: &Turn) -> Vec<String> {
    let begun = json!({"id": "resp_up", "object": "response", "status": "in_progress", "output": []});
    let mut frames = vec![named(&json!({"type": "response.created", "response": begun}))];
    for (at, item) in items(turn).into_iter().enumerate() {
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
    frames.push(named(&json!({"type": kind, "response": whole(turn)})));
    frames
}
