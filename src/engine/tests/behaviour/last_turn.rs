//! The turn without tools, as every kind of provider is asked for it.

use or_adapters::{KINDS, ModelRequest, ProviderOptions, builtin};
use or_engine::{LoopLimits, LoopSpec};
use or_protocol::ToolChoice;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::play;
use crate::support::script::*;
use crate::support::server_tools::*;

/// The last turn behind one call of `f`, as `kind` asks its provider for it.
fn asked(kind: &str, model: &str) -> Value {
    let limits = LoopLimits { max_turns: 1, ..LoopLimits::default() };
    let mut played = play(LoopSpec { limits, ..spec_with(json!({})) }, []);
    feed(&mut played, [call(0, "call_1", "f"), args(0, "{\"x\":1}"), done(0), stop()]);
    played.feed(done_with(0, "seven"));
    let settings = played.engine.turn_settings();
    assert_eq!(settings.tool_choice, ToolChoice::None);
    let options = ProviderOptions {
        name: kind.into(),
        base_url: "https://example.org/v1".into(),
        ..Default::default()
    };
    let adapter = builtin(kind, &options).unwrap().unwrap();
    let context = played.engine.context();
    let request = ModelRequest { model, context, settings: &settings, stream: false };
    let body = adapter.request(&request).unwrap().body;
    assert!(String::from_utf8_lossy(&body).contains("seven"));
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn every_kind_of_provider_forbids_calls_in_the_last_turn() {
    // The tools stay declared where the choice can be said, since calls of them are in the history.
    let cases = [
        ("anthropic", "claude-sonnet-4-5", "/tool_choice/type", json!("none"), "/tools/2"),
        ("demo", "demo", "/tool_choice/mode", json!("none"), "/tools/2"),
        ("gemini", "gemini-2.5-flash", "/toolConfig/functionCallingConfig/mode", json!("NONE"), "/tools/0"),
        ("ollama", "llama3.2", "/tools", Value::Null, ""),
        ("openai-chat", "gpt-4o", "/tool_choice", json!("none"), "/tools/2"),
        ("openai-responses", "gpt-4o", "/tool_choice", json!("none"), "/tools/2"),
    ];
    assert_eq!(cases.each_ref().map(|case| case.0), KINDS);
    for (kind, model, choice, want, tools) in cases {
        let body = asked(kind, model);
        assert_eq!(body.pointer(choice).unwrap_or(&Value::Null), &want, "{body}");
        assert!(body.pointer(tools).is_some(), "{body}");
    }
}
