//! Small legal streams, written out event by event, for tests that need one without a server.

use serde_json::{Value, json};

/// Events without numbers; [`whole`] and [`numbered`] add them.
pub type Events = Vec<Value>;

/// A response object with all its fields.
pub fn response(status: &str, output: &[Value]) -> Value {
    let ended = matches!(status, "completed" | "incomplete" | "failed" | "cancelled");
    let usage = json!({
        "input_tokens": 3, "output_tokens": 2, "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}
    });
    let reason = match status {
        "incomplete" => json!({"reason": "max_output_tokens"}),
        "cancelled" => json!({"reason": "cancelled"}),
        _ => Value::Null,
    };
    let error = json!({"code": "server_error", "message": "the provider went away"});
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_770_000_000, "status": status,
        "completed_at": if status == "completed" { json!(1_770_000_002) } else { Value::Null },
        "incomplete_details": reason, "model": "demo", "previous_response_id": null, "instructions": null,
        "output": output, "error": if status == "failed" { error } else { Value::Null },
        "tools": [], "tool_choice": "auto", "truncation": "disabled", "parallel_tool_calls": true,
        "text": {"format": {"type": "text"}}, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0,
        "top_logprobs": 0, "temperature": 1, "reasoning": {"effort": null, "summary": null},
        "usage": if ended { usage } else { Value::Null }, "max_output_tokens": null, "max_tool_calls": null,
        "store": true, "background": false, "service_tier": "default", "metadata": {},
        "safety_identifier": null, "prompt_cache_key": null
    })
}

/// A message of one text part.
pub fn message(index: u64, status: &str, deltas: &[&str]) -> Events {
    let id = format!("msg_{index}");
    let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index, "content_index": 0});
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let item = |status: &str, content: Value| {
        let item = json!({"type": "message", "id": id, "status": status, "role": "assistant"});
        with(item, "content", content)
    };
    let text = deltas.concat();
    let empty = item("in_progress", json!([]));
    let mut events = vec![
        json!({"type": "response.output_item.added", "output_index": index, "item": empty}),
        with(at("response.content_part.added"), "part", part("")),
    ];
    for delta in deltas {
        let event = with(at("response.output_text.delta"), "delta", json!(delta));
        events.push(with(event, "logprobs", json!([])));
    }
    events.push(with(at("response.output_text.done"), "text", json!(text)));
    events.push(with(at("response.content_part.done"), "part", part(&text)));
    events.push(item_done(index, item(status, json!([part(&text)]))));
    events
}

/// A function call.
pub fn call(index: u64, deltas: &[&str]) -> Events {
    let id = format!("fc_{index}");
    let at = |kind: &str| json!({"type": kind, "item_id": id, "output_index": index});
    let item = |status: &str, arguments: &str| {
        json!({"type": "function_call", "id": id, "call_id": format!("call_{index}"), "name": "get_weather",
               "arguments": arguments, "status": status})
    };
    let arguments = deltas.concat();
    let mut events = vec![
        json!({"type": "response.output_item.added", "output_index": index, "item": item("in_progress", "")}),
    ];
    for delta in deltas {
        events.push(with(at("response.function_call_arguments.delta"), "delta", json!(delta)));
    }
    events.push(with(at("response.function_call_arguments.done"), "arguments", json!(arguments)));
    events.push(item_done(index, item("completed", &arguments)));
    events
}

/// A reasoning item with a raw trace and a summary.
pub fn reasoning(index: u64) -> Events {
    let id = format!("rs_{index}");
    let at = |kind: &str, key: &str| {
        let event = json!({"type": kind, "item_id": id, "output_index": index});
        with(event, key, json!(0))
    };
    let raw = |kind: &str| at(kind, "content_index");
    let sum = |kind: &str| at(kind, "summary_index");
    let trace = |text: &str| json!({"type": "reasoning_text", "text": text});
    let digest = |text: &str| json!({"type": "summary_text", "text": text});
    vec![
        json!({"type": "response.output_item.added", "output_index": index,
               "item": {"type": "reasoning", "id": id, "status": "in_progress", "summary": []}}),
        with(raw("response.content_part.added"), "part", trace("")),
        with(raw("response.reasoning.delta"), "delta", json!("2+2")),
        with(raw("response.reasoning.delta"), "delta", json!(" is 4")),
        with(raw("response.reasoning.done"), "text", json!("2+2 is 4")),
        with(raw("response.content_part.done"), "part", trace("2+2 is 4")),
        with(sum("response.reasoning_summary_part.added"), "part", digest("")),
        with(sum("response.reasoning_summary_text.delta"), "delta", json!("Added")),
        with(sum("response.reasoning_summary_text.done"), "text", json!("Added")),
        with(sum("response.reasoning_summary_part.done"), "part", digest("Added")),
        item_done(
            index,
            json!({"type": "reasoning", "id": id, "status": "completed", "summary": [digest("Added")],
                   "content": [trace("2+2 is 4")], "encrypted_content": "b64"}),
        ),
    ]
}

/// The `error` event.
pub fn error() -> Value {
    let error = json!({"type": "server_error", "code": null, "message": "gone", "param": null});
    json!({"type": "error", "error": error})
}

/// A whole stream around item events: begins it, and ends it with a snapshot of the items that are done.
pub fn whole(items: &[Events], status: &str) -> Events {
    let started = response("in_progress", &[]);
    let mut events = vec![
        json!({"type": "response.created", "response": started}),
        json!({"type": "response.in_progress", "response": started}),
    ];
    events.extend(items.iter().flatten().cloned());
    if status == "failed" {
        events.push(error());
    }
    let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
    let output: Vec<Value> = done.map(|event| event["item"].clone()).collect();
    let kind = if status == "cancelled" { "incomplete" } else { status };
    events.push(json!({"type": format!("response.{kind}"), "response": response(status, &output)}));
    numbered(events)
}

/// Gives the events their numbers, in the order in which they stand.
pub fn numbered(mut events: Events) -> Events {
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

/// The events as the order checker takes them, with their SSE names.
pub fn named(events: Events) -> Vec<(String, Value)> {
    let name = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    events.into_iter().map(|event| (name(&event), event)).collect()
}

fn item_done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn with(mut event: Value, key: &str, value: Value) -> Value {
    event[key] = value;
    event
}
