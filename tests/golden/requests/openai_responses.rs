//! OpenAI Responses: the same items as ours, apart from what clients of it send.

use serde_json::{Value, json};

use super::Calls;

pub(super) fn read(item: &Value, calls: &mut Calls, found: &mut Vec<Value>) {
    let mut item = item.clone();
    match item["type"].as_str() {
        Some("function_call") => calls.made(item["call_id"].as_str().unwrap_or_default(), ""),
        Some("function_call_output") => {
            item["call_id"] = json!(calls.answered(item["call_id"].as_str(), None))
        }
        _ => {}
    }
    found.push(item);
}

pub(super) fn settings(request: &Value, body: &mut Value) {
    for key in ["instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"] {
        body[key] = request[key].clone();
    }
    if request["input"].is_string() {
        body["input"] = request["input"].clone();
    }
    // The recorded list and what we ask for beside it.
    for word in request["include"].as_array().into_iter().flatten() {
        if let Some(list) = body["include"].as_array_mut()
            && !list.contains(word)
        {
            list.push(word.clone());
        }
    }
}
