//! What a request to a provider means: who says what, which calls and results it has, and which state of
//! the provider it gives back. Ours and the recorded client's are read by the same code.
//!
//! Left out of the meaning, because clients are free in it:
//! - sampling parameters, budgets, cache marks, and all that is not conversation, instruction or function;
//! - how text is cut into parts, and string content against a list of one text part;
//! - ids of items, and white space at the ends of a text;
//! - the spelling of JSON: arguments are compared as values, media by their bytes;
//! - what the provider does not want back: Gemini's thought summaries, empty texts without a signature;
//! - blocks of the provider's own tools, which do not become items of ours and make a translation note.

mod anthropic;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;

use serde_json::{Value, json};

use or_test_support::recording::parse_arguments;

/// One list per request: its instructions, its functions, then the conversation in order.
pub(crate) fn meaning(provider: &str, request: &Value) -> Vec<Value> {
    let mut means = Meaning::default();
    match provider {
        "anthropic" => anthropic::read(request, &mut means),
        "gemini" => gemini::read(request, &mut means),
        "ollama" => ollama::read(request, &mut means),
        "openai-chat" => openai_chat::read(request, &mut means),
        _ => openai_responses::read(request, &mut means),
    }
    let mut whole = means.functions;
    whole.sort_by_key(Value::to_string);
    whole.extend(means.list.into_iter().filter_map(trimmed));
    whole
}

#[derive(Default)]
struct Meaning {
    functions: Vec<Value>,
    list: Vec<Value>,
}

impl Meaning {
    fn function(&mut self, name: &Value) {
        if name.is_string() {
            self.functions.push(json!(["function", name]));
        }
    }

    /// Text of a role; neighbours of one role are one text.
    fn text(&mut self, role: &str, text: &str) {
        let role = if role == "developer" { "system" } else { role };
        let joined = self.list.last_mut().filter(|last| last[0] == "text" && last[1] == role);
        match joined.and_then(|last| last.get_mut(2)) {
            Some(Value::String(whole)) => whole.push_str(text),
            _ => self.list.push(json!(["text", role, text])),
        }
    }

    fn call(&mut self, id: &Value, name: &Value, arguments: Value) {
        self.list.push(json!(["call", id, name, arguments]));
    }

    fn result(&mut self, id: &Value, output: Value) {
        self.list.push(json!(["result", id, output]));
    }

    fn state(&mut self, state: Value) {
        self.list.push(json!(["state", state]));
    }

    fn media(&mut self, role: &str, media: Value) {
        self.list.push(json!(["media", role, media]));
    }
}

/// Without white space at the ends of a text; nothing of an empty one.
fn trimmed(mut entry: Value) -> Option<Value> {
    if entry[0] != "text" {
        return Some(entry);
    }
    let text = entry[2].as_str()?.trim().to_owned();
    if text.is_empty() {
        return None;
    }
    entry[2] = json!(text);
    Some(entry)
}

/// Arguments as a value, whether they came as JSON or as a string of JSON.
fn arguments(value: &Value) -> Value {
    match value {
        Value::String(text) => parse_arguments(text),
        Value::Null => json!({}),
        other => other.clone(),
    }
}

/// The text of string content or of a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        list => entries(list).filter_map(|part| part["text"].as_str()).collect(),
    }
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A string field or `""`.
fn field<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
