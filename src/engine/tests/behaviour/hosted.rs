//! Hosted tools' items: shown only to those who asked, and never able to spoil the stream.

use or_adapters::{FinishReason, ModelEvent};
use or_protocol::{Tool, ToolChoice};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, say, spec};
use crate::support::script::*;

fn searching() -> Value {
    json!({"tools": [{"type": "web_search"}]})
}

fn search(status: &str) -> Value {
    json!({"type": "web_search_call", "id": "ws_upstream", "status": status})
}

#[track_caller]
fn check_item(played: &Played, want: Value) {
    let mut item = played.response()["output"][0].clone();
    let id = item.as_object_mut().unwrap().remove("id").unwrap();
    assert!(id.as_str().unwrap().starts_with("item_"), "{id}");
    assert_eq!(item, want);
}

#[test]
fn a_hosted_item_grows_with_its_own_events() {
    let event = |name: &str| {
        let kind = format!("response.web_search_call.{name}");
        hosted_event(
            0,
            json!({"type": kind, "sequence_number": 77, "item_id": "ws_upstream", "output_index": 5}),
        )
    };
    let events = [
        hosted(0, search("in_progress"), false),
        event("searching"),
        event("completed"),
        hosted(0, search("completed"), true),
        text(1, "a"),
        stop(),
    ];
    let played = say(spec(searching()), events);
    let types = [
        "output_item.added",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
        "output_item.added",
    ];
    assert_eq!(played.types()[..5], types);
    check_item(&played, json!({"type": "web_search_call", "status": "completed"}));
}

#[test]
fn a_hosted_item_that_comes_whole_begins_in_progress() {
    let played = say(spec(searching()), [hosted(0, search("completed"), true), text(1, "a"), stop()]);
    let events = played.hosted_events();
    assert_eq!(
        (&events[2]["item"]["status"], &events[3]["item"]["status"]),
        (&json!("in_progress"), &json!("completed"))
    );
}

#[track_caller]
fn check_left_out(request: Value) {
    let events = [
        hosted(0, search("in_progress"), false),
        hosted_event(0, json!({"type": "response.web_search_call.searching"})),
        hosted(0, search("completed"), true),
        text(1, "a"),
        stop(),
    ];
    let mut played = say(spec(request), events);
    let kinds: Vec<_> = played.hosted_events().iter().map(|e| e["item"]["type"].clone()).collect();
    assert!(!kinds.contains(&json!("web_search_call")));
    assert_eq!(played.response()["output"].as_array().unwrap().len(), 1);
    assert_eq!(played.engine.take_notes().len(), 1);
}

#[test]
fn a_hosted_item_is_left_out_without_tools() {
    check_left_out(json!({}));
}

#[test]
fn a_hosted_item_is_left_out_with_function_tools_only() {
    check_left_out(json!({"tools": [{"type": "function", "name": "f"}]}));
}

#[test]
fn custom_tools_and_namespaces_make_no_hosted_items() {
    let namespace = json!({"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]});
    check_left_out(json!({"tools": [{"type": "custom", "name": "c"}, namespace]}));
}

#[test]
fn an_image_comes_through_without_a_tool() {
    let image = json!({"type": "image_generation_call", "status": "completed", "result": "QQ=="});
    let played = say(spec(json!({})), [hosted(0, image.clone(), true), stop()]);
    check_item(&played, image);
}

#[test]
fn an_output_of_a_call_that_the_upstream_ran_is_a_standard_item() {
    let output = |text: &str, status: &str| json!({"type": "function_call_output", "id": "x", "call_id": "c", "output": text, "status": status});
    let tools = json!({"tools": [{"type": "function", "name": "f"}]});
    for whole in [false, true] {
        let mut events = vec![call(0, "c", "f"), args(0, "{}"), done(0)];
        if !whole {
            events.push(hosted(1, output("", "in_progress"), false));
        }
        events.extend([hosted(1, output("7", "completed"), true), text(2, "7 degrees"), stop()]);
        let played = say(spec(tools.clone()), events);
        played.events();
        let item = &played.response()["output"][1];
        assert_eq!((&item["output"], &item["status"]), (&json!("7"), &json!("completed")));
        assert!(item["id"].as_str().unwrap().starts_with("fco_"));
    }
}

#[track_caller]
fn check_ending(reason: FinishReason, want: &str) {
    let played = say(spec(searching()), [hosted(0, search("searching"), false), finish(reason)]);
    played.hosted_events();
    check_item(&played, json!({"type": "web_search_call", "status": want}));
}

#[test]
fn a_hosted_item_without_an_end_ends_with_its_turn() {
    check_ending(FinishReason::Stop, "completed");
    check_ending(FinishReason::MaxOutputTokens, "incomplete");
}

#[test]
fn a_hosted_item_keeps_the_end_it_had() {
    let played = say(spec(searching()), [hosted(0, search("failed"), true), stop()]);
    check_item(&played, json!({"type": "web_search_call", "status": "failed"}));
}

#[test]
fn a_hosted_item_without_a_state_gets_none() {
    let item = json!({"type": "acme:list", "server_label": "s", "tools": []});
    let played = say(spec(searching()), [hosted(0, item.clone(), true), stop()]);
    check_item(&played, item);
}

#[test]
fn a_failure_leaves_a_hosted_item_incomplete() {
    let start = or_engine::Input::Model(hosted(0, search("in_progress"), false));
    let played = play(spec(searching()), [start, broken()]);
    played.hosted_events();
    check_item(&played, json!({"type": "web_search_call", "status": "incomplete"}));
}

/// Events that a provider must not be able to bring into our stream.
#[track_caller]
fn check_refused(event: ModelEvent) {
    let start = [message(0, None), event, done(0), hosted(1, search("in_progress"), false)];
    let more = [stop()];
    let played = say(spec(searching()), start.into_iter().chain(more));
    let want = ["output_item.added", "output_item.done", "output_item.added", "output_item.done"];
    assert_eq!(played.types(), want);
}

#[test]
fn a_hosted_event_cannot_pose_as_one_of_ours() {
    for kind in ["response.completed", "response.output_item.done", "error", "response.output_text.delta"] {
        check_refused(hosted_event(0, json!({"type": kind, "response": {}})));
    }
}

#[test]
fn a_hosted_event_cannot_break_the_frame() {
    for kind in ["response.x_call.a\n\ndata: {}", "response.x_call.\"", "response.x_call. y", ""] {
        check_refused(hosted_event(0, json!({"type": kind})));
    }
    check_refused(hosted_event(0, json!({})));
}

#[test]
fn a_standard_item_has_no_hosted_events() {
    let output = json!({"type": "function_call_output", "call_id": "c", "output": ""});
    let event = hosted_event(0, json!({"type": "response.web_search_call.searching"}));
    let played = say(spec(searching()), [hosted(0, output, false), event, stop()]);
    assert_eq!(played.types(), ["output_item.added", "output_item.done"]);
}

#[test]
fn a_hosted_item_cannot_take_over_another_block() {
    let events = [
        text(0, "a"),
        hosted(0, search("completed"), true),
        text(0, "b"),
        call(1, "c", "f"),
        hosted(1, search("completed"), true),
        args(1, "{}"),
        stop(),
    ];
    let played = say(spec(searching()), events);
    played.hosted_events();
    let response = played.response();
    assert_eq!(response["output"][0]["content"][0]["text"], "ab");
    assert_eq!(response["output"][1]["arguments"], "{}");
}

#[test]
fn a_hosted_item_keeps_its_type() {
    let other = json!({"type": "file_search_call", "status": "completed"});
    let played =
        say(spec(searching()), [hosted(0, search("in_progress"), false), hosted(0, other, true), stop()]);
    played.hosted_events();
    check_item(&played, json!({"type": "web_search_call", "status": "completed"}));
}

#[test]
fn a_hosted_item_cannot_be_a_message() {
    let item = json!({"type": "message", "role": "assistant", "content": []});
    let mut played = say(spec(searching()), [hosted(0, item, true), text(1, "a"), stop()]);
    assert_eq!(played.hosted_events().len(), 9);
    assert_eq!(played.engine.take_notes().len(), 1);
}

#[test]
fn the_request_helper_knows_hosted_tools() {
    let settings = spec(searching()).settings;
    assert!(matches!(settings.tools[..], [Tool::Hosted(_)]));
    assert_eq!(settings.tool_choice, ToolChoice::Auto);
}

/// Only an adapter that mixes its blocks up says so.
#[test]
fn arguments_for_an_item_that_is_no_call_are_not_told() {
    for item in [search("in_progress"), json!({"type": "mcp_list_tools", "tools": []})] {
        let played = say(spec(searching()), [hosted(0, item, false), args(0, "{}"), done(0), stop()]);
        assert_eq!(played.types()[..2], ["output_item.added", "output_item.done"]);
    }
}

#[test]
fn after_a_pause_fewer_hosted_calls_are_left_and_none_is_forced() {
    let mut request = searching();
    request["max_tool_calls"] = json!(3);
    request["tool_choice"] = json!({"type": "web_search"});
    let events = [hosted(0, search("completed"), true), finish(FinishReason::Pause)];
    let played = say(spec(request), events);
    let settings = played.engine.turn_settings();
    assert_eq!((settings.max_tool_calls, &settings.tool_choice), (Some(2), &ToolChoice::Auto));
}
