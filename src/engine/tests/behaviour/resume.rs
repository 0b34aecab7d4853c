//! Responses that a restart of the server interrupted.

use or_adapters::{FinishReason, ModelEvent};
use or_engine::{Action, Input, LoopSpec, Outcome, ResumeError};
use or_protocol::{ErrorKind, Item, LogProb, ResponseStatus, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, spec};
use crate::support::restart::{Checkpoint, frames, run};
use crate::support::script::*;

fn background(stream: bool) -> LoopSpec {
    spec(json!({"background": true, "store": true, "stream": stream}))
}

fn whole(stream: bool, events: Vec<ModelEvent>) -> (Played, Vec<Checkpoint>) {
    let inputs = std::iter::once(Input::Start).chain(events.into_iter().map(Input::Model)).collect();
    run(background(stream), inputs, Ok(()))
}

/// Begins again after the last frame of this type; the checkpoint is the last before it, or the first.
#[track_caller]
fn restart_after(kind: &str, events: Vec<ModelEvent>) -> (Played, usize) {
    let (whole, checkpoints) = whole(true, events);
    let list = frames(&whole.sse);
    let head = format!("event: response.{kind}\n");
    let cut = list.iter().rposition(|frame| frame.starts_with(head.as_bytes())).unwrap() + 1;
    let log = list[..cut].concat();
    let checkpoint =
        checkpoints.iter().rfind(|checkpoint| checkpoint.frames <= cut).unwrap_or(&checkpoints[0]);
    (checkpoint.resume(background(true), &log).unwrap(), cut)
}

/// The types of the frames behind the first `cut` ones.
fn new_types(played: &Played, cut: usize) -> Vec<String> {
    let name = |frame: &&[u8]| {
        let text = std::str::from_utf8(frame).unwrap();
        text.lines().next().unwrap().trim_start_matches("event: ").trim_start_matches("response.").to_owned()
    };
    frames(&played.sse)[cut..].iter().map(name).collect()
}

/// What is told after a restart behind the last event of a type, when the turn broke off there.
#[track_caller]
fn check_interrupted(kind: &str, events: Vec<ModelEvent>, told: &[&str], statuses: &[&str]) {
    let (mut played, cut) = restart_after(kind, events);
    assert_eq!(played.feed(Input::Resume), Some(Action::Commit));
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Failed)));
    played.events();
    let end = ["error", "failed", "data: [DONE]"];
    assert_eq!(new_types(&played, cut), [told, &end[..]].concat());
    let response = played.response();
    assert_eq!(response["error"]["code"], "interrupted");
    let items = response["output"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["status"].clone()).collect::<Vec<_>>(), statuses);
    let error = played.engine.error().unwrap();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Unavailable, Some("interrupted")));
}

#[test]
fn what_was_open_is_closed_as_incomplete() {
    let events = || vec![text(0, "a"), done(0), text(1, "b"), text(1, "c"), done(1), stop()];
    let close = ["output_text.done", "content_part.done", "output_item.done"];
    check_interrupted("output_text.delta", events(), &close, &["completed", "incomplete"]);
    check_interrupted("content_part.added", events(), &close, &["completed", "incomplete"]);
    check_interrupted("output_item.added", events(), &close[2..], &["completed", "incomplete"]);
}

#[test]
fn what_was_told_is_not_told_again() {
    let message = || vec![text(0, "a"), citation(0, "https://example.org", 0, 1), refusal(0, "no"), stop()];
    let item = &["output_item.done"][..];
    check_interrupted("refusal.done", message(), &["content_part.done", "output_item.done"], &["incomplete"]);
    check_interrupted("content_part.done", message(), item, &["incomplete"]);
    check_interrupted("output_item.done", message(), &[], &["completed"]);
    let call = || vec![call(0, "c", "f"), args(0, "{\"a\":"), args(0, "1}"), stop()];
    let done = &["function_call_arguments.done", "output_item.done"][..];
    check_interrupted("function_call_arguments.delta", call(), done, &["incomplete"]);
    check_interrupted("function_call_arguments.done", call(), item, &["incomplete"]);
    let thought = || vec![digest(0, "s"), trace(0, "t"), stop()];
    check_interrupted(
        "reasoning_summary_text.done",
        thought(),
        &["reasoning_summary_part.done", "output_item.done"],
        &["incomplete"],
    );
    check_interrupted(
        "reasoning.done",
        thought(),
        &["content_part.done", "output_item.done"],
        &["incomplete"],
    );
}

fn two_turns() -> Vec<ModelEvent> {
    let pause = finish(FinishReason::Pause);
    vec![
        trace(0, "x"),
        sealed(0, "or1.s"),
        text(1, "a"),
        usage(5, 1),
        pause,
        text(0, "b"),
        usage(7, 2),
        stop(),
    ]
}

#[test]
fn a_turn_that_told_nothing_is_sampled_again() {
    let (whole, checkpoints) = whole(true, two_turns());
    let checkpoint = checkpoints.last().unwrap();
    let log = frames(&whole.sse)[..checkpoint.frames].concat();
    let mut played = checkpoint.resume(background(true), &log).unwrap();
    assert_eq!(played.current()["output"].as_array().unwrap().len(), 2);
    assert_eq!(played.feed(Input::Model(text(0, "early"))), None);
    assert_eq!(played.feed(Input::Resume), Some(Action::CallModel));
    let context = played.engine.context();
    let Item::Reasoning(reasoning) = &context[1] else { panic!("{context:?}") };
    assert_eq!((context.len(), reasoning.encrypted_content.as_deref()), (3, Some("or1.s")));
    assert!(!played.engine.turn_has_output());
    for event in [text(0, "b"), usage(7, 2), stop()] {
        played.feed(Input::Model(event));
    }
    assert_eq!(played.engine.record().sealed, [(0, "or1.s".to_owned())]);
    played.feed(Input::Committed(Ok(())));
    played.events();
    assert_eq!(played.engine.usage(), Some(&Usage::new(12, 3, None, 2, 4)));
    assert_eq!(String::from_utf8_lossy(&played.sse), String::from_utf8_lossy(&whole.sse));
}

#[test]
fn without_a_stream_the_turn_is_sampled_again() {
    let (whole, checkpoints) = whole(false, two_turns());
    for (checkpoint, output) in checkpoints.iter().zip([0, 0, 2]) {
        let mut played = checkpoint.resume(background(false), b"").unwrap();
        assert_eq!(played.current()["status"], checkpoint.response["status"]);
        assert_eq!(played.feed(Input::Resume), Some(Action::CallModel));
        assert_eq!(
            (played.engine.context().len(), &played.current()["status"]),
            (output + 1, &json!("in_progress"))
        );
        for event in two_turns().into_iter().skip(if output == 2 { 5 } else { 0 }) {
            played.feed(Input::Model(event));
        }
        played.feed(Input::Committed(Ok(())));
        assert_eq!((played.response(), played.sse.len()), (whole.response(), 0));
    }
}

#[test]
fn a_log_that_is_behind_its_record_is_an_interruption() {
    let (whole, checkpoints) = whole(true, two_turns());
    for cut in [0, 3, checkpoints.last().unwrap().frames - 1] {
        let log = frames(&whole.sse)[..cut].concat();
        let mut played = checkpoints.last().unwrap().resume(background(true), &log).unwrap();
        played.feed(Input::Resume);
        played.feed(Input::Committed(Ok(())));
        played.events();
        assert_eq!(played.response()["error"]["code"], "interrupted");
    }
}

#[test]
fn it_can_fail_or_be_cancelled_after_a_restart() {
    for kind in ["created", "queued", "in_progress", "output_text.delta"] {
        for (input, outcome) in [(broken(), Outcome::Failed), (Input::Cancel, Outcome::Cancelled)] {
            let (mut played, _) = restart_after(kind, vec![text(0, "a"), text(0, "b"), stop()]);
            assert_eq!(played.feed(input), Some(Action::Commit));
            assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(outcome)));
            played.events();
            let status = if outcome == Outcome::Failed { "failed" } else { "cancelled" };
            assert_eq!(played.response()["status"], status);
        }
    }
}

#[test]
fn a_log_with_its_end_says_so() {
    let (whole, checkpoints) = whole(true, vec![text(0, "a"), stop()]);
    let list = frames(&whole.sse);
    for (cut, missing) in [(list.len(), &b""[..]), (list.len() - 1, b"data: [DONE]\n\n")] {
        let Err(ResumeError::Ended(ended)) = checkpoints[0].resume(background(true), &list[..cut].concat())
        else {
            panic!("not seen")
        };
        assert_eq!((ended.status, ended.missing), (ResponseStatus::Completed, missing));
        assert_eq!(serde_json::from_slice::<Value>(&ended.response_json).unwrap(), whole.response());
    }
}

#[test]
fn an_error_that_was_told_is_followed_by_its_failure() {
    let inputs = || vec![Input::Start, Input::Model(text(0, "a")), broken()];
    for late in [Input::Resume, Input::Cancel, Input::Failed(or_protocol::ApiError::internal())] {
        let (whole, checkpoints) = run(background(true), inputs(), Ok(()));
        let list = frames(&whole.sse);
        let log = list[..list.len() - 2].concat();
        let mut played = checkpoints.last().unwrap().resume(background(true), &log).unwrap();
        assert_eq!(played.feed(late), Some(Action::Commit));
        assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Failed)));
        assert_eq!(String::from_utf8_lossy(&played.sse), String::from_utf8_lossy(&whole.sse));
    }
}

#[test]
fn log_probabilities_come_back_to_the_last_digit() {
    let likely = |logprob: f64| ModelEvent::TextDelta {
        block: 0,
        text: "a".into(),
        logprobs: vec![LogProb { token: "a".into(), logprob, bytes: vec![97], top_logprobs: vec![] }],
    };
    let request = json!({"background": true, "store": true, "top_logprobs": 1});
    let values = [-0.313_261_687_518_222_86, -1.192_092_896e-7, -51.248_091_735_278_196, -0.000_137_213_4];
    let inputs = values.map(likely).map(Input::Model);
    let (whole, checkpoints) =
        run(spec(request.clone()), std::iter::once(Input::Start).chain(inputs).collect(), Ok(()));
    let list = frames(&whole.sse);
    let mut played = checkpoints[1].resume(spec(request), &list[..9].concat()).unwrap();
    played.feed(Input::Resume);
    played.feed(Input::Committed(Ok(())));
    played.events();
    let text = String::from_utf8_lossy(&played.sse);
    for value in values {
        let written = format!("\"logprob\":{}", json!(value));
        assert_eq!(text.matches(&written).count(), 5, "{written}");
    }
}

#[track_caller]
fn check_refused(log: &[u8], want: (u64, &'static str)) {
    let (_, checkpoints) = whole(true, vec![]);
    let got = checkpoints[0].resume(background(true), log).map(|_| ());
    assert_eq!(got, Err(ResumeError::Damaged { frame: want.0, why: want.1 }));
}

#[test]
fn a_damaged_log_is_refused() {
    let (whole, _) = whole(true, vec![text(0, "abc"), stop()]);
    let list: Vec<String> =
        frames(&whole.sse).into_iter().map(|frame| String::from_utf8(frame.to_vec()).unwrap()).collect();
    let joined = list[..6].concat();
    check_refused(&joined.as_bytes()[..joined.len() - 1], (5, "it ends within a frame"));
    check_refused(b"\xff", (0, "it is not UTF-8"));
    check_refused(b": keep-alive\n\n", (0, "it is not an event and its data"));
    check_refused(list[1].as_bytes(), (0, "type or number is wrong"));
    check_refused(
        list[0].replace("\"type\":\"resp", "\"type\":\"r").as_bytes(),
        (0, "type or number is wrong"),
    );
    check_refused(
        list[0].replace("{\"id\":\"resp_01", "{\"id\":\"resp_02").as_bytes(),
        (0, "it is of another response"),
    );
    check_refused(
        list[0].replace("\"status\":\"queued\"", "\"status\":7").as_bytes(),
        (0, "its data cannot be read"),
    );
    check_refused(list[2].replace(":2,", ":0,").as_bytes(), (0, "the event is out of order"));
    let unfit = joined.replace(
        "\"output_index\":0,\"content_index\":0,\"delta\"",
        "\"output_index\":1,\"content_index\":0,\"delta\"",
    );
    check_refused(unfit.as_bytes(), (5, "the event does not fit the items"));
    let behind = [list.concat(), list[0].clone()].concat();
    check_refused(behind.as_bytes(), (list.len() as u64 - 1, "something follows the terminal event"));
}

#[test]
fn a_record_of_an_end_is_not_resumed() {
    let (_, checkpoints) = whole(true, vec![text(0, "a"), stop()]);
    let over = Checkpoint { status: ResponseStatus::Completed, ..checkpoints[0].clone() };
    assert_eq!(over.resume(background(true), b"").map(|_| ()), Err(ResumeError::Over));
}
