//! Chat Completions.

use serde_json::{Value, json};

use super::{Meaning, arguments, entries, field, text_of};

pub(super) fn read(request: &Value, means: &mut Meaning) {
    entries(&request["tools"]).for_each(|tool| means.function(&tool["function"]["name"]));
    for message in entries(&request["messages"]) {
        let role = field(message, "role");
        if role == "tool" {
            means.result(&message["tool_call_id"], json!(text_of(&message["content"])));
            continue;
        }
        let details = &message["reasoning_details"];
        let texts = [&message["reasoning_content"], &message["reasoning"]];
        if entries(details).next().is_some() {
            means.state(details.clone());
        } else if let Some(text) = texts.into_iter().find(|text| text.as_str().is_some_and(|t| !t.is_empty()))
        {
            means.state(text.clone());
        }
        let content = text_of(&message["content"]);
        let tagged = content.strip_prefix("<think>").and_then(|rest| rest.split_once("</think>"));
        let (thinking, text) = tagged.unwrap_or(("", &content));
        if !thinking.is_empty() {
            means.state(json!(thinking.trim()));
        }
        means.text(role, text);
        for part in entries(&message["content"]) {
            let media = [&part["image_url"]["url"], &part["file"]["file_data"], &part["document_url"]];
            media
                .iter()
                .filter(|value| value.is_string())
                .for_each(|value| means.media(role, (*value).clone()));
        }
        for call in entries(&message["tool_calls"]) {
            let function = &call["function"];
            means.call(&call["id"], &function["name"], arguments(&function["arguments"]));
        }
    }
}
