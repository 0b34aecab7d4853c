//! Ollama `/api/chat`.

use serde_json::{Value, json};

use super::{Calls, data_url, function, push_part, text_message};

pub(super) fn read(message: &Value, calls: &mut Calls, found: &mut Vec<Value>) {
    let text = message["content"].as_str().unwrap_or_default();
    let role = message["role"].as_str().unwrap_or("user");
    if role == "tool" {
        let id = calls.answered(message["tool_call_id"].as_str(), message["tool_name"].as_str());
        found.push(json!({"type": "function_call_output", "call_id": id, "output": text}));
        return;
    }
    if let Some(thinking) = message["thinking"].as_str().filter(|text| !text.is_empty()) {
        let part = json!({"type": "reasoning_text", "text": thinking});
        found.push(json!({"type": "reasoning", "summary": [], "content": [part]}));
    }
    if !text.is_empty() {
        found.push(text_message(role, text));
    }
    for image in message["images"].as_array().into_iter().flatten() {
        let url = data_url(&json!("image/png"), image);
        push_part(found, role, json!({"type": "input_image", "image_url": url}));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let id = calls.invent(function["name"].as_str().unwrap_or_default());
        found.push(json!({
            "type": "function_call", "call_id": id, "name": function["name"],
            "arguments": function["arguments"].to_string()
        }));
    }
}

pub(super) fn settings(request: &Value, body: &mut Value) {
    let tools = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    body["tools"] = tools.map(|f| function(&f["name"], &f["description"], &f["parameters"])).collect();
    if let Some(think) = request["think"].as_bool() {
        body["reasoning"] = json!({"effort": if think { "high" } else { "none" }});
    }
    if request["format"].is_object() {
        body["text"] =
            json!({"format": {"type": "json_schema", "name": "answer", "schema": request["format"]}});
    }
}
