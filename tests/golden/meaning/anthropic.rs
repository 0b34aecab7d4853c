//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Meaning, entries, field};

pub(super) fn read(request: &Value, means: &mut Meaning) {
    for tool in entries(&request["tools"]).filter(|tool| tool["input_schema"].is_object()) {
        means.function(&tool["name"]);
    }
    match &request["system"] {
        Value::String(text) => means.text("system", text),
        list => {
            let texts: Vec<&str> = entries(list).map(|block| field(block, "text")).collect();
            means.text("system", &texts.join("\n\n"));
        }
    }
    for message in entries(&request["messages"]) {
        let role = field(message, "role");
        match &message["content"] {
            Value::String(text) => means.text(role, text),
            blocks => entries(blocks).for_each(|block| read_block(role, block, means)),
        }
    }
}

fn read_block(role: &str, block: &Value, means: &mut Meaning) {
    match field(block, "type") {
        "text" => means.text(role, field(block, "text")),
        "tool_use" => means.call(&block["id"], &block["name"], block["input"].clone()),
        "tool_result" => means.result(&block["tool_use_id"], output(&block["content"])),
        "thinking" => means.state(json!([block["thinking"], block["signature"]])),
        "redacted_thinking" => means.state(block["data"].clone()),
        "image" | "document" => means.media(role, source(block)),
        _ => {}
    }
}

fn output(content: &Value) -> Value {
    match content {
        Value::String(text) => {
            if text.is_empty() {
                json!([])
            } else {
                json!([text])
            }
        }
        // Tool references and search results have no form of ours; the reader leaves them out.
        list => entries(list)
            .map(|part| if part["type"] == "text" { part["text"].clone() } else { source(part) })
            .filter(|part| part.as_str().is_some_and(|text| !text.is_empty()))
            .collect(),
    }
}

/// What a source points to: bytes, a URL or a stored file.
fn source(block: &Value) -> Value {
    let source = &block["source"];
    let places = ["data", "url", "file_id"];
    places.iter().map(|key| source[*key].clone()).find(|value| !value.is_null()).unwrap_or_default()
}
