//! The bound on the output of one response.

use or_engine::{Action, Input, LoopLimits, LoopSpec, Outcome, ToolResult};
use or_protocol::{ApiError, ErrorKind, Output};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, play_raw, say, spec};
use crate::support::script::*;
use crate::support::server_tools::*;

fn bounded(spec: LoopSpec, max_output_bytes: u64) -> LoopSpec {
    LoopSpec { limits: LoopLimits { max_output_bytes, ..LoopLimits::default() }, ..spec }
}

fn output(played: &Played) -> usize {
    played.response()["output"].to_string().len()
}

/// It ends as cut off here, told in a legal stream, with no more output than allowed.
#[track_caller]
fn check(played: &Played, bound: usize) {
    played.events();
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Incomplete)));
    let response = played.response();
    assert_eq!(response["incomplete_details"], json!({"reason": "max_output_bytes"}));
    assert!(output(played) <= bound + 200, "{} {response}", output(played));
}

#[test]
fn a_text_is_cut_where_the_room_ends() {
    let played = say(bounded(spec(json!({})), 1000), (0..100).map(|_| text(0, "ten bytes!")));
    check(&played, 1000);
    let text = played.response()["output"][0]["content"][0]["text"].as_str().unwrap().len();
    assert!((700..=1000).contains(&text), "{text}");
    assert_eq!(played.response()["output"][0]["status"], "incomplete");
}

#[test]
fn whatever_grows_is_bounded() {
    let long = "\u{1}\"x\u{1f600}".repeat(2000);
    let one_large = [
        vec![text(0, &long)],
        vec![refusal(0, &long)],
        vec![trace(0, &long)],
        vec![digest(0, &long)],
        vec![call(0, "c", "f"), args(0, &long)],
        vec![trace(0, "x"), sealed(0, &long)],
        vec![text(0, "x"), citation(0, &long, 0, 1)],
        vec![hosted(
            0,
            json!({"type": "web_search_call", "id": "ws", "status": "completed", "x": long}),
            true,
        )],
        vec![
            hosted(0, json!({"type": "web_search_call", "id": "ws", "status": "in_progress"}), false),
            hosted_event(0, json!({"type": "response.web_search_call.searching", "x": long})),
        ],
    ];
    let many = (0..2000).map(|block| text(block, "x")).collect();
    let parts = (0..2000).map(|n| if n % 2 == 0 { text(0, "") } else { refusal(0, "") }).collect();
    let likely: Vec<_> = (0..2000).map(|_| likely(0, "x")).collect();
    for (n, events) in one_large.into_iter().chain([many, parts, likely]).enumerate() {
        let tools = json!([{"type": "function", "name": "f"}, {"type": "web_search"}]);
        let request = json!({"tools": tools, "top_logprobs": 0, "include": [
            "message.output_text.logprobs", "reasoning.encrypted_content"]});
        let played = say(bounded(spec(request), 4000), events);
        let response = played.response();
        assert_eq!(response["incomplete_details"], json!({"reason": "max_output_bytes"}), "{n} {response}");
        assert!(output(&played) <= 5000, "{n}: {}", output(&played));
    }
}

#[test]
fn a_response_within_its_bound_is_left_alone() {
    let played = say(bounded(spec(json!({})), 1000), [text(0, &"x".repeat(500)), done(0), stop()]);
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
}

#[test]
fn a_result_that_has_no_room_is_left_out() {
    let mut played = play(bounded(spec_with(json!({})), 1000), []);
    feed(&mut played, [call(0, "a", "f"), done(0), call(1, "b", "f"), done(1), stop()]);
    let calls = played.engine.tool_calls();
    let done = |text: &str, index| {
        let result = ToolResult::done(Output::Text(text.to_owned()));
        Input::ToolDone { index, result }
    };
    played.feed(done("small", calls[0].index));
    played.feed(done(&"x".repeat(1000), calls[1].index));
    check(&played, 1200);
    let response = played.response();
    let outputs: Vec<_> =
        response["output"].as_array().unwrap().iter().filter_map(|item| item["output"].as_str()).collect();
    assert_eq!(outputs.len(), 2);
    assert!(outputs[0] == "small" && outputs[1].starts_with("The result of this tool was left out"));
}

#[test]
fn a_log_of_many_small_pieces_is_bounded_too() {
    let request = json!({"background": true, "store": true});
    let played = say(bounded(spec(request), 2000), (0..1000).map(|_| text(0, "x")));
    check(&played, 2000);
    assert!(played.sse.len() < 40_000, "{}", played.sse.len());
    // One that is not written down may go on.
    let played = say(bounded(spec(json!({})), 2000), (0..1000).map(|_| text(0, "x")).chain([stop()]));
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
}

#[test]
fn what_cannot_be_stored_ends_short_and_is_told_as_it_is_stored() {
    let request = json!({"store": true, "instructions": "x".repeat(5000), "metadata": {"a": "b"}});
    let said = [text(0, "Hi"), done(0), usage(1, 2)].map(Input::Model);
    let inputs = [Input::Start].into_iter().chain(said);
    let mut played = play_raw(spec(request), inputs, Ok(()));
    assert_eq!(played.feed(Input::Model(stop())), Some(Action::Commit));
    let error = ApiError::new(ErrorKind::TooLarge, "Too large.").with_code("record_too_large");
    assert_eq!(played.feed(Input::Unstorable(error)), Some(Action::Commit));
    assert!(played.engine.is_shortened());
    let written = played.written();
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Failed)));
    assert_eq!(played.response(), written);
    let want = json!(["failed", "record_too_large", [], {"a": "b"}, Value::Null]);
    let got = ["/status", "/error/code", "/output", "/metadata", "/instructions"];
    assert_eq!(Value::from_iter(got.map(|path| written.pointer(path).unwrap().clone())), want);
    // It is asked once; then nothing is left to try.
    let mut played = play_raw(spec(json!({"store": true})), [Input::Start, Input::Model(stop())], Err(()));
    assert_eq!(played.feed(Input::Committed(Ok(()))), None);
}
