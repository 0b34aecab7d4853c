//! Gemini `contents`.

use serde_json::{Value, json};

use super::{Calls, data_url, function, push_part};

pub(super) fn read(content: &Value, calls: &mut Calls, found: &mut Vec<Value>) {
    let model = content["role"] == "model";
    for part in content["parts"].as_array().into_iter().flatten() {
        let camel = |one: &str, other: &str| {
            if part[one].is_object() { part[one].clone() } else { part[other].clone() }
        };
        let (call, result) =
            (camel("functionCall", "function_call"), camel("functionResponse", "function_response"));
        if let Some(text) = part["text"].as_str() {
            match model {
                true if text.is_empty() || part["thought"] == true => {}
                true => push_part(found, "assistant", json!({"type": "output_text", "text": text})),
                false => push_part(found, "user", json!({"type": "input_text", "text": text})),
            }
        } else if call.is_object() {
            let name = call["name"].as_str().unwrap_or_default();
            let id = match call["id"].as_str() {
                Some(id) => {
                    calls.made(id, name);
                    id.to_owned()
                }
                None => calls.invent(name),
            };
            let arguments = if call["args"].is_object() { call["args"].to_string() } else { "{}".to_owned() };
            found.push(json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments}));
        } else if result.is_object() {
            let id = calls.answered(result["id"].as_str(), result["name"].as_str());
            found.push(json!({"type": "function_call_output", "call_id": id, "output": output(&result)}));
        } else if let Some(media) = media(part) {
            push_part(found, "user", media);
        }
    }
}

/// The result as text, or with its media as parts.
fn output(result: &Value) -> Value {
    let text = if result["response"].is_null() { "{}".to_owned() } else { result["response"].to_string() };
    let media: Vec<Value> = result["parts"].as_array().into_iter().flatten().filter_map(media).collect();
    if media.is_empty() {
        return json!(text);
    }
    let mut parts = vec![json!({"type": "input_text", "text": text})];
    parts.extend(media);
    json!(parts)
}

fn media(part: &Value) -> Option<Value> {
    let pick = |value: &Value, one: &str, other: &str| {
        if value[one].is_null() { value[other].clone() } else { value[one].clone() }
    };
    let inline = pick(part, "inlineData", "inline_data");
    let file = pick(part, "fileData", "file_data");
    if inline.is_object() {
        let kind = pick(&inline, "mimeType", "mime_type");
        // Python's client writes the URL-safe alphabet, which a data URL does not have.
        let data = inline["data"].as_str()?.replace('-', "+").replace('_', "/");
        let url = data_url(&kind, &json!(data));
        return Some(match kind.as_str()? {
            kind if kind.starts_with("image/") => json!({"type": "input_image", "image_url": url}),
            _ => json!({"type": "input_file", "filename": "file", "file_data": url}),
        });
    }
    let uri = pick(&file, "fileUri", "file_uri");
    uri.is_string().then(|| json!({"type": "input_file", "file_url": uri}))
}

pub(super) fn settings(request: &Value, body: &mut Value) {
    let parts = request["systemInstruction"]["parts"].as_array().into_iter().flatten();
    let texts: Vec<&str> = parts.filter_map(|part| part["text"].as_str()).collect();
    body["instructions"] = if texts.is_empty() { Value::Null } else { json!(texts.join("\n\n")) };
    let mut tools = Vec::new();
    for tool in request["tools"].as_array().into_iter().flatten() {
        for declared in tool["functionDeclarations"].as_array().into_iter().flatten() {
            let schema = &declared["parametersJsonSchema"];
            let schema = if schema.is_object() { schema } else { &Value::Null };
            tools.push(function(&declared["name"], &declared["description"], schema));
        }
        if tool["googleSearch"].is_object() || tool["google_search"].is_object() {
            tools.push(json!({"type": "web_search"}));
        }
        if tool["codeExecution"].is_object() {
            tools.push(json!({"type": "code_interpreter", "container": {"type": "auto"}}));
        }
    }
    body["tools"] = json!(tools);
}
