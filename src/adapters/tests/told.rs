//! What hosted and local tools did is told to providers of other wires as a call and its result, whole or not at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use or_adapters::{KINDS, ModelRequest, ProviderOptions, builtin};
use or_protocol::{CreateResponseBody, update_settings};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// The call to a provider as text, and its notes.
fn sent(kind: &str, input: &Value, tools: &Value) -> (String, Vec<String>) {
    let body = json!({"input": input, "tools": tools, "text": {"format": {"type": "text"}}});
    let mut body = CreateResponseBody::from_value(body).unwrap();
    update_settings(&mut body.settings, &body.input).unwrap();
    let options = ProviderOptions { base_url: "http://host.example/v1".into(), ..ProviderOptions::default() };
    let request = ModelRequest { model: "m", context: &body.input, settings: &body.settings, stream: false };
    let call = builtin(kind, &options).unwrap().unwrap().request(&request).unwrap();
    let notes = call.notes.iter().map(|note| format!("{} {}", note.kind.as_str(), note.field)).collect();
    // Arguments are JSON within JSON on some wires.
    (String::from_utf8(call.body).unwrap().replace('\\', ""), notes)
}

fn translated() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().filter(|kind| *kind != "openai-responses")
}

/// The items of an exchange, and what must reach the model of its call and of its result.
fn exchanges() -> Vec<(Vec<Value>, &'static str, &'static str)> {
    let items = |list: Value| list.as_array().unwrap().clone();
    vec![
        (
            items(json!([
                {"type": "shell_call", "call_id": "s1", "action": {"commands": ["ls -l"]}, "status": "completed"},
                {"type": "shell_call_output", "call_id": "s1", "output": [
                    {"stdout": "total 7", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}
            ])),
            "ls -l",
            "total 7",
        ),
        (
            items(json!([
                {"type": "local_shell_call", "id": "lsh_1", "call_id": "l1", "status": "completed",
                 "action": {"type": "exec", "command": ["pwd"], "env": {}}},
                {"type": "local_shell_call_output", "id": "l1", "output": "in the hold"}
            ])),
            "pwd",
            "in the hold",
        ),
        (
            items(json!([
                {"type": "apply_patch_call", "call_id": "a1", "status": "completed",
                 "operation": {"type": "create_file", "path": "a.txt", "diff": "+one"}},
                {"type": "apply_patch_call_output", "call_id": "a1", "status": "completed", "output": "Done it"}
            ])),
            "a.txt",
            "Done it",
        ),
        (
            items(json!([
                {"type": "program", "id": "cm_1", "call_id": "p1", "code": "await f()", "fingerprint": "x"},
                {"type": "program_output", "id": "cmo_1", "call_id": "p1", "result": "forty-two", "status": "completed"}
            ])),
            "await f()",
            "forty-two",
        ),
        (
            items(json!([
                {"type": "tool_search_call", "call_id": "t1", "arguments": {"query": "maps"}, "execution": "client"},
                {"type": "tool_search_output", "call_id": "t1", "tools": [{"type": "function", "name": "find_route"}]}
            ])),
            "maps",
            "find_route",
        ),
        (
            items(json!([{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {
                "type": "search", "query": "tides", "sources": [{"type": "url", "url": "https://t.example/"}]}}])),
            "tides",
            "https://t.example/",
        ),
        (
            items(
                json!([{"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "print(6*7)",
                "container_id": "c", "outputs": [{"type": "logs", "logs": "is 42"}]}]),
            ),
            "print(6*7)",
            "is 42",
        ),
        (
            items(
                json!([{"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["harbour"],
                "results": [{"text": "deep water"}]}]),
            ),
            "harbour",
            "deep water",
        ),
        (
            items(json!([{"type": "mcp_call", "id": "mcp_1", "name": "add", "server_label": "sums",
                "arguments": "{\"a\":17}", "output": "thirty-four", "status": "completed"}])),
            "17",
            "thirty-four",
        ),
        (
            items(json!([
                {"type": "x_search_call", "id": "x_1", "call_id": "x1", "query": "posts"},
                {"type": "x_search_call_output", "call_id": "x1", "found": "a post"}
            ])),
            "posts",
            "a post",
        ),
    ]
}

#[test]
fn an_exchange_is_told_whole_on_every_kind_with_tools_and_without() {
    for (exchange, call, result) in exchanges() {
        for tools in [json!([]), json!([{"type": "function", "name": "f"}])] {
            for kind in translated() {
                let mut input = vec![json!({"role": "user", "content": "Go."})];
                input.extend(exchange.clone());
                input.push(json!({"role": "user", "content": "And then?"}));
                let (body, notes) = sent(kind, &json!(input), &tools);
                let of = exchange[0]["type"].as_str().unwrap();
                assert!(body.contains(call) && body.contains(result), "{kind} {of}: {body}");
                assert!(notes.contains(&format!("emulated input.{of}")), "{kind} {of}: {notes:?}");
                assert!(!notes.iter().any(|note| note.starts_with("dropped")), "{kind} {of}: {notes:?}");
            }
        }
    }
}

#[test]
fn half_an_exchange_is_left_out_with_a_note() {
    for (exchange, call, result) in exchanges().into_iter().filter(|(exchange, ..)| exchange.len() == 2) {
        for kind in translated() {
            for half in &exchange {
                let input =
                    json!([{"role": "user", "content": "Go."}, half, {"role": "user", "content": "On."}]);
                let (body, notes) = sent(kind, &input, &json!([]));
                let of = half["type"].as_str().unwrap();
                // Its tools are the request's all the same.
                let brings = of == "tool_search_output";
                let told = body.contains(call) || (body.contains(result) && !brings);
                assert!(of == "x_search_call" || !told, "{kind} {of}: {body}");
                assert!(notes.contains(&format!("dropped input.{of}")), "{kind} {of}: {notes:?}");
            }
        }
    }
}

/// Anthropic takes no call where no tool is declared.
#[test]
fn an_exchange_is_told_in_words_where_no_call_may_be_sent() {
    let (exchange, ..) = exchanges().remove(0);
    let (body, _) = sent("anthropic", &json!(exchange), &json!([]));
    assert!(!body.contains("tool_use") && body.contains("the tool shell was used with"), "{body}");
    let (body, _) = sent("anthropic", &json!(exchange), &json!([{"type": "function", "name": "f"}]));
    assert!(body.contains(r#""type":"tool_use","id":"told_0","name":"shell""#), "{body}");
}

#[test]
fn tools_that_items_bring_are_declared() {
    let function = |name: &str| json!({"type": "function", "name": name});
    let custom = json!({"type": "custom", "name": "freely"});
    let space = json!({"type": "namespace", "name": "space", "description": "d", "tools": [function("inner"), custom]});
    let input = json!([
        {"type": "additional_tools", "role": "developer", "tools": [function("early"), space]},
        {"role": "user", "content": "Go."}
    ]);
    for kind in translated() {
        let (body, notes) = sent(kind, &input, &json!([]));
        for name in ["early", "inner", "freely"] {
            assert!(body.contains(&format!("\"{name}\"")), "{kind}: {body}");
        }
        assert!(notes.contains(&"emulated input.additional_tools".to_owned()), "{kind}: {notes:?}");
    }
    let (body, notes) = sent("openai-responses", &input, &json!([]));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["input"][0], &body["tools"]), (&input[0], &Value::Null));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_configuration_update_holds_for_the_turn() {
    let format =
        json!({"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"told": {}}}});
    let input = json!([
        {"role": "user", "content": "Go."},
        {"type": "configuration_update", "reasoning": {"effort": "high"}, "text": {"format": format}},
        {"role": "user", "content": "On."}
    ]);
    for kind in translated() {
        let (body, notes) = sent(kind, &input, &json!([]));
        assert!(body.contains("told"), "{kind}: {body}");
        assert!(notes.contains(&"emulated input.configuration_update".to_owned()), "{kind}: {notes:?}");
    }
    let (body, _) = sent("openai-chat", &input, &json!([]));
    assert!(body.contains(r#""reasoning_effort":"high""#), "{body}");
}

#[test]
fn a_result_without_a_call_is_told_in_words() {
    let output =
        json!({"type": "function_call_output", "name": "clock", "namespace": "ship", "output": "noon"});
    let input = json!([{"role": "user", "content": "Go."}, output]);
    for kind in translated() {
        let (body, notes) = sent(kind, &input, &json!([]));
        assert!(body.contains("Result of the tool ship.clock") && body.contains("noon"), "{kind}: {body}");
        assert!(notes.contains(&"emulated input.function_call_output".to_owned()), "{kind}: {notes:?}");
    }
    let (body, _) = sent("openai-responses", &input, &json!([]));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["input"][1], output);
}
