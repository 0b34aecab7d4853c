//! Chat Completions.

use serde_json::{Value, json};

use super::{Calls, function, push_part, text_message};

pub(super) fn read(message: &Value, calls: &mut Calls, found: &mut Vec<Value>) {
    let role = message["role"].as_str().unwrap_or("user");
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        list => text_of(list),
    };
    match role {
        "tool" => {
            let id = calls.answered(message["tool_call_id"].as_str(), message["name"].as_str());
            found.push(json!({"type": "function_call_output", "call_id": id, "output": text}));
        }
        "user" if message["content"].is_array() => {
            for part in message["content"].as_array().into_iter().flatten() {
                push_part(found, role, user_part(part));
            }
        }
        _ => {
            if !text.is_empty() {
                found.push(text_message(role, &text));
            }
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let function = &call["function"];
                calls.made(
                    call["id"].as_str().unwrap_or_default(),
                    function["name"].as_str().unwrap_or_default(),
                );
                found.push(json!({
                    "type": "function_call", "call_id": call["id"], "name": function["name"],
                    "arguments": function["arguments"]
                }));
            }
        }
    }
}

pub(super) fn text_of(parts: &Value) -> String {
    parts.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
}

fn user_part(part: &Value) -> Value {
    match part["type"].as_str().unwrap_or_default() {
        "image_url" => {
            let image = &part["image_url"];
            json!({"type": "input_image", "image_url": image["url"], "detail": image["detail"]})
        }
        "file" => {
            let file = &part["file"];
            json!({"type": "input_file", "filename": file["filename"], "file_data": file["file_data"]})
        }
        "document_url" => {
            json!({"type": "input_file", "filename": part["document_name"], "file_data": part["document_url"]})
        }
        _ => json!({"type": "input_text", "text": part["text"]}),
    }
}

pub(super) fn settings(request: &Value, body: &mut Value) {
    let tools = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    body["tools"] = tools.map(|f| function(&f["name"], &f["description"], &f["parameters"])).collect();
    let choice = &request["tool_choice"];
    body["tool_choice"] = match choice.as_str() {
        Some("any") => json!("required"),
        Some(word) => json!(word),
        None if choice.is_object() => json!({"type": "function", "name": choice["function"]["name"]}),
        None => Value::Null,
    };
    body["parallel_tool_calls"] = request["parallel_tool_calls"].clone();
    let format = &request["response_format"];
    body["text"] = match format["type"].as_str() {
        Some("json_schema") => {
            let inner = &format["json_schema"];
            let name = if inner["name"].is_string() { inner["name"].clone() } else { json!("answer") };
            json!({"format": {"type": "json_schema", "name": name, "schema": inner["schema"]}})
        }
        Some("json_object") => json!({"format": {"type": "json_object"}}),
        _ => Value::Null,
    };
    if request["top_logprobs"].is_u64() {
        body["top_logprobs"] = request["top_logprobs"].clone();
    }
}
