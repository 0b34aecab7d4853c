//! Ollama `/api/chat`.

use serde_json::{Value, json};

use super::{Meaning, arguments, entries, field};

pub(super) fn read(request: &Value, means: &mut Meaning) {
    entries(&request["tools"]).for_each(|tool| means.function(&tool["function"]["name"]));
    for message in entries(&request["messages"]) {
        let role = field(message, "role");
        if role == "tool" {
            means.result(&message["tool_name"], message["content"].clone());
            continue;
        }
        if !field(message, "thinking").is_empty() {
            means.state(message["thinking"].clone());
        }
        // The recorded client took leaked thinking for text and sent it back as such.
        let content = field(message, "content");
        let (leaked, text) = content.split_once("</think>").unwrap_or(("", content));
        if !leaked.trim().is_empty() {
            means.state(json!(leaked.trim()));
        }
        means.text(role, text);
        entries(&message["images"]).for_each(|image| means.media(role, image.clone()));
        for call in entries(&message["tool_calls"]) {
            let function = &call["function"];
            means.call(&json!(null), &function["name"], arguments(&function["arguments"]));
        }
    }
}
