//! Responses that begin in the background, and what others see of them meanwhile.

use or_adapters::FinishReason;
use or_engine::{Action, Input, LoopSpec, Outcome, Progress};
use or_protocol::{ResponseMember, ResponseMembers, ResponseStatus, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, play_raw, say, spec};
use crate::support::script::*;

fn background() -> LoopSpec {
    spec(json!({"background": true, "store": true}))
}

/// Started; the beginning is being written.
fn queued() -> Played {
    let mut played = play_raw(background(), [], Ok(()));
    assert_eq!(played.feed(Input::Start), Some(Action::Begin));
    played
}

/// The events so far: type, and the status of the response they carry.
fn told(played: &Played) -> Vec<(String, Value)> {
    let text = std::str::from_utf8(&played.sse).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let events = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    events
        .map(|event| (event["type"].as_str().unwrap().to_owned(), event["response"]["status"].clone()))
        .collect()
}

fn pair(kind: &str, status: &str) -> (String, Value) {
    (format!("response.{kind}"), json!(status))
}

#[test]
fn it_is_queued_until_its_beginning_is_written() {
    let mut played = queued();
    assert_eq!(told(&played), [pair("created", "queued"), pair("queued", "queued")]);
    assert_eq!(played.feed(Input::Model(text(0, "early"))), None);
    assert_eq!(played.feed(Input::Begun), Some(Action::CallModel));
    assert_eq!(told(&played)[2..], [pair("in_progress", "in_progress")]);
    assert_eq!(played.feed(Input::Begun), None);
    played.feed(Input::Model(text(0, "a")));
    assert_eq!(played.feed(Input::Model(stop())), Some(Action::Commit));
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Completed)));
    played.events();
    assert_eq!(
        (&played.response()["status"], &played.response()["background"]),
        (&json!("completed"), &json!(true))
    );
}

#[test]
fn without_a_stream_it_writes_no_frames() {
    let played =
        say(spec(json!({"background": true, "store": true, "stream": false})), [text(0, "a"), stop()]);
    assert!(played.sse.is_empty());
    assert_eq!(
        played.actions,
        [Action::Begin, Action::CallModel, Action::Commit, Action::End(Outcome::Completed)]
    );
}

/// Ends a response by `input`; what the client is told at the end, and the items' statuses.
#[track_caller]
fn check_end(mut played: Played, input: Input, outcome: Outcome, reason: Option<&str>, items: &[&str]) {
    assert_eq!(played.feed(input), Some(Action::Commit));
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(outcome)));
    assert_eq!(played.feed(Input::Begun), None);
    played.events();
    let response = played.response();
    let (last, status) = match outcome {
        Outcome::Cancelled => ("response.incomplete", "cancelled"),
        _ => ("response.failed", "failed"),
    };
    assert_eq!(told(&played).last(), Some(&(last.to_owned(), json!(status))));
    assert!(played.sse.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(response["incomplete_details"]["reason"], json!(reason));
    let statuses: Vec<_> =
        response["output"].as_array().unwrap().iter().map(|i| i["status"].clone()).collect();
    assert_eq!(statuses, items);
    assert_eq!(played.engine.record().status.as_str(), status);
}

#[test]
fn it_can_be_cancelled_at_any_time() {
    let cancel =
        |played, items| check_end(played, Input::Cancel, Outcome::Cancelled, Some("cancelled"), items);
    cancel(play_raw(background(), [], Ok(())), &[]);
    cancel(queued(), &[]);
    cancel(play(background(), []), &[]);
    cancel(say(background(), [text(0, "a"), done(0), text(1, "b")]), &["completed", "incomplete"]);
}

#[test]
fn it_can_fail_at_any_time() {
    let fail = |played, items| check_end(played, broken(), Outcome::Failed, None, items);
    fail(play_raw(background(), [], Ok(())), &[]);
    fail(queued(), &[]);
    fail(play(background(), []), &[]);
    fail(say(background(), [text(0, "a")]), &["incomplete"]);
}

#[test]
fn a_response_can_be_looked_at_while_it_is_made() {
    let mut played = queued();
    assert_eq!((&played.current()["status"], &played.current()["output"]), (&json!("queued"), &json!([])));
    played.feed(Input::Begun);
    for event in [usage(1, 1), text(0, "a"), done(0), text(1, "b")] {
        played.feed(Input::Model(event));
    }
    let now = played.current();
    assert_eq!((&now["status"], &now["usage"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(
        (&now["output"][0]["status"], &now["output"][1]["status"]),
        (&json!("completed"), &json!("in_progress"))
    );
    assert_eq!(now["output"][1]["content"][0]["text"], "b");
    // The end is no fact before its commit.
    played.feed(Input::Model(stop()));
    let now = played.current();
    assert_eq!(
        (&now["status"], &now["usage"], &now["completed_at"]),
        (&json!("in_progress"), &Value::Null, &Value::Null)
    );
    assert_eq!(played.written()["status"], "completed");
    played.feed(Input::Committed(Ok(())));
    assert_eq!(played.current(), played.response());
}

#[test]
fn a_record_before_the_end_holds_the_finished_turns() {
    let mut played = queued();
    assert_eq!((played.engine.record().status, played.written()), (ResponseStatus::Queued, played.current()));
    assert_eq!(played.engine.record().progress, Some(Progress::default()));
    played.feed(Input::Begun);
    let pause = || finish(FinishReason::Pause);
    let tier = or_adapters::ModelEvent::ServiceTier("flex".into());
    let moderated = |flagged: bool| or_adapters::ModelEvent::ResponseMember {
        member: ResponseMember::Moderation,
        value: json!({ "flagged": flagged }).into(),
    };
    let first = [trace(0, "x"), sealed(0, "or1.s"), done(0), usage(5, 1), tier, moderated(true), pause()];
    for event in first.into_iter().chain([usage(7, 1), moderated(false), text(0, "b")]) {
        played.feed(Input::Model(event));
    }
    let record = played.engine.record();
    assert_eq!((record.status, record.sealed), (ResponseStatus::InProgress, &[(0, "or1.s".to_owned())][..]));
    let usage = Some(Usage::new(5, 1, None, 1, 2));
    let mut members = ResponseMembers::default();
    members.set(ResponseMember::Moderation, json!({"flagged": true}).into());
    let want = Progress {
        usage,
        service_tier: Some("flex".into()),
        members,
        pauses: 1,
        turns: 1,
        ..Progress::default()
    };
    let kept = serde_json::to_string(&record.progress).unwrap();
    assert_eq!(serde_json::from_str::<Option<Progress>>(&kept).unwrap(), Some(want.clone()));
    assert_eq!(record.progress, Some(want));
    let written = played.written();
    assert_eq!((written["output"].as_array().unwrap().len(), &written["usage"]), (1, &Value::Null));
    played.feed(Input::Model(stop()));
    assert_eq!(played.engine.record().progress, None);
    assert_eq!(played.written()["output"].as_array().unwrap().len(), 2);
}
