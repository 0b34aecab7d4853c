//! Translates requests, and looks at what is sent.

use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{Adapter, AdapterError, ModelRequest, NoteKind, ProviderOptions};
use or_protocol::{
    Effort, FunctionTool, Item, JsonSchemaFormat, ReasoningConfig, Settings, TextFormat, Tool, ToolChoice,
    decode_stored_items,
};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

pub(crate) fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object was wanted") };
    map
}

pub(crate) fn items(value: &Value) -> Vec<Item> {
    decode_stored_items(&value.to_string()).unwrap()
}

/// The body and the notes, each as `dropped field` or `emulated field`.
pub(crate) fn send(
    host: &str,
    quirks: Value,
    context: &[Item],
    settings: &Settings,
) -> Result<(Value, Vec<String>), AdapterError> {
    let base_url = format!("https://{host}/v1");
    let options = ProviderOptions { name: "x".into(), base_url, quirks: map(quirks) };
    let request = ModelRequest { model: "gpt-5.4", context, settings, stream: false };
    let call = OpenAiChat::new(&options).unwrap().request(&request)?;
    let notes = call.notes.iter().map(|n| {
        let kind = if n.kind == NoteKind::Dropped { "dropped" } else { "emulated" };
        format!("{kind} {}", n.field)
    });
    Ok((serde_json::from_slice(&call.body).unwrap(), notes.collect()))
}

#[track_caller]
pub(crate) fn check_messages(quirks: Value, context: &Value, want: &Value, notes: &[&str]) {
    let (body, got) = send("h", quirks, &items(context), &Settings::default()).unwrap();
    assert_eq!(&body["messages"], want);
    assert_eq!(got, notes);
}

#[track_caller]
pub(crate) fn check_refused(quirks: Value, context: &Value, part: &str) {
    match send("h", quirks, &items(context), &Settings::default()) {
        Err(AdapterError::Unsupported { message, .. }) => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// All of the body but model and messages.
#[track_caller]
pub(crate) fn check_fields(host: &str, quirks: Value, settings: &Settings, want: Value, notes: &[&str]) {
    let (mut body, got) = send(host, quirks, &[], settings).unwrap();
    let body = body.as_object_mut().unwrap();
    body.remove("model");
    body.remove("messages");
    assert_eq!(Value::Object(body.clone()), want);
    assert_eq!(got, notes);
}

pub(crate) fn tool(name: &str, strict: Option<bool>) -> Tool {
    Tool::Function(FunctionTool { name: name.into(), description: None, parameters: None, strict })
}

pub(crate) fn sent_tool(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object", "properties": {} } } })
}

pub(crate) fn with_choice(tool_choice: ToolChoice) -> Settings {
    Settings { tools: vec![tool("f", None), tool("g", None)], tool_choice, ..Settings::default() }
}

pub(crate) fn with_effort(effort: Effort) -> Settings {
    let reasoning = Some(ReasoningConfig { effort: Some(effort), summary: None });
    Settings { reasoning, ..Settings::default() }
}

pub(crate) fn with_schema() -> Settings {
    let format = JsonSchemaFormat {
        name: "n".into(),
        description: None,
        schema: json!({ "type": "object" }).into(),
        strict: true,
    };
    let mut settings = Settings::default();
    settings.text.format = TextFormat::JsonSchema(Box::new(format));
    settings
}
