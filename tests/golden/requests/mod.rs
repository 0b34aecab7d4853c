//! Recorded requests as requests of ours, read from plain JSON.
//!
//! Only what shapes the answer or the next turn is read: the conversation, instructions, tools and the
//! choice among them, the form of the text, and what the answer shall include. Sampling parameters and
//! budgets are not: they do not come back in an answer.

mod anthropic;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;

use serde_json::{Map, Value, json};

use crate::replay::documents;
use or_test_support::shared::Case;

/// The create body for a case. A case without a request gets one that any answer fits.
pub(crate) fn create_body(case: &Case) -> Value {
    let mut body = json!({
        "model": case.meta["model"].as_str().unwrap_or("unknown"),
        "stream": case.streaming,
        "include": include(case),
    });
    match &case.request {
        Some(request) => {
            body["input"] = items(&case.provider, conversation(request), &mut Calls::default());
            settings(&case.provider, request, &mut body);
        }
        None => {
            body["input"] = json!("Go on.");
            if case.has("server_tool") || case.has("custom_tool") {
                body["tools"] = json!([{"type": "web_search"}]);
            }
        }
    }
    if body["input"].as_array().is_some_and(Vec::is_empty) {
        body["input"] = json!("Go on.");
    }
    body
}

/// The messages of a recorded request, whatever its provider calls them.
pub(crate) fn conversation(request: &Value) -> &[Value] {
    let list = ["messages", "contents", "input"].iter().find_map(|key| request[*key].as_array());
    list.map_or(&[], Vec::as_slice)
}

/// Calls that wait for their results, for providers whose results do not name their call.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: Vec<(String, String)>,
    made: usize,
}

impl Calls {
    /// A call was made: its id and name.
    pub(crate) fn made(&mut self, id: &str, name: &str) {
        self.waiting.push((id.to_owned(), name.to_owned()));
    }

    /// An id for a call that has none.
    fn invent(&mut self, name: &str) -> String {
        self.made += 1;
        let id = format!("invented_{}", self.made);
        self.made(&id, name);
        id
    }

    /// The call that a result answers: the one with its id, else the oldest of its name, else the oldest.
    fn answered(&mut self, id: Option<&str>, name: Option<&str>) -> String {
        let by_id = self.waiting.iter().position(|(known, _)| Some(known.as_str()) == id);
        let by_name = || self.waiting.iter().position(|(_, known)| Some(known.as_str()) == name);
        match by_id.or_else(by_name).or(if self.waiting.is_empty() { None } else { Some(0) }) {
            Some(at) => self.waiting.remove(at).0,
            None => id.unwrap_or("unknown").to_owned(),
        }
    }
}

/// Messages of a provider as items of ours. `calls` are those that earlier items made.
pub(crate) fn items(provider: &str, messages: &[Value], calls: &mut Calls) -> Value {
    let mut found = Vec::new();
    for message in messages {
        match provider {
            "anthropic" => anthropic::read(message, calls, &mut found),
            "gemini" => gemini::read(message, calls, &mut found),
            "ollama" => ollama::read(message, calls, &mut found),
            "openai-chat" => openai_chat::read(message, calls, &mut found),
            _ => openai_responses::read(message, calls, &mut found),
        }
    }
    Value::Array(found)
}

fn settings(provider: &str, request: &Value, body: &mut Value) {
    let read = match provider {
        "anthropic" => anthropic::settings,
        "gemini" => gemini::settings,
        "ollama" => ollama::settings,
        "openai-chat" => openai_chat::settings,
        _ => openai_responses::settings,
    };
    read(request, body);
    if body["tools"].as_array().is_none_or(Vec::is_empty) {
        // A choice needs something to choose from.
        body["tool_choice"] = Value::Null;
    }
}

/// What the answer has beyond its text is asked for.
fn include(case: &Case) -> Value {
    let mut list = vec!["reasoning.encrypted_content"];
    if case.has("logprobs") {
        list.push("message.output_text.logprobs");
    }
    if documents(case).iter().any(|document| document.to_string().contains("file_search_call")) {
        list.push("file_search_call.results");
    }
    json!(list)
}

/// A message of one text.
fn text_message(role: &str, text: &str) -> Value {
    let kind = if role == "assistant" { "output_text" } else { "input_text" };
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

/// Adds a part to the last message if it is of this role, else opens a message.
fn push_part(found: &mut Vec<Value>, role: &str, part: Value) {
    if let Some(last) = found.last_mut().filter(|last| last["role"] == role)
        && let Some(content) = last["content"].as_array_mut()
    {
        content.push(part);
        return;
    }
    found.push(json!({"type": "message", "role": role, "content": [part]}));
}

/// A function tool; members that are absent stay absent.
fn function(name: &Value, description: &Value, parameters: &Value) -> Value {
    let mut tool = Map::new();
    tool.insert("type".to_owned(), json!("function"));
    for (key, value) in [("name", name), ("description", description), ("parameters", parameters)] {
        if !value.is_null() {
            tool.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(tool)
}

/// A data URL.
fn data_url(media_type: &Value, data: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("data:{};base64,{}", text(media_type), text(data))
}
