//! Requests to Chat Completions hosts, as they are sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod history;
mod support;

use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{Adapter, ModelRequest, ProviderOptions};
use or_protocol::{
    AllowedMode, CustomTool, Effort, HostedTool, Item, Message, Role, Settings, Tool, ToolChoice,
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use support::{check_fields, items, map, send, sent_tool, tool, with_choice, with_effort, with_schema};

#[test]
fn tool_choices_take_the_hosts_forms() {
    let (f, g) = (sent_tool("f"), sent_tool("g"));
    let named = || with_choice(ToolChoice::Function("g".into()));
    let choice = json!({"type": "function", "function": {"name": "g"}});
    check_fields("h", json!({}), &named(), json!({"tools": [f, g], "tool_choice": choice}), &[]);
    let emulated = ["emulated tool_choice"];
    for host in ["api.mistral.ai", "api.z.ai"] {
        let want = json!({"tools": [f, g], "tool_choice": choice});
        check_fields(host, json!({}), &named(), want, &[]);
    }
    let strings = json!({"tool_choice": "strings", "required_word": "any"});
    let want = json!({"tools": [g], "tool_choice": "any"});
    check_fields("h", strings, &named(), want, &emulated);
    check_fields("h", json!({"tool_choice": "auto_only"}), &named(), json!({"tools": [g]}), &emulated);
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
fn who_asks_for_no_thinking_is_never_given_an_effort() {
    let none = with_effort(Effort::None);
    let left_out = ["dropped reasoning.effort"];
    check_fields("h", json!({}), &none, json!({}), &left_out);
    check_fields("h", json!({"reasoning_param": "openrouter"}), &none, json!({}), &left_out);
    for host in ["api.groq.com", "api.cerebras.ai", "api.mistral.ai", "api.x.ai"] {
        check_fields(host, json!({}), &none, json!({"reasoning_effort": "none"}), &[]);
    }
    let of_model = |model: &str| {
        let request = ModelRequest { model, context: &[], settings: &none, stream: false };
        let options =
            ProviderOptions { base_url: "https://api.groq.com/v1".into(), ..ProviderOptions::default() };
        let call = OpenAiChat::new(&options).unwrap().request(&request).unwrap();
        serde_json::from_slice::<Value>(&call.body).unwrap()["reasoning_effort"].clone()
    };
    assert_eq!(of_model("qwen/qwen3-32b"), "none");
    assert_eq!(of_model("openai/gpt-oss-120b"), Value::Null);
}

#[test]
fn efforts_take_the_hosts_forms() {
    let max = with_effort(Effort::Max);
    let note = ["emulated reasoning.effort"];
    check_fields("h", json!({}), &max, json!({"reasoning_effort": "high"}), &note);
    check_fields("openrouter.ai", json!({}), &max, json!({"reasoning": {"effort": "xhigh"}}), &note);
    let want = json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"});
    check_fields("api.deepseek.com", json!({}), &max, want, &[]);
    let want = json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"});
    check_fields("api.z.ai", json!({}), &max, want, &[]);
    let none = with_effort(Effort::None);
    check_fields("api.z.ai", json!({}), &none, json!({"thinking": {"type": "disabled"}}), &[]);
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
