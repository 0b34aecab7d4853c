//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Calls, data_url, function, push_part};

pub(super) fn read(message: &Value, calls: &mut Calls, found: &mut Vec<Value>) {
    let role = message["role"].as_str().unwrap_or("user");
    let blocks = match &message["content"] {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(list) => list.clone(),
        _ => Vec::new(),
    };
    for block in &blocks {
        match block["type"].as_str().unwrap_or_default() {
            "text" if role == "assistant" => {
                push_part(found, role, json!({"type": "output_text", "text": block["text"]}));
            }
            "tool_use" => {
                calls.made(block["id"].as_str().unwrap_or_default(), "");
                found.push(json!({
                    "type": "function_call", "call_id": block["id"], "name": block["name"],
                    "arguments": block["input"].to_string()
                }));
            }
            "tool_result" => {
                let id = calls.answered(block["tool_use_id"].as_str(), None);
                let output = match &block["content"] {
                    Value::Array(list) => list.iter().filter_map(part).collect(),
                    Value::String(text) => json!(text),
                    _ => json!(""),
                };
                found.push(json!({"type": "function_call_output", "call_id": id, "output": output}));
            }
            _ => found_part(found, role, block),
        }
    }
}

fn found_part(found: &mut Vec<Value>, role: &str, block: &Value) {
    if let Some(part) = part(block) {
        push_part(found, role, part);
    }
}

/// A part of the user's side. Server tools and their files have no form of ours.
fn part(block: &Value) -> Option<Value> {
    let source = &block["source"];
    let kind = block["type"].as_str()?;
    Some(match (kind, source["type"].as_str()) {
        ("text", _) => json!({"type": "input_text", "text": block["text"]}),
        ("image", Some("base64")) => {
            json!({"type": "input_image", "image_url": data_url(&source["media_type"], &source["data"])})
        }
        ("image", Some("url")) => json!({"type": "input_image", "image_url": source["url"]}),
        ("image", Some("file")) => json!({"type": "input_image", "file_id": source["file_id"]}),
        ("document", Some("base64")) => {
            let data = data_url(&source["media_type"], &source["data"]);
            json!({"type": "input_file", "filename": title(block), "file_data": data})
        }
        ("document", Some("url")) => json!({"type": "input_file", "file_url": source["url"]}),
        ("document", Some("file")) => json!({"type": "input_file", "file_id": source["file_id"]}),
        ("document", Some("text")) => json!({"type": "input_text", "text": source["data"]}),
        _ => return None,
    })
}

fn title(block: &Value) -> Value {
    if block["title"].is_string() { block["title"].clone() } else { json!("document.pdf") }
}

pub(super) fn settings(request: &Value, body: &mut Value) {
    body["instructions"] = match &request["system"] {
        Value::Array(list) => {
            let texts: Vec<&str> = list.iter().filter_map(|block| block["text"].as_str()).collect();
            json!(texts.join("\n\n"))
        }
        other => other.clone(),
    };
    let tools = request["tools"].as_array().into_iter().flatten();
    body["tools"] = tools
        .filter_map(|tool| match tool["type"].as_str() {
            None | Some("custom") => {
                Some(function(&tool["name"], &tool["description"], &tool["input_schema"]))
            }
            Some(kind) if kind.starts_with("web_search") => Some(json!({"type": "web_search"})),
            Some(kind) if kind.starts_with("code_execution") => {
                Some(json!({"type": "code_interpreter", "container": {"type": "auto"}}))
            }
            Some(_) => None,
        })
        .collect();
    body["tool_choice"] = match request["tool_choice"]["type"].as_str() {
        Some("any") => json!("required"),
        Some("none") => json!("none"),
        Some("tool") => json!({"type": "function", "name": request["tool_choice"]["name"]}),
        _ => Value::Null,
    };
}
