//! Function and custom calls, and the limits on them.

use or_adapters::{CallKind, FinishReason, ModelEvent, Note, NoteKind};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, say, spec};
use crate::support::script::*;

fn function(name: &str) -> Value {
    json!({"type": "function", "name": name})
}

fn names(played: &Played) -> Vec<String> {
    let response = played.response();
    let output = response["output"].as_array().unwrap();
    output.iter().map(|item| item["name"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Plays two calls, `f` then `g`; which came through, and which field each note is about.
#[track_caller]
fn check_limit(mut request: Value, want: &[&str], fields: &[&str]) {
    request["tools"] = json!([function("f"), function("g")]);
    let events = [
        call(0, "c1", "f"),
        args(0, "{}"),
        done(0),
        call(1, "c2", "g"),
        args(1, "{\"a\":1}"),
        done(1),
        stop(),
    ];
    let mut played = say(spec(request), events);
    played.events();
    assert_eq!(names(&played), want);
    let notes = played.engine.take_notes();
    assert_eq!(notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), fields);
    assert_eq!(played.response()["status"], "completed");
}

#[test]
fn parallel_calls_come_through() {
    check_limit(json!({}), &["f", "g"], &[]);
}

#[test]
fn only_the_first_call_comes_through_without_parallel() {
    check_limit(json!({"parallel_tool_calls": false}), &["f"], &["parallel_tool_calls"]);
}

#[test]
fn no_call_comes_through_when_none_is_allowed() {
    check_limit(json!({"tool_choice": "none"}), &[], &["tool_choice"]);
}

#[test]
fn calls_outside_the_allowed_tools_are_suppressed() {
    let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [function("f")]});
    check_limit(json!({"tool_choice": allowed}), &["f"], &["tool_choice"]);
}

#[test]
fn a_forced_function_is_the_only_one() {
    check_limit(json!({"tool_choice": function("g")}), &["g"], &["tool_choice"]);
}

#[test]
fn a_suppressed_call_does_not_use_up_the_one_call() {
    let request = json!({"tool_choice": function("g"), "parallel_tool_calls": false});
    check_limit(request, &["g"], &["tool_choice"]);
}

#[test]
fn a_call_that_nobody_could_run_does_not_come_through() {
    let mut played = say(spec(json!({})), [call(0, "c1", ""), args(0, "{}"), done(0), stop()]);
    played.events();
    assert_eq!(names(&played), [""; 0]);
    assert_eq!(played.engine.take_notes().len(), 1);
}

fn call_ids(played: &Played) -> Vec<Value> {
    let response = played.response();
    response["output"].as_array().unwrap().iter().map(|item| item["call_id"].clone()).collect()
}

#[test]
fn a_call_without_an_id_gets_one_that_no_other_call_has() {
    let history = json!([
        {"type": "function_call", "call_id": "call_2_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_2_1", "output": "1"},
    ]);
    let events =
        [call_without_id(0, "f"), call(1, "", "f"), call(2, "c", "f"), call_without_id(3, "f"), stop()];
    let mut played = say(spec(json!({"input": history})), events);
    played.events();
    assert_eq!(call_ids(&played), ["call_2_0", "call_2_1_2", "c", "call_2_3"]);
    assert_eq!(played.engine.take_notes(), []);
}

#[test]
fn a_call_that_starts_twice_is_one_call() {
    let request = json!({"parallel_tool_calls": false});
    let events = [call(0, "c1", "f"), call(0, "c1", "f"), args(0, "{}"), done(0), stop()];
    let mut played = say(spec(request), events);
    played.events();
    assert_eq!((names(&played), played.engine.take_notes()), (vec!["f".to_owned()], vec![]));
}

#[test]
fn a_call_id_that_another_call_has_is_replaced() {
    let history = json!([
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]);
    let long = "l".repeat(64);
    let own = json!({"type": "function_call_output", "call_id": "c", "output": "2"});
    let mut played = say(
        spec(json!({"input": history})),
        [
            call(0, "c", "f"),
            done(0),
            hosted(1, own, true),
            call(2, &long, "f"),
            done(2),
            call(3, &long, "f"),
            done(3),
            call(4, "d", "f"),
            stop(),
        ],
    );
    played.events();
    assert_eq!(json!(call_ids(&played)), json!(["call_2_0", "call_2_0", long, "call_2_2", "d"]));
    let fields: Vec<String> = played.engine.take_notes().into_iter().map(|note| note.field).collect();
    assert_eq!(fields, ["function_call.call_id"]);
}

#[test]
fn a_call_without_arguments_gets_an_empty_object() {
    let played = say(spec(json!({})), [call(0, "c", "f"), done(0), stop()]);
    let types = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done"];
    assert_eq!(played.types()[..3], types);
    assert_eq!(played.response()["output"][0]["arguments"], "{}");
}

#[test]
fn a_finished_call_says_its_name() {
    let played = say(spec(json!({})), [call(0, "c", "f"), args(0, "{}"), stop()]);
    let done = played.events().into_iter().find(|e| e["type"] == "response.function_call_arguments.done");
    assert_eq!(done.unwrap()["name"], "f");
}

const CUSTOM: &str = r#"[{"type": "custom", "name": "shout"}, {"type": "function", "name": "f"}]"#;

fn custom_tools() -> Value {
    json!({"tools": serde_json::from_str::<Value>(CUSTOM).unwrap()})
}

#[track_caller]
fn check_custom(events: Vec<ModelEvent>, input: &str, types: &[&str]) {
    let played = say(spec(custom_tools()), events.into_iter().chain([stop()]));
    assert_eq!(played.types(), types);
    let item = &played.response()["output"][0];
    let seen =
        ["type", "call_id", "name", "input", "status"].map(|key| item[key].as_str().unwrap().to_owned());
    assert_eq!(seen, ["custom_tool_call", "c", "shout", input, "completed"]);
}

#[test]
fn a_custom_call_that_travelled_as_a_function_is_one_again() {
    check_custom(
        vec![call(0, "c", "shout"), args(0, "{\"input\":"), args(0, "\"he\\ny\"}"), done(0)],
        "he\ny",
        &[
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
        ],
    );
}

#[test]
fn a_native_custom_call_grows_as_it_comes() {
    check_custom(
        vec![call_of(0, "c", "shout", CallKind::Custom), args(0, "he"), args(0, "y"), done(0)],
        "hey",
        &[
            "output_item.added",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.delta",
            "custom_tool_call_input.done",
            "output_item.done",
        ],
    );
}

#[test]
fn a_custom_call_without_input_has_no_delta() {
    check_custom(
        vec![call(0, "c", "shout"), done(0)],
        "",
        &["output_item.added", "custom_tool_call_input.done", "output_item.done"],
    );
}

#[test]
fn the_wrapper_of_a_custom_call_never_shows() {
    for (arguments, input) in [("{}", ""), ("{\"inp", ""), ("{\"input\":\"*** Be", "*** Be")] {
        let end = ModelEvent::Finished { reason: FinishReason::MaxOutputTokens };
        let events = [call(0, "c", "shout"), args(0, arguments), end];
        let played = say(spec(custom_tools()), events);
        let item = &played.response()["output"][0];
        assert_eq!((&item["input"], &item["status"]), (&json!(input), &json!("incomplete")));
        let deltas: String = played
            .hosted_events()
            .iter()
            .filter(|event| event["type"] == "response.custom_tool_call_input.delta")
            .map(|event| event["delta"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(deltas, input);
    }
}

#[test]
fn a_custom_call_needs_a_custom_tool() {
    let events = [call_of(0, "c", "shout", CallKind::Custom), args(0, "hey"), done(0), text(1, "a"), stop()];
    let mut played = say(spec(json!({"tools": [function("f")]})), events);
    played.events();
    assert_eq!(names(&played), ["-"]);
    let why = "the provider sent a custom_tool_call item that no tool of the request makes";
    assert_eq!(played.engine.take_notes(), [Note::dropped("output", why)]);
}

#[test]
fn a_flattened_function_gets_its_namespace_back() {
    let tools =
        json!([function("f"), {"type": "namespace", "name": "ns", "tools": [function("f"), function("g")]}]);
    let events = [call(0, "c1", "f"), done(0), call(1, "c2", "ns__f"), done(1), call(2, "c3", "g"), stop()];
    let played = say(spec(json!({"tools": tools})), events);
    let response = played.response();
    let seen: Vec<_> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), item.get("namespace").and_then(Value::as_str)))
        .collect();
    assert_eq!(seen, [("f", None), ("f", Some("ns")), ("g", Some("ns"))]);
}

#[test]
fn a_choice_of_a_namespace_permits_all_of_it() {
    let space = json!({"type": "namespace", "name": "ns", "tools": [function("f"), function("g")]});
    let choice =
        json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "namespace", "name": "ns"}]});
    let request = json!({"tools": [function("other"), space], "tool_choice": choice});
    let events = [call(0, "c1", "g"), done(0), call(1, "c2", "other"), done(1), stop()];
    assert_eq!(names(&say(spec(request), events)), ["g"]);
}

#[test]
fn arguments_of_no_call_are_harmless() {
    let played = say(spec(json!({})), [args(0, "{}"), text(1, "a"), args(1, "{}"), stop()]);
    played.events();
    assert_eq!(names(&played), ["-"]);
}

#[test]
fn a_note_is_kept_once() {
    let note = || ModelEvent::Note(Note::dropped("output", "x"));
    let mut played = say(spec(json!({})), [note(), note(), stop()]);
    let notes = played.engine.take_notes();
    assert_eq!((notes.len(), notes[0].kind), (1, NoteKind::Dropped));
    assert_eq!(played.engine.take_notes(), []);
}
