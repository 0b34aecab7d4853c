//! Settings to the fields of a body.

use or_adapters::{Adapter, AdapterError};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::note_fields;
use crate::support::{adapter, adapter_at, decode, sent, turn};

/// These members of the body that is sent (null where absent), and the fields of the notes.
#[track_caller]
fn check(request: Value, want: Value, notes: &[&str]) {
    check_with(Value::Null, request, want, notes);
}

#[track_caller]
fn check_with(quirks: Value, request: Value, want: Value, notes: &[&str]) {
    let adapter = adapter(&quirks);
    let body = decode(request);
    let call = adapter.request(&turn(&body)).unwrap();
    assert_eq!(call.path, "/api/chat");
    assert_eq!(call.stream, body.stream);
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    let got: Value = want.as_object().unwrap().keys().map(|k| (k.clone(), sent[k].clone())).collect();
    assert_eq!(got, want);
    assert_eq!(note_fields(&call.notes), notes);
    assert!(call.notes.iter().all(|note| note.why.is_ascii() && !note.why.contains('\n')));
}

#[track_caller]
fn check_refused(request: Value, param: &str, part: &str) {
    let body = decode(request);
    let error = adapter(&Value::Null).request(&turn(&body)).unwrap_err();
    let AdapterError::Unsupported { param: got, message } = error else { panic!("{error:?}") };
    assert_eq!(got, param);
    assert!(message.contains(part) && message.ends_with('.'), "{message}");
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "name": name, "description": "d", "parameters": {"type": "object", "properties": {}}})
}

fn declared(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object", "properties": {}}}})
}

#[test]
fn the_least_request_says_what_the_server_would_do_otherwise() {
    let body = decode(json!({"input": "hi"}));
    assert_eq!(
        sent(&adapter(&Value::Null), &body),
        json!({
            "model": "qwen3:8b",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": false,
            "truncate": false,
            "shift": false
        })
    );
}

#[test]
fn numbers_become_options() {
    check(
        json!({
            "input": "hi", "stream": true, "temperature": 0.25, "top_p": 0.5, "presence_penalty": 1,
            "frequency_penalty": -0.5, "max_output_tokens": 99
        }),
        json!({
            "stream": true,
            "options": {"temperature": 0.25, "top_p": 0.5, "presence_penalty": 1.0, "frequency_penalty": -0.5, "num_predict": 99}
        }),
        &[],
    );
}

#[test]
fn quirks_are_passed_through_and_the_request_wins() {
    check_with(
        json!({"num_ctx": 32768, "keep_alive": "10m", "options": {"temperature": 0.1, "top_k": 5}, "truncate": "server"}),
        json!({"input": "hi", "temperature": 1}),
        json!({
            "keep_alive": "10m", "options": {"temperature": 1.0, "top_k": 5, "num_ctx": 32768},
            "truncate": null, "shift": null
        }),
        &["-truncation"],
    );
}

#[test]
fn truncation_is_the_servers() {
    check(json!({"input": "hi", "truncation": "auto"}), json!({"truncate": true, "shift": null}), &[]);
}

#[test]
fn efforts_become_think() {
    let with = |effort: &str| json!({"input": "hi", "reasoning": {"effort": effort, "summary": null}});
    check(with("none"), json!({"think": false}), &[]);
    check(with("high"), json!({"think": true}), &["~reasoning.effort"]);
    let mut oss = with("xhigh");
    oss["model"] = json!("gpt-oss:20b");
    check(oss, json!({"think": "high"}), &["~reasoning.effort"]);
    let quirks = json!({"think": "max", "think_levels": ["qwen3"]});
    check_with(quirks.clone(), with("minimal"), json!({"think": "low"}), &[]);
    check_with(quirks, json!({"input": "hi"}), json!({"think": "max"}), &[]);
}

#[test]
fn log_probabilities_are_asked_for() {
    check(json!({"input": "hi", "top_logprobs": 3}), json!({"logprobs": true, "top_logprobs": 3}), &[]);
    check(
        json!({"input": "hi", "include": ["message.output_text.logprobs"]}),
        json!({"logprobs": true, "top_logprobs": null}),
        &[],
    );
}

#[test]
fn what_has_no_counterpart_is_noted() {
    check(
        json!({
            "input": "hi", "text": {"verbosity": "low"}, "service_tier": "flex", "metadata": {"a": "b"},
            "reasoning": {"effort": null, "summary": "auto"}, "include": ["file_search_call.results"], "user": "u",
            "prompt_cache_key": "p", "safety_identifier": "s"
        }),
        json!({"think": null, "options": null}),
        &[
            "-text.verbosity",
            "~reasoning.summary",
            "-service_tier",
            "-safety_identifier",
            "~prompt_cache_key",
            "-user",
            "-include",
        ],
    );
}

#[test]
fn tools_are_declared() {
    let mut strict = tool("b");
    strict["strict"] = json!(true);
    strict["parameters"]["additionalProperties"] = json!(false);
    let mut b = declared("b");
    b["function"]["parameters"]["additionalProperties"] = json!(false);
    check(
        json!({"input": "hi", "tools": [tool("a"), strict]}),
        json!({"tools": [declared("a"), b]}),
        &["-tools.strict", "-tools.parameters"],
    );
}

#[test]
fn a_clients_words_cannot_break_a_note() {
    let mut odd = tool("a");
    odd["parameters"]["x\r\nset-cookie: \u{fc}"] = json!(1);
    check(json!({"input": "hi", "tools": [odd]}), json!({}), &["-tools.parameters"]);
}

#[test]
fn a_choice_is_made_by_the_tools_sent_and_by_words() {
    let with = |choice: Value| json!({"input": "hi", "tools": [tool("a"), tool("b")], "tool_choice": choice});
    let user = json!({"role": "user", "content": "hi"});
    let hint = |text: &str| json!([{"role": "system", "content": text}, user]);
    let any = "You must call at least one of the given tools now. Do not answer with text instead of a call.";
    let both = json!([declared("a"), declared("b")]);
    let only = json!([declared("b")]);
    check(with(json!("auto")), json!({"tools": both, "messages": [user]}), &[]);
    check(with(json!("none")), json!({"tools": null, "messages": [user]}), &["~tool_choice"]);
    check(with(json!("required")), json!({"tools": both, "messages": hint(any)}), &["~tool_choice"]);
    check(
        with(json!({"type": "function", "name": "b"})),
        json!({"tools": only, "messages": hint(any)}),
        &["~tool_choice"],
    );
    let allowed = |mode: &str| json!({"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "b"}]});
    check(with(allowed("auto")), json!({"tools": only, "messages": [user]}), &["~tool_choice"]);
    check(with(allowed("required")), json!({"tools": only, "messages": hint(any)}), &["~tool_choice"]);
}

#[test]
fn custom_tools_and_namespaces_become_functions() {
    let request = json!({
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "c1", "name": "f", "namespace": "ns", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "a\"b"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "2"}
        ],
        "tools": [
            tool("f"),
            {"type": "custom", "name": "patch", "description": "d"},
            {"type": "namespace", "name": "ns", "description": "", "tools": [tool("f")]},
            {"type": "web_search"}
        ],
        "tool_choice": {"type": "custom", "name": "patch"}
    });
    let body = decode(request);
    let sent = sent(&adapter(&Value::Null), &body);
    assert_eq!(sent["tools"].as_array().unwrap().len(), 1);
    assert_eq!(sent["tools"][0]["function"]["name"], "patch");
    let messages = sent["messages"].as_array().unwrap();
    assert_eq!(messages[2]["tool_calls"][0]["function"], json!({"name": "ns__f", "arguments": {}}));
    assert_eq!(
        messages[3],
        json!({"role": "tool", "content": "1", "tool_name": "ns__f", "tool_call_id": "c1"})
    );
    assert_eq!(
        messages[4]["tool_calls"][0]["function"],
        json!({"name": "patch", "arguments": {"input": "a\"b"}})
    );
    assert_eq!(
        messages[5],
        json!({"role": "tool", "content": "2", "tool_name": "patch", "tool_call_id": "c2"})
    );
}

#[test]
fn a_call_that_cannot_be_demanded_is_refused() {
    let hosted = json!([{"type": "web_search"}]);
    check_refused(
        json!({"input": "hi", "tools": hosted, "tool_choice": "required"}),
        "tool_choice",
        "can run none of the tools",
    );
}

#[test]
fn only_one_call_at_a_time_is_the_servers_caller_to_keep() {
    check(
        json!({"input": "hi", "tools": [tool("a")], "parallel_tool_calls": false}),
        json!({"tools": [declared("a")]}),
        &["~parallel_tool_calls"],
    );
}

fn schema_format() -> Value {
    json!({"format": {"type": "json_schema", "name": "city", "description": "A city", "schema": {"type": "object"}}})
}

const SCHEMA_HINT: &str = "Write your final answer as JSON, without any text around it. It must satisfy the schema \
                           \"city\" (A city):\n{\"type\":\"object\"}";

#[test]
fn a_schema_is_enforced_and_shown_to_the_model() {
    let messages = json!([{"role": "system", "content": format!("Be brief.\n\n{SCHEMA_HINT}")}, {"role": "user", "content": "hi"}]);
    check(
        json!({"input": "hi", "instructions": "Be brief.", "text": schema_format()}),
        json!({"format": {"type": "object"}, "messages": messages}),
        &[],
    );
    check(
        json!({"input": "hi", "text": {"format": {"type": "json_object"}}}),
        json!({
            "format": "json",
            "messages": [
                {"role": "system", "content": "Write your final answer as one JSON object, without any text around it."},
                {"role": "user", "content": "hi"}
            ]
        }),
        &[],
    );
}

#[test]
fn beside_tools_and_on_the_hosted_service_a_schema_is_asked_for_in_words() {
    let messages = json!([{"role": "system", "content": SCHEMA_HINT}, {"role": "user", "content": "hi"}]);
    let want = json!({"format": null, "messages": messages});
    let request = json!({"input": "hi", "text": schema_format()});
    let mut with_tools = request.clone();
    with_tools["tools"] = json!([tool("a")]);
    check(with_tools.clone(), want.clone(), &["~text.format"]);
    let mut cloud = request.clone();
    cloud["model"] = json!("gpt-oss:120b-cloud");
    check(cloud, want.clone(), &["~text.format"]);
    check_with(json!({"format": "prompt"}), request.clone(), want, &["~text.format"]);
    with_tools["tool_choice"] = json!("none");
    check(with_tools, json!({"format": {"type": "object"}, "tools": null}), &["~tool_choice"]);
    let body = decode(request);
    assert!(sent(&adapter_at("https://ollama.com", &Value::Null), &body).get("format").is_none());
    let native = adapter_at("https://ollama.com", &json!({"format": "native"}));
    assert_eq!(sent(&native, &body)["format"], json!({"type": "object"}));
}

#[test]
fn an_empty_input_is_refused() {
    check_refused(json!({"input": []}), "input", "empty");
    check(
        json!({"input": [], "instructions": "Say hi."}),
        json!({"messages": [{"role": "system", "content": "Say hi."}]}),
        &[],
    );
}
