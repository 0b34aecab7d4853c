//! Requests to Chat Completions hosts, as they are sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{Adapter, AdapterError, ModelRequest, NoteKind, ProviderOptions};
use or_protocol::{
    AllowedMode, CustomTool, Effort, Envelope, FunctionTool, HostedTool, Item, JsonSchemaFormat, Message,
    ReasoningConfig, Role, Settings, TextFormat, Tool, ToolChoice, decode_stored_items,
};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object was wanted") };
    map
}

fn items(value: &Value) -> Vec<Item> {
    decode_stored_items(&value.to_string()).unwrap()
}

/// The body and the notes, each as `dropped field` or `emulated field`.
fn send(
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
fn check_messages(quirks: Value, context: &Value, want: &Value, notes: &[&str]) {
    let (body, got) = send("h", quirks, &items(context), &Settings::default()).unwrap();
    assert_eq!(&body["messages"], want);
    assert_eq!(got, notes);
}

#[track_caller]
fn check_refused(quirks: Value, context: &Value, part: &str) {
    match send("h", quirks, &items(context), &Settings::default()) {
        Err(AdapterError::Unsupported { message, .. }) => assert!(message.contains(part), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// All of the body but model and messages.
#[track_caller]
fn check_fields(host: &str, quirks: Value, settings: &Settings, want: Value, notes: &[&str]) {
    let (mut body, got) = send(host, quirks, &[], settings).unwrap();
    let body = body.as_object_mut().unwrap();
    body.remove("model");
    body.remove("messages");
    assert_eq!(Value::Object(body.clone()), want);
    assert_eq!(got, notes);
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    Tool::Function(FunctionTool { name: name.into(), description: None, parameters: None, strict })
}

fn sent_tool(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object", "properties": {} } } })
}

fn with_choice(tool_choice: ToolChoice) -> Settings {
    Settings { tools: vec![tool("f", None), tool("g", None)], tool_choice, ..Settings::default() }
}

fn with_effort(effort: Effort) -> Settings {
    let reasoning = Some(ReasoningConfig { effort: Some(effort), summary: None });
    Settings { reasoning, ..Settings::default() }
}

fn with_schema() -> Settings {
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

#[test]
fn a_run_of_assistant_items_is_one_message_with_its_results_behind() {
    check_messages(
        json!({}),
        &json!([
            {"type": "message", "role": "developer", "content": "be brief"},
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x\":1}"},
            {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "raw"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "message", "role": "user", "content": "go on"},
            {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "2"}]}]),
        &json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "ok", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"input\":\"raw\"}"}}]},
            {"role": "tool", "content": "1", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_call_id": "b"},
            {"role": "user", "content": "go on"}]),
        &[],
    );
}

#[test]
fn media_of_a_result_goes_behind_all_results() {
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"});
    let context = json!([
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "see"}, image]},
        {"type": "function_call_output", "call_id": "b", "output": "2"}]);
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let part = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    check_messages(
        json!({}),
        &context,
        &json!([
            {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "content": "see\n\n(see attached)", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_call_id": "b"},
            {"role": "user", "content": [{"type": "text", "text": "Attached to the result of tool call a:"}, part]}]),
        &["emulated input.function_call_output"],
    );
    let (body, notes) =
        send("h", json!({"image_in_tool": true}), &items(&context), &Settings::default()).unwrap();
    assert_eq!(body["messages"][1]["content"][1], part);
    assert!(notes.is_empty());
}

#[test]
fn parts_take_the_hosts_forms_or_are_refused() {
    let file = json!([{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": ""},
        {"type": "input_file", "filename": "a.txt", "file_data": "QQ=="}]}]);
    check_messages(
        json!({}),
        &file,
        &json!([{"role": "user", "content": [{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,QQ=="}}]}]),
        &[],
    );
    check_messages(
        json!({"file_parts": "document_url"}),
        &file,
        &json!([{"role": "user", "content": [{"type": "document_url", "document_url": "data:text/plain;base64,QQ==", "document_name": "a.txt"}]}]),
        &[],
    );
    check_refused(json!({"file_parts": "none"}), &file, "Files");
    let url = json!([{"type": "message", "role": "user", "content": [{"type": "input_file", "file_url": "http://u"}]}]);
    check_refused(json!({}), &url, "file_url");
    check_refused(json!({}), &json!([{"type": "compaction", "encrypted_content": "x"}]), "Compaction");
}

#[test]
fn systems_are_merged_and_roles_alternate_where_asked() {
    let say = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    check_messages(
        json!({"merge_system": true, "alternate_roles": true}),
        &json!([
            say("system", "a"),
            say("developer", "b"),
            say("user", "c"),
            say("user", "d"),
            say("system", "e")
        ]),
        &json!([
            {"role": "system", "content": "a\n\nb"},
            {"role": "user", "content": "c\n\nd"},
            {"role": "system", "content": "e"}]),
        &[],
    );
}

#[test]
fn reasoning_goes_back_in_the_hosts_form() {
    let context = json!([
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": "ok"}]);
    for (echo, want, notes) in [
        (
            "reasoning_content",
            json!({"role": "assistant", "content": "ok", "reasoning_content": "hm"}),
            vec![],
        ),
        ("reasoning_details", json!({"role": "assistant", "content": "ok", "reasoning": "hm"}), vec![]),
        ("think_tags", json!({"role": "assistant", "content": "<think>\nhm\n</think>\nok"}), vec![]),
        ("none", json!({"role": "assistant", "content": "ok"}), vec!["dropped input.reasoning"]),
    ] {
        check_messages(json!({ "reasoning_echo": echo }), &context, &json!([want]), &notes);
        // The client asked for a summary, and the trace was all that there was.
        let summary = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]});
        check_messages(
            json!({ "reasoning_echo": echo }),
            &json!([summary, context[1]]),
            &json!([want]),
            &notes,
        );
    }
    check_messages(
        json!({"reasoning_echo": "reasoning_content", "echo_empty": true}),
        &json!([{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]),
        &json!([{"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]),
        &[],
    );
}

#[test]
fn sealed_reasoning_goes_back_to_its_host_only() {
    let details = r#"[{"type":"reasoning.text","text":"hm","signature":"s=="}]"#;
    for (sealed, want, notes) in [
        (Envelope::seal("openai-chat", "m", &format!("h\n{details}")), Some(details), vec![]),
        (
            Envelope::seal("openai-chat", "m", &format!("other\n{details}")),
            None,
            vec!["dropped input.reasoning.encrypted_content", "dropped input.reasoning"],
        ),
        (
            "or1.broken".into(),
            None,
            vec!["dropped input.reasoning.encrypted_content", "dropped input.reasoning"],
        ),
    ] {
        let context = json!([
            {"type": "reasoning", "summary": [], "encrypted_content": sealed},
            {"type": "message", "role": "assistant", "content": "ok"}]);
        let (body, got) = send("h", json!({}), &items(&context), &Settings::default()).unwrap();
        let back = body["messages"][0].get("reasoning_details").map(Value::to_string);
        assert_eq!(back.as_deref(), want);
        assert_eq!(got, notes);
    }
}

#[test]
fn unanswered_cut_off_calls_and_hosted_items_are_left_out() {
    check_messages(
        json!({}),
        &json!([
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x", "status": "incomplete"},
            {"type": "web_search_call", "id": "ws", "status": "completed"},
            {"type": "message", "role": "user", "content": "hi"}]),
        &json!([{"role": "user", "content": "hi"}]),
        &["dropped input.function_call", "dropped input.web_search_call"],
    );
}

#[test]
fn ids_of_calls_and_results_stay_paired_in_a_short_form() {
    let context = json!([
        {"type": "function_call", "call_id": "call_0123456789", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_0123456789", "output": "1"}]);
    let (body, _) = send("api.mistral.ai", json!({}), &items(&context), &Settings::default()).unwrap();
    let id = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][1]["tool_call_id"], id);
}

#[test]
fn tool_choices_take_the_hosts_forms() {
    let (f, g) = (sent_tool("f"), sent_tool("g"));
    let named = || with_choice(ToolChoice::Function("g".into()));
    let choice = json!({"type": "function", "function": {"name": "g"}});
    check_fields("h", json!({}), &named(), json!({"tools": [f, g], "tool_choice": choice}), &[]);
    let emulated = ["emulated tool_choice"];
    check_fields(
        "api.mistral.ai",
        json!({}),
        &named(),
        json!({"tools": [g], "tool_choice": "any"}),
        &emulated,
    );
    check_fields("api.z.ai", json!({}), &named(), json!({"tools": [g]}), &emulated);
    let none = with_choice(ToolChoice::None);
    check_fields("h", json!({}), &none, json!({"tools": [f, g], "tool_choice": "none"}), &[]);
    check_fields("api.z.ai", json!({}), &none, json!({}), &emulated);
    let allowed =
        || ToolChoice::Allowed { mode: AllowedMode::Required, names: vec!["f".into()], tools: vec![] };
    let native = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "f"}}]}});
    let want = json!({"tools": [f, g], "tool_choice": native});
    check_fields("h", json!({"allowed_tools": true}), &with_choice(allowed()), want, &[]);
    let want = json!({"tools": [f], "tool_choice": "required"});
    check_fields("h", json!({}), &with_choice(allowed()), want, &emulated);
    let lost = send("h", json!({}), &[], &Settings { tools: vec![], ..named() }).unwrap_err();
    assert!(lost.to_string().contains("a call of the tool \"g\""), "{lost}");
    let lost = send("h", json!({"drop_params": ["tools"]}), &[], &named()).unwrap_err();
    assert!(lost.to_string().contains("a call of the tool \"g\""), "{lost}");
}

#[test]
fn a_call_of_a_namespace_goes_back_under_its_declared_name() {
    let function = json!({"type": "function", "name": "f"});
    let space = json!({"type": "namespace", "name": "space", "tools": [function]});
    let settings = Settings {
        tools: vec![tool("f", None), Tool::Hosted(HostedTool::new(space.into()))],
        ..Settings::default()
    };
    let call = json!({"type": "function_call", "id": "1", "call_id": "a", "name": "f", "namespace": "space",
        "arguments": "{}", "status": "completed"});
    let (body, _) = send("h", json!({}), &items(&json!([call])), &settings).unwrap();
    assert_eq!(body["messages"][0]["tool_calls"][0]["function"]["name"], "space__f");
}

#[test]
fn strict_custom_and_parallel_are_sent_or_reported() {
    let mut settings = Settings { tools: vec![tool("f", Some(true))], ..Settings::default() };
    settings.parallel_tool_calls = Some(false);
    let want = json!({"tools": [sent_tool("f")], "parallel_tool_calls": false});
    check_fields("h", json!({}), &settings, want, &["dropped tools.strict"]);
    let raw = map(json!({"type": "custom", "name": "g"}));
    settings.tools = vec![Tool::Custom(CustomTool { name: "g".into(), description: None, raw: raw.into() })];
    let (body, notes) = send("h", json!({"parallel_tool_calls": false}), &[], &settings).unwrap();
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["input"]));
    assert_eq!(notes, ["emulated tools[0]", "emulated parallel_tool_calls"]);
}

#[test]
fn schemas_take_the_hosts_forms() {
    let want = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": true}}});
    check_fields("h", json!({}), &with_schema(), want, &[]);
    let want =
        json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}});
    check_fields("api.perplexity.ai", json!({}), &with_schema(), want, &[]);
    let settings = Settings { instructions: Some("be brief".into()), ..with_schema() };
    let (body, notes) = send("api.deepseek.com", json!({}), &[], &settings).unwrap();
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    let head = body["messages"][0]["content"].as_str().unwrap();
    assert!(head.starts_with("be brief\n\nAnswer with") && head.ends_with("{\"type\":\"object\"}"), "{head}");
    assert_eq!(notes, ["emulated text.format"]);
    let both = Settings { tools: vec![tool("f", None)], ..with_schema() };
    let want = json!({"tools": [sent_tool("f")]});
    check_fields("api.fireworks.ai", json!({}), &both, want, &["emulated text.format"]);
}

#[test]
fn efforts_take_the_hosts_forms() {
    let max = with_effort(Effort::Max);
    let note = ["emulated reasoning.effort"];
    check_fields("h", json!({}), &max, json!({"reasoning_effort": "high"}), &note);
    check_fields("openrouter.ai", json!({}), &max, json!({"reasoning": {"effort": "xhigh"}}), &note);
    let want = json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"});
    check_fields("api.deepseek.com", json!({}), &max, want, &[]);
    let none = with_effort(Effort::None);
    check_fields("api.deepseek.com", json!({}), &none, json!({"thinking": {"type": "disabled"}}), &[]);
    check_fields("dashscope.aliyuncs.com", json!({}), &none, json!({"enable_thinking": false}), &[]);
    check_fields("h", json!({"reasoning_param": "none"}), &none, json!({}), &["dropped reasoning.effort"]);
}

#[test]
fn openai_models_get_what_they_take() {
    let settings = Settings {
        temperature: Some(0.5),
        max_output_tokens: Some(99),
        presence_penalty: Some(0.0),
        safety_identifier: Some("u".into()),
        ..with_effort(Effort::Low)
    };
    let want = json!({"reasoning_effort": "low", "max_completion_tokens": 99, "store": false, "safety_identifier": "u"});
    check_fields("api.openai.com", json!({}), &settings, want, &["dropped temperature"]);
    let settings = Settings { reasoning: None, ..settings };
    let want =
        json!({"max_completion_tokens": 99, "temperature": 0.5, "store": false, "safety_identifier": "u"});
    check_fields("api.openai.com", json!({}), &settings, want, &[]);
    let want = json!({"max_tokens": 99, "temperature": 0.5});
    check_fields("api.groq.com", json!({}), &settings, want, &["dropped safety_identifier"]);
}

#[test]
fn a_stream_asks_for_usage() {
    let message = Message { id: None, status: None, role: Role::User, content: vec![], phase: None };
    let context = [Item::Message(message)];
    let settings = Settings::default();
    let request = ModelRequest { model: "m", context: &context, settings: &settings, stream: true };
    let adapter = OpenAiChat::new(&ProviderOptions::default()).unwrap();
    let call = adapter.request(&request).unwrap();
    assert!(call.stream);
    assert_eq!(call.path, "/chat/completions");
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let want = json!({"model": "m", "messages": [{"role": "user", "content": ""}], "stream": true, "stream_options": {"include_usage": true}});
    assert_eq!(body, want);
    assert_eq!(adapter.credentials("k"), [("authorization", "Bearer k".to_owned())]);
}
