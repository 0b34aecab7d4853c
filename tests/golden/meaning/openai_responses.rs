//! OpenAI Responses.

use serde_json::{Value, json};

use super::{Meaning, entries, field, text_of};

pub(super) fn read(request: &Value, means: &mut Meaning) {
    entries(&request["tools"]).for_each(|tool| means.function(&tool["name"]));
    means.text("system", field(request, "instructions"));
    if let Some(text) = request["input"].as_str() {
        means.text("user", text);
    }
    for item in entries(&request["input"]) {
        match field(item, "type") {
            "message" | "" => {
                let role = field(item, "role");
                means.text(role, &text_of(&item["content"]));
                for part in entries(&item["content"]) {
                    let media = [&part["image_url"], &part["file_data"], &part["file_url"], &part["file_id"]];
                    media.iter().filter(|v| v.is_string()).for_each(|v| means.media(role, (*v).clone()));
                }
            }
            "function_call" => {
                means.call(&call_id(item), &item["name"], item["arguments"].clone());
            }
            "function_call_output" => means.result(&call_id(item), item["output"].clone()),
            "reasoning" => {
                let (summary, trace) = (text_of(&item["summary"]), text_of(&item["content"]));
                means.state(json!([summary, trace, item["encrypted_content"]]));
            }
            // The recorded clients write hosted items anew, with other arguments.
            kind => means.state(json!([kind, item["status"]])),
        }
    }
}

/// A client puts the response's id before ids that this host uses again and again.
fn call_id(item: &Value) -> Value {
    match field(item, "call_id").split_once(':') {
        Some((response, id)) if response.starts_with("resp_") => json!(id),
        _ => item["call_id"].clone(),
    }
}
