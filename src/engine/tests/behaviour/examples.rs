//! The specification's worked examples, event by event.

use std::fs;

use or_adapters::{FinishReason, ModelEvent};
use or_engine::Input;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, say, spec};
use crate::support::script::*;
use or_test_support::shared;

/// Compares a stream with a worked example; both are brought to a form without ids.
#[track_caller]
fn check(example: &str, played: &Played) {
    let Some(folder) = shared::folder() else { return };
    let file = folder.join(format!("spec/examples/{example}.jsonl"));
    let whole = fs::read_to_string(file).unwrap();
    let want: Vec<Value> = whole.lines().map(|line| plain(serde_json::from_str(line).unwrap())).collect();
    let got: Vec<Value> = played.hosted_events().into_iter().map(plain).collect();
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got, want);
    }
    assert_eq!(got.len(), want.len());
}

/// An event without ids, without what differs by the request, and without our allowed additions: `status` on
/// reasoning (rules 4.1), flat copies in `error` (11.7), `name` of a finished call (12.14), and an empty
/// `logprobs` in a part that begins.
fn plain(mut event: Value) -> Value {
    let kind = event["type"].as_str().unwrap_or_default().to_owned();
    let Value::Object(map) = &mut event else { return event };
    map.remove("item_id");
    match kind.as_str() {
        "error" => map.retain(|key, _| ["type", "sequence_number", "error"].contains(&key.as_str())),
        "response.function_call_arguments.done" => drop(map.remove("name")),
        "response.content_part.added" => {
            map["part"].as_object_mut().unwrap().remove("logprobs");
        }
        "response.output_item.added" | "response.output_item.done" => plain_item(&mut map["item"]),
        _ => {}
    }
    if let Some(Value::Object(response)) = map.get_mut("response") {
        for key in ["id", "created_at", "completed_at", "model", "reasoning", "tools", "usage", "store"] {
            response.remove(key);
        }
        response["output"].as_array_mut().unwrap().iter_mut().for_each(plain_item);
        for key in ["temperature", "top_p"] {
            response[key] = json!(response[key].as_f64());
        }
    }
    event
}

fn plain_item(item: &mut Value) {
    let Value::Object(map) = item else { return };
    map.remove("id");
    if map["type"] == "reasoning" {
        map.remove("status");
    }
}

#[test]
fn a_message() {
    check(
        "message",
        &say(spec(json!({})), [text(0, "Hi"), text(0, " there"), text(0, "!"), done(0), stop()]),
    );
}

#[test]
fn two_calls_in_one_turn() {
    let one = |block, id, city: &str| {
        [
            call(block, id, "get_weather"),
            args(block, "{\"city\":"),
            args(block, &format!("\"{city}\"}}")),
            done(block),
        ]
    };
    let events = one(0, "call_01", "Oslo").into_iter().chain(one(1, "call_02", "Rome")).chain([stop()]);
    check("function_calls_parallel", &say(spec(json!({})), events));
}

#[test]
fn reasoning_then_a_message() {
    let events: Vec<ModelEvent> = vec![
        trace(0, "2+2"),
        trace(0, " is 4"),
        digest(0, "Added"),
        digest(0, " two numbers"),
        sealed(0, "b64-opaque"),
        done(0),
        text(1, "4"),
        done(1),
        stop(),
    ];
    check("reasoning_then_message", &say(spec(json!({"include": ["reasoning.encrypted_content"]})), events));
}

#[test]
fn a_refusal() {
    check("refusal", &say(spec(json!({})), [refusal(0, "I can't help with that."), done(0), stop()]));
}

#[test]
fn an_annotation() {
    let events = [
        text(0, "See "),
        text(0, "example.org"),
        citation(0, "https://example.org/", 4, 15),
        done(0),
        stop(),
    ];
    check("annotation", &say(spec(json!({})), events));
}

#[test]
fn a_budget_that_is_used_up() {
    let events = [text(0, "Once upon"), text(0, " a time"), done(0), finish(FinishReason::MaxOutputTokens)];
    check("incomplete", &say(spec(json!({"max_output_tokens": 16})), events));
}

#[test]
fn a_failure_in_mid_stream() {
    let played = play(spec(json!({})), [Input::Model(text(0, "Par")), broken()]);
    let types: Vec<_> = played.events().into_iter().map(|event| event["type"].clone()).collect();
    // The example leaves the open item open; we close it, so that what ends is whole (rules 11.9).
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "error",
        "response.failed",
    ];
    assert_eq!(types, want);
}
