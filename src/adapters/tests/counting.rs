//! Counters of the providers: what they are asked, and how their answers are read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use or_adapters::{Adapter, AdapterError, ModelRequest, ProviderOptions, UpstreamCall, builtin};
use or_protocol::CreateResponseBody;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn adapter(kind: &str, base_url: &str) -> Arc<dyn Adapter> {
    let options =
        ProviderOptions { name: "p".into(), base_url: base_url.into(), ..ProviderOptions::default() };
    builtin(kind, &options).unwrap().unwrap()
}

/// The turn and its count.
fn calls(adapter: &dyn Adapter, model: &str) -> (UpstreamCall, Option<UpstreamCall>) {
    let body = CreateResponseBody::from_value(json!({
        "model": model, "instructions": "Be exact.", "max_output_tokens": 2000, "temperature": 0.5,
        "reasoning": {"effort": "low"}, "metadata": {"a": "b"}, "user": "u", "store": true,
        "input": [{"role": "user", "content": "Hi"},
                  {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{\"x\":1.50}"},
                  {"type": "function_call_output", "call_id": "c", "output": "rain"}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {}}}}
    }))
    .unwrap();
    let request = ModelRequest { model, context: &body.input, settings: &body.settings, stream: false };
    let call = adapter.request(&request).unwrap();
    let count = adapter.count(model, &call);
    (call, count)
}

fn json(call: &UpstreamCall) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

/// The counter at `path` gets exactly these members of the turn's body, wherever `inside` says they stand.
#[track_caller]
fn check(kind: &str, base_url: &str, model: &str, path: &str, inside: Option<&str>, want: &[&str]) {
    let adapter = adapter(kind, base_url);
    let (call, count) = calls(&*adapter, model);
    let count = count.unwrap();
    assert_eq!((count.path.as_str(), count.stream, &count.headers), (path, false, &call.headers));
    let (turn, mut got) = (json(&call), json(&count));
    if let Some(inside) = inside {
        assert_eq!(got.as_object().unwrap().len(), 1);
        got = got[inside].take();
        assert_eq!(
            got.as_object_mut().unwrap().shift_remove("model"),
            Some(json!(format!("models/{model}")))
        );
    }
    let mut names: Vec<_> = got.as_object().unwrap().keys().map(String::as_str).collect();
    let mut want = want.to_vec();
    names.sort_unstable();
    want.sort_unstable();
    assert_eq!(names, want);
    for name in names {
        assert_eq!(got[name], turn[name], "{name}");
    }
}

#[test]
fn counters_get_what_they_take_of_the_turn() {
    check(
        "openai-responses",
        "https://api.openai.com/v1",
        "gpt-5.1",
        "/responses/input_tokens",
        None,
        &["model", "instructions", "input", "tools", "text", "reasoning"],
    );
    check(
        "anthropic",
        "https://api.anthropic.com/v1",
        "claude-sonnet-4-5",
        "/messages/count_tokens",
        None,
        &["model", "messages", "system", "tools", "output_config", "cache_control"],
    );
    let prompt = ["contents", "systemInstruction", "tools", "generationConfig"];
    let gemini = "https://generativelanguage.googleapis.com/v1beta";
    let path = "/models/gemini-3-flash-preview:countTokens";
    let model = "gemini-3-flash-preview";
    check("gemini", gemini, model, path, Some("generateContentRequest"), &prompt);
    let vertex = "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google";
    check("gemini", vertex, model, path, None, &prompt[..3]);
}

#[test]
fn arguments_are_counted_as_they_are_sent() {
    let adapter = adapter("gemini", "https://generativelanguage.googleapis.com/v1beta");
    let (_, count) = calls(&*adapter, "gemini-3-flash-preview");
    let body = String::from_utf8(count.unwrap().body).unwrap();
    assert!(body.contains(r#"{"x":1.50}"#), "{body}");
}

#[test]
fn kinds_without_a_counter_say_so() {
    for kind in ["openai-chat", "ollama"] {
        assert!(calls(&*adapter(kind, "https://host.example"), "m").1.is_none(), "{kind}");
        let error = adapter(kind, "https://host.example").read_count(b"{}").unwrap_err();
        assert!(matches!(error, AdapterError::BadFrame { .. }));
    }
}

#[test]
fn answers_of_counters_are_read() {
    for (kind, answer) in [
        ("openai-responses", r#"{"object":"response.input_tokens","input_tokens":9}"#),
        ("anthropic", r#"{"input_tokens":9,"context_management":{"original_input_tokens":12}}"#),
        ("gemini", r#"{"totalTokens":9,"cachedContentTokenCount":3,"promptTokensDetails":[]}"#),
        ("demo", r#"{"input":9}"#),
    ] {
        let adapter = adapter(kind, "https://host.example");
        assert_eq!(adapter.read_count(answer.as_bytes()), Ok(9), "{kind}");
        for bad in ["{}", "nonsense", "[9]"] {
            assert!(adapter.read_count(bad.as_bytes()).is_err(), "{kind} {bad}");
        }
    }
}
