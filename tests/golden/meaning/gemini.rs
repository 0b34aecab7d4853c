//! Gemini `generateContent`.

use serde_json::{Map, Value, json};

use super::{Meaning, entries, field};
use or_test_support::recording::parse_arguments;

pub(super) fn read(request: &Value, means: &mut Meaning) {
    for tool in entries(&request["tools"]) {
        entries(&tool["functionDeclarations"]).for_each(|function| means.function(&function["name"]));
    }
    let parts = entries(&request["systemInstruction"]["parts"]);
    let system: Vec<&str> = parts.map(|part| field(part, "text")).collect();
    means.text("system", &system.join("\n\n"));
    for content in entries(&request["contents"]) {
        let role = field(content, "role");
        entries(&content["parts"]).for_each(|part| read_part(role, &camel(part), means));
    }
}

fn read_part(role: &str, part: &Value, means: &mut Meaning) {
    // A summary of thoughts is for people; the signature beside the answer is what counts.
    if part["thought"] == true {
        return;
    }
    if let Some(text) = part["text"].as_str() {
        means.text(role, text);
    } else if part["functionCall"].is_object() {
        let call = &part["functionCall"];
        let arguments = if call["args"].is_object() { call["args"].clone() } else { json!({}) };
        means.call(&id(call), &call["name"], arguments);
    } else if part["functionResponse"].is_object() {
        let result = &part["functionResponse"];
        let parts: Vec<Value> = entries(&result["parts"]).map(media).collect();
        means.result(&id(result), json!([result["name"], output(&result["response"]), parts]));
    } else if part["inlineData"].is_object() || part["fileData"].is_object() {
        means.media(role, media(part));
    } else {
        return;
    }
    if part["thoughtSignature"].is_string() {
        means.state(json!(standard(field(part, "thoughtSignature"))));
    }
}

/// Our results are texts, and Gemini wants objects: a text goes as `{"output": …}`. It means the JSON in it.
fn output(response: &Value) -> Value {
    match response["output"].as_str() {
        Some(text) if response.as_object().is_some_and(|map| map.len() == 1) => parse_arguments(text),
        _ if response.is_null() => json!({}),
        _ => response.clone(),
    }
}

/// Ids that a client made up for itself are not the provider's.
fn id(call: &Value) -> Value {
    if field(call, "id").starts_with("pyd_ai_") { Value::Null } else { call["id"].clone() }
}

fn media(part: &Value) -> Value {
    match part["inlineData"]["data"].as_str() {
        Some(data) => json!(standard(data)),
        None => part["fileData"]["fileUri"].clone(),
    }
}

/// Base64 in the standard alphabet: Python's client writes the URL-safe one.
fn standard(base64: &str) -> String {
    base64.replace('-', "+").replace('_', "/")
}

/// Both spellings of names are allowed; arguments and results of functions are left alone.
fn camel(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| {
                    let inner = if matches!(key.as_str(), "args" | "response") {
                        value.clone()
                    } else {
                        camel(value)
                    };
                    (camel_key(key), inner)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(list) => list.iter().map(camel).collect(),
        other => other.clone(),
    }
}

fn camel_key(key: &str) -> String {
    let mut words = key.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |whole, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        whole + &head.to_uppercase() + tail
    })
}
