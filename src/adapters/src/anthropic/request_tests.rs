use or_protocol::CreateResponseBody;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::Anthropic;
use crate::{Adapter, AdapterError, ModelRequest, NoteKind, ProviderOptions, UpstreamCall};

pub(super) fn call(client: Value, quirks: Value) -> Result<UpstreamCall, AdapterError> {
    let body = CreateResponseBody::from_value(client).unwrap();
    let options = ProviderOptions { quirks: quirks.as_object().unwrap().clone(), ..Default::default() };
    let request = ModelRequest {
        model: body.model.as_deref().unwrap_or("claude-sonnet-4-6"),
        context: &body.input,
        settings: &body.settings,
        stream: body.stream,
    };
    Anthropic::new(&options).unwrap().request(&request)
}

/// Checks members of the body, and the notes as `field kind`. A member of `want` that is null must be absent.
#[track_caller]
pub(super) fn check(client: Value, want: Value, notes: &[&str]) {
    let client = with_input(client);
    let call = call(client, json!({})).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    for (key, value) in want.as_object().unwrap() {
        assert_eq!(body[key], *value, "{key}");
    }
    let got: Vec<String> = call
        .notes
        .iter()
        .map(|note| {
            let kind = if note.kind == NoteKind::Dropped { "dropped" } else { "emulated" };
            format!("{} {kind}", note.field)
        })
        .collect();
    assert_eq!(got, notes);
}

fn with_input(mut client: Value) -> Value {
    if client.get("input").is_none() {
        client["input"] = json!("Hi");
    }
    client
}

fn function(name: &str) -> Value {
    json!({"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}})
}

#[test]
fn a_plain_request_is_small() {
    let call = call(json!({"input": "Hi", "max_output_tokens": 100}), json!({})).unwrap();
    let want = r#"{"model":"claude-sonnet-4-6","max_tokens":100,"stream":false,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}"#;
    assert_eq!(String::from_utf8(call.body).unwrap(), want);
    assert_eq!(call.headers, [("anthropic-version", "2023-06-01".to_owned())]);
    assert_eq!((call.path.as_str(), call.stream, call.notes), ("/messages", false, vec![]));
}

#[test]
fn a_big_budget_is_streamed_upstream() {
    for (model, want) in [
        ("claude-sonnet-4-6", (128_000, true)),
        ("claude-opus-4-1", (4_096, false)),
        ("somebodys-model", (4_096, false)),
    ] {
        let call = call(json!({"model": model, "input": "Hi"}), json!({})).unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body["stream"], call.stream);
        assert_eq!((body["max_tokens"].as_u64().unwrap(), call.stream), want, "{model}");
    }
    check(
        json!({"model": "claude-opus-4-5", "max_output_tokens": 70_000}),
        json!({"max_tokens": 64_000}),
        &["max_output_tokens emulated"],
    );
}

#[test]
fn effort_is_said_as_each_generation_wants_it() {
    let effort = |model: &str, effort: &str| json!({"model": model, "reasoning": {"effort": effort}});
    check(
        json!({"model": "claude-opus-4-8", "reasoning": {"effort": "xhigh", "summary": "auto"}}),
        json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "xhigh"}}),
        &[],
    );
    check(
        effort("claude-sonnet-4-6", "xhigh"),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        &["reasoning.effort emulated"],
    );
    check(
        effort("claude-haiku-4-5", "medium"),
        json!({"thinking": {"type": "enabled", "budget_tokens": 10_000}, "output_config": null}),
        &["reasoning.effort emulated"],
    );
    check(effort("claude-opus-5", "none"), json!({"thinking": {"type": "disabled"}}), &[]);
    check(effort("claude-sonnet-5-5", "none"), json!({"thinking": {"type": "between_tools"}}), &[]);
    check(effort("claude-sonnet-4-6", "none"), json!({"thinking": null, "output_config": null}), &[]);
    check(
        effort("claude-opus-5-5", "none"),
        json!({"thinking": null, "output_config": {"effort": "low"}}),
        &["reasoning.effort emulated"],
    );
    check(effort("claude-3-5-haiku-latest", "low"), json!({"thinking": null}), &["reasoning.effort dropped"]);
}

#[test]
fn a_budget_needs_room_and_an_unforced_turn() {
    let mut client =
        json!({"model": "claude-sonnet-4-5", "reasoning": {"effort": "high"}, "max_output_tokens": 2_000});
    let thinking = json!({"type": "enabled", "budget_tokens": 1_999});
    check(client.clone(), json!({"thinking": thinking}), &["reasoning.effort emulated"]);
    client["max_output_tokens"] = json!(1_000);
    check(client.clone(), json!({"thinking": null}), &["reasoning.effort dropped"]);
    client["max_output_tokens"] = json!(9_000);
    client["tools"] = json!([function("f")]);
    client["tool_choice"] = json!("required");
    let want = json!({"thinking": null, "tool_choice": {"type": "any"}});
    check(client.clone(), want, &["reasoning.effort emulated", "reasoning.effort dropped"]);
    client["tool_choice"] = json!("auto");
    client["input"] = json!([{"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "r"}]);
    check(client, json!({"thinking": null}), &["reasoning.effort emulated", "reasoning.effort dropped"]);
}

#[test]
fn sampling_goes_where_it_is_taken() {
    let both = |model: &str| json!({"model": model, "temperature": 1.5, "top_p": 0.5});
    check(both("claude-sonnet-4-6"), json!({"temperature": 1.0, "top_p": 0.5}), &["temperature emulated"]);
    check(
        both("claude-haiku-4-5"),
        json!({"temperature": 1.0, "top_p": null}),
        &["temperature emulated", "top_p dropped"],
    );
    check(
        both("claude-opus-5"),
        json!({"temperature": null, "top_p": null}),
        &["temperature dropped", "top_p dropped"],
    );
    check(json!({"model": "claude-opus-5", "temperature": 1, "top_p": 1}), json!({"temperature": null}), &[]);
}

#[test]
fn the_choice_of_tools_is_mapped() {
    let with = |choice: Value| json!({"tools": [function("f"), function("g")], "tool_choice": choice});
    check(with(json!("auto")), json!({"tool_choice": null}), &[]);
    check(with(json!("none")), json!({"tool_choice": {"type": "none"}}), &[]);
    check(with(json!("required")), json!({"tool_choice": {"type": "any"}}), &[]);
    let named = json!({"type": "function", "name": "g"});
    check(with(named.clone()), json!({"tool_choice": {"type": "tool", "name": "g"}}), &[]);
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [named]});
    let g = json!({"name": "g", "input_schema": {"type": "object", "properties": {}}});
    check(with(allowed), json!({"tool_choice": {"type": "any"}, "tools": [g]}), &["tool_choice emulated"]);
    let lost = json!({"tools": [{"type": "web_search"}], "tool_choice": "required"});
    let refused = call(lost, json!({})).unwrap_err();
    assert!(refused.to_string().contains("can run none of the tools"), "{refused}");
    let mut single = with(json!("auto"));
    single["parallel_tool_calls"] = json!(false);
    check(single, json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}), &[]);
    let mut newest = with(named);
    newest["model"] = json!("claude-opus-5-5");
    let hint =
        "You must call at least one of the given tools now. Do not answer with text instead of a call.";
    let want = json!({"tool_choice": null, "tools": [g], "system": [{"type": "text", "text": hint}]});
    check(newest, want, &["tool_choice emulated"]);
}

#[test]
fn a_schema_is_enforced_or_emulated() {
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]});
    let with = |model: &str| json!({"model": model, "text": {"format": {"type": "json_schema", "name": "out", "schema": schema}}});
    let fitted = json!({"type": "object",
        "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
        "required": ["n"], "additionalProperties": false});
    check(
        with("claude-opus-4-6"),
        json!({"output_config": {"format": {"type": "json_schema", "schema": fitted}}}),
        &["text.format.schema emulated"],
    );
    let tool =
        json!({"name": "out", "description": "Gives the final answer to the user.", "input_schema": schema});
    let choice = json!({"type": "tool", "name": "out", "disable_parallel_tool_use": true});
    check(
        with("claude-3-7-sonnet-latest"),
        json!({"output_config": null, "tools": [tool], "tool_choice": choice}),
        &["text.format emulated"],
    );
    let mut beside = with("claude-3-7-sonnet-latest");
    beside["tools"] = json!([function("f")]);
    check(beside, json!({"tool_choice": {"type": "any"}}), &["text.format emulated"]);
    check(
        json!({"text": {"format": {"type": "json_object"}}, "input": "json"}),
        json!({"system": [{"type": "text", "text": "Answer with one JSON object only, without any text around it."}]}),
        &["text.format emulated"],
    );
}

#[test]
fn strict_tools_are_rewritten_or_relaxed() {
    let mut tool = function("f");
    tool["strict"] = json!(true);
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let want = json!({"tools": [{"name": "f", "input_schema": closed, "strict": true}]});
    check(json!({"tools": [tool]}), want, &[]);
    let open = json!({"type": "object", "properties": {}});
    let want = json!({"tools": [{"name": "f", "input_schema": open}]});
    check(json!({"model": "claude-sonnet-4", "tools": [tool]}), want, &["tools.strict dropped"]);
}

#[test]
fn unions_at_the_top_of_a_tool_are_described() {
    let tool = json!({"type": "function", "name": "f", "parameters": {"anyOf": [{"type": "object"}]}});
    let want = json!({"type": "object", "description": "{anyOf: [{\"type\":\"object\"}]}"});
    let want = json!({"tools": [{"name": "f", "input_schema": want}]});
    check(json!({"tools": [tool]}), want, &["tools.parameters emulated"]);
}

#[test]
fn the_small_fields_are_mapped_or_noted() {
    check(
        json!({"safety_identifier": "u1", "service_tier": "default", "text": {"verbosity": "low"}}),
        json!({"metadata": {"user_id": "u1"}, "service_tier": "standard_only",
            "system": [{"type": "text", "text": "Be concise."}]}),
        &["text.verbosity emulated"],
    );
    check(
        json!({"presence_penalty": 1, "frequency_penalty": 0, "top_logprobs": 2, "service_tier": "flex",
            "prompt_cache_key": "k", "truncation": "auto"}),
        json!({"metadata": null, "service_tier": null}),
        &[
            "presence_penalty dropped",
            "top_logprobs dropped",
            "truncation dropped",
            "service_tier dropped",
            "prompt_cache_key dropped",
        ],
    );
}

#[test]
fn quirks_change_headers_and_caching() {
    let stored = json!([{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]);
    let quirks = json!({"version": "2026-10-21", "beta": ["b-1"], "prompt_caching": "auto"});
    let call = call(json!({"input": stored, "temperature": 0}), quirks).unwrap();
    let beta = "b-1,files-api-2025-04-14".to_owned();
    assert_eq!(call.headers, [("anthropic-version", "2026-10-21".to_owned()), ("anthropic-beta", beta)]);
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body["temperature"], Value::Null);
}
