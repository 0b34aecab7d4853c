//! How a response ends, exactly once.

use or_adapters::FinishReason;
use or_engine::{Action, Input, Outcome};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, play_raw, say, spec};
use crate::support::script::*;

/// Status, reason of incompleteness, error code, and the statuses of the items.
fn end_of(played: &Played) -> (Value, Value, Value, Vec<Value>) {
    let response = played.response();
    let items = response["output"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    (
        response["status"].clone(),
        response["incomplete_details"]["reason"].clone(),
        response["error"]["code"].clone(),
        items,
    )
}

#[track_caller]
fn check(played: &Played, outcome: Outcome, want: (&str, Option<&str>, Option<&str>, &[&str])) {
    played.events();
    let ends: Vec<_> = played.actions.iter().filter(|action| matches!(action, Action::End(_))).collect();
    assert_eq!(ends, [&Action::End(outcome)]);
    let items = want.3.iter().map(|status| json!(status)).collect();
    assert_eq!(end_of(played), (json!(want.0), json!(want.1), json!(want.2), items));
}

#[test]
fn a_used_up_budget_cuts_the_last_item_only() {
    let events = [text(0, "a"), done(0), text(1, "b"), done(1), finish(FinishReason::MaxOutputTokens)];
    let want = ("incomplete", Some("max_output_tokens"), None, &["completed", "incomplete"][..]);
    check(&say(spec(json!({})), events), Outcome::Incomplete, want);
}

#[test]
fn a_filter_cuts_the_item_that_was_open() {
    let events = [text(0, "a"), finish(FinishReason::ContentFilter)];
    let want = ("incomplete", Some("content_filter"), None, &["incomplete"][..]);
    check(&say(spec(json!({})), events), Outcome::Incomplete, want);
}

#[test]
fn a_budget_that_ran_out_before_any_item_leaves_none() {
    let want = ("incomplete", Some("max_output_tokens"), None, &[][..]);
    check(&say(spec(json!({})), [finish(FinishReason::MaxOutputTokens)]), Outcome::Incomplete, want);
}

#[test]
fn only_the_last_item_can_be_incomplete() {
    // The first block ends last, but it is not the last item (rules 4.3).
    let events = [text(0, "a"), text(1, "b"), done(1), done(0), finish(FinishReason::MaxOutputTokens)];
    let want = ("incomplete", Some("max_output_tokens"), None, &["completed", "completed"][..]);
    check(&say(spec(json!({})), events), Outcome::Incomplete, want);
}

#[test]
fn a_call_that_was_cut_off_keeps_what_it_had() {
    for (piece, want) in [(None, ""), (Some("{\"a\":"), "{\"a\":")] {
        let events = [call(0, "c", "f")].into_iter().chain(piece.map(|piece| args(0, piece)));
        let played = say(spec(json!({})), events.chain([finish(FinishReason::MaxOutputTokens)]));
        let ending = ("incomplete", Some("max_output_tokens"), None, &["incomplete"][..]);
        check(&played, Outcome::Incomplete, ending);
        assert_eq!(played.response()["output"][0]["arguments"], want);
    }
}

#[test]
fn a_failure_closes_what_was_open() {
    let started = [text(0, "a"), done(0), text(1, "b"), trace(2, "c")].map(Input::Model);
    let played = play(spec(json!({})), started.into_iter().chain([broken()]));
    let items = ["completed", "incomplete", "incomplete"];
    check(&played, Outcome::Failed, ("failed", None, Some("upstream_disconnected"), &items));
    assert_eq!(played.engine.error().unwrap().code.as_deref(), Some("upstream_disconnected"));
}

#[test]
fn an_error_is_told_nested_and_flat() {
    let played = play(spec(json!({})), [broken()]);
    let event = played.events().into_iter().find(|event| event["type"] == "error").unwrap();
    let text = "The model backend closed the stream.";
    let want = json!({
        "type": "error", "sequence_number": 2,
        "error": {"message": text, "type": "model_error", "param": null, "code": "upstream_disconnected"},
        "code": "upstream_disconnected", "message": text, "param": null,
    });
    assert_eq!(event, want);
}

#[test]
fn a_failure_before_anything_is_still_a_whole_stream() {
    let played = play_raw(spec(json!({})), [broken()], Ok(()));
    check(&played, Outcome::Failed, ("failed", None, Some("upstream_disconnected"), &[]));
}

#[test]
fn a_cancel_before_anything_is_still_a_whole_stream() {
    let played = play_raw(spec(json!({})), [Input::Cancel], Ok(()));
    check(&played, Outcome::Cancelled, ("cancelled", Some("cancelled"), None, &[]));
    assert_eq!(played.actions, [Action::End(Outcome::Cancelled)]);
}

#[test]
fn a_cancel_closes_what_was_open_and_counts() {
    let started = [usage(5, 1), text(0, "a")].map(Input::Model);
    let played = play(spec(json!({})), started.into_iter().chain([Input::Cancel]));
    check(&played, Outcome::Cancelled, ("cancelled", Some("cancelled"), None, &["incomplete"]));
    assert_eq!(played.response()["usage"]["input_tokens"], 5);
    assert_eq!(played.response()["completed_at"], Value::Null);
}

#[test]
fn a_stored_response_ends_after_its_commit() {
    let mut played = play_raw(spec(json!({"store": true})), [Input::Start], Ok(()));
    played.feed(Input::Model(text(0, "a")));
    let sent = played.sse.len();
    assert_eq!(played.feed(Input::Model(stop())), Some(Action::Commit));
    let told = String::from_utf8(played.sse[sent..].to_vec()).unwrap();
    assert!(told.contains("response.output_item.done") && !told.contains("response.completed"), "{told}");
    let written = played.engine.record().response_json.get().as_bytes().to_vec();
    assert_eq!(played.engine.record().status, or_protocol::ResponseStatus::Completed);
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Completed)));
    check(&played, Outcome::Completed, ("completed", None, None, &["completed"]));
    assert_eq!(played.engine.response_json(), written);
}

#[test]
fn a_response_that_cannot_be_stored_has_failed() {
    for events in [vec![text(0, "a"), stop()], vec![text(0, "a"), done(0), text(1, "b"), stop()]] {
        let items = vec!["completed"; events.len() / 2];
        let inputs = [Input::Start].into_iter().chain(events.into_iter().map(Input::Model));
        let played = play_raw(spec(json!({"store": true})), inputs, Err(()));
        check(&played, Outcome::Failed, ("failed", None, Some("storage_error"), &items));
        assert_eq!(played.response()["completed_at"], Value::Null);
    }
}

#[test]
fn a_failure_that_cannot_be_stored_keeps_its_reason() {
    let played = play_raw(spec(json!({"store": true})), [Input::Start, broken()], Err(()));
    check(&played, Outcome::Failed, ("failed", None, Some("upstream_disconnected"), &[]));
}

#[test]
fn nothing_changes_the_end_once_it_is_decided() {
    let late = || [Input::Model(text(0, "late")), Input::Cancel, broken(), Input::Start];
    let mut played = play_raw(spec(json!({"store": true})), [Input::Start], Ok(()));
    played.feed(Input::Model(text(0, "a")));
    played.feed(Input::Model(stop()));
    for input in late() {
        assert_eq!(played.feed(input), None);
    }
    played.feed(Input::Committed(Ok(())));
    for input in late() {
        assert_eq!(played.feed(input), None);
    }
    assert_eq!(played.feed(Input::Committed(Err(()))), None);
    check(&played, Outcome::Completed, ("completed", None, None, &["completed"]));
}

#[test]
fn an_error_without_a_code_shows_its_type() {
    let error = or_protocol::ApiError::new(or_protocol::ErrorKind::InvalidRequest, "no");
    let played = play(spec(json!({})), [Input::Failed(error)]);
    check(&played, Outcome::Failed, ("failed", None, Some("invalid_request_error"), &[]));
}
