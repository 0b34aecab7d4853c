//! Restarts of the server while tools run (design D9).

use or_engine::{Action, Input, LoopSpec, Outcome, Progress};
use or_protocol::{ContentPart, Output};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play};
use crate::support::restart::{Checkpoint, frames};
use crate::support::script::*;
use crate::support::server_tools::*;

fn background(stream: bool) -> LoopSpec {
    spec_with(json!({"background": true, "store": true, "stream": stream}))
}

/// A response whose first turn called `f` three times, and whose last call may be the client's.
fn running(stream: bool, last: &str) -> Played {
    let events = [
        call(0, "a", "f"),
        done(0),
        call(1, "b", "f"),
        done(1),
        call(2, "c", last),
        done(2),
        usage(5, 1),
        stop(),
    ];
    play(background(stream), events.map(Input::Model))
}

/// Goes on from what is on disk after `inputs`, but for the last `lost` frames.
fn restarted(stream: bool, inputs: impl IntoIterator<Item = Input>, lost: usize) -> Played {
    let mut played = running(stream, "f");
    let mut disk = Checkpoint::take(&played, 0);
    let mut inputs = inputs.into_iter().peekable();
    while let Some(input) = inputs.next() {
        played.feed(input);
        // The process died between the frames and the record.
        if lost == 0 || inputs.peek().is_some() {
            disk = Checkpoint::take(&played, 0);
        }
    }
    let list = frames(&played.sse);
    disk.resume(background(stream), &list[..list.len() - lost].concat()).unwrap()
}

/// Output index of each call that is offered, and whether it was interrupted.
fn offered(played: &Played) -> Vec<(usize, bool)> {
    played.engine.tool_calls().into_iter().map(|call| (call.index, call.interrupted)).collect()
}

fn started(index: usize) -> Input {
    Input::ToolStarted { index }
}

/// Ends what goes on; its output.
fn finished(mut played: Played, results: &[(usize, &str)]) -> Vec<String> {
    assert_eq!(played.feed(Input::Resume), Some(Action::RunTools));
    let mut next = None;
    for (index, output) in results {
        next = played.feed(done_with(*index, output));
    }
    assert_eq!(next, Some(Action::CallModel));
    assert_eq!(played.engine.context().len(), 7);
    feed(&mut played, [usage(7, 2), text(0, "end"), stop()]);
    played.feed(Input::Committed(Ok(())));
    if !played.sse.is_empty() {
        played.events();
    }
    assert_eq!(played.engine.usage().unwrap().total_tokens, 15);
    outline(&played)
}

const WHOLE: [&str; 7] = ["f(a)", "f(b)", "f(c)", "a=1", "b=2", "c=3", "end"];

#[test]
fn calls_that_did_not_begin_are_run() {
    for stream in [true, false] {
        let played = restarted(stream, [], 0);
        assert_eq!(offered(&played), [(0, false), (1, false), (2, false)]);
        assert_eq!(finished(played, &[(0, "1"), (1, "2"), (2, "3")]), WHOLE);
    }
}

#[test]
fn a_call_that_was_started_and_not_done_is_interrupted() {
    for stream in [true, false] {
        let played = restarted(stream, [started(1)], 0);
        assert_eq!(offered(&played), [(0, false), (1, true), (2, false)]);
        assert_eq!(finished(played, &[(0, "1"), (1, "2"), (2, "3")]), WHOLE);
    }
}

#[test]
fn a_result_that_was_written_is_used_again() {
    for stream in [true, false] {
        let played = restarted(stream, [started(1), done_with(1, "2")], 0);
        assert_eq!(offered(&played), [(0, false), (2, false)]);
        assert_eq!(finished(played, &[(2, "3"), (0, "1")]), WHOLE);
        let played = restarted(stream, [started(0), done_with(0, "1")], 0);
        assert_eq!(offered(&played), [(1, false), (2, false)]);
        assert_eq!(finished(played, &[(2, "3"), (1, "2")]), WHOLE);
    }
}

#[test]
fn an_output_that_only_the_log_has_is_the_result() {
    let mut played = running(true, "f");
    let disk = Checkpoint::take(&played, 0);
    played.feed(started(0));
    played.feed(done_with(0, "1"));
    let played = disk.resume(background(true), &played.sse).unwrap();
    assert_eq!(offered(&played), [(1, false), (2, false)]);
    assert_eq!(finished(played, &[(1, "2"), (2, "3")]), WHOLE);
}

#[test]
fn an_output_that_was_logged_as_begun_is_completed() {
    // Its result is lost.
    let played = restarted(true, [started(0), done_with(0, "lost")], 1);
    assert_eq!(offered(&played), [(0, true), (1, false), (2, false)]);
    assert_eq!(finished(played, &[(0, "1"), (1, "2"), (2, "3")]), WHOLE);
    // Its result was waiting for that of an earlier call.
    let played = restarted(true, [done_with(1, "2"), done_with(0, "1")], 1);
    assert_eq!(offered(&played), [(2, false)]);
    assert_eq!(finished(played, &[(2, "3")]), WHOLE);
}

#[test]
fn a_round_that_was_done_leads_to_the_next_turn() {
    let mut played = running(true, "f");
    played.feed(done_with(1, "2"));
    played.feed(done_with(2, "3"));
    let disk = Checkpoint::take(&played, 0);
    played.feed(done_with(0, "1"));
    let mut played = disk.resume(background(true), &played.sse).unwrap();
    assert_eq!(played.feed(Input::Resume), Some(Action::CallModel));
    assert_eq!(played.engine.context().len(), 7);
}

#[test]
fn a_mixed_round_that_was_done_leads_to_the_client() {
    let mut played = running(true, "client");
    played.feed(done_with(0, "1"));
    let disk = Checkpoint::take(&played, 0);
    played.feed(done_with(1, "2"));
    let mut played = disk.resume(background(true), &played.sse).unwrap();
    assert_eq!(played.feed(Input::Resume), Some(Action::Commit));
    assert_eq!(played.feed(Input::Committed(Ok(()))), Some(Action::End(Outcome::Completed)));
    played.events();
    assert_eq!(outline(&played), ["f(a)", "f(b)", "client(c)", "a=1", "b=2"]);
}

#[test]
fn an_end_instead_of_going_on_closes_what_was_begun() {
    for input in [Input::Cancel, broken()] {
        let mut played = restarted(true, [done_with(1, "2"), started(0), done_with(0, "lost")], 3);
        assert_eq!(offered(&played), [(0, true), (2, false)]);
        played.feed(input);
        played.feed(Input::Committed(Ok(())));
        played.events();
        let response = played.response();
        let open = &response["output"][3];
        assert_eq!((&open["status"], &open["call_id"]), (&json!("incomplete"), &json!("a")));
        assert!(open["output"].as_str().unwrap().contains("broken off"));
        // What was done is told all the same.
        assert_eq!((&response["output"][4]["output"], response["output"].get(5)), (&json!("2"), None));
    }
}

#[test]
fn a_turn_that_broke_off_before_its_calls_ends_the_response() {
    let (mut played, before) = {
        let played = play(background(true), []);
        let before = Checkpoint::take(&played, 0);
        (running(true, "f"), before)
    };
    played = before.resume(background(true), &played.sse).unwrap();
    assert_eq!(played.feed(Input::Resume), Some(Action::Commit));
    played.feed(Input::Committed(Ok(())));
    played.events();
    assert_eq!(played.response()["error"]["code"], "interrupted");
}

#[test]
fn bounds_are_counted_over_a_restart() {
    let spec = || LoopSpec { settings: spec_with(json!({"max_tool_calls": 3})).settings, ..background(true) };
    let mut played = restarted(true, [], 0);
    let disk = Checkpoint::take(&played, 0);
    played = disk.resume(spec(), &played.sse).unwrap();
    played.feed(Input::Resume);
    for index in 0..3 {
        played.feed(done_with(index, "7"));
    }
    assert_eq!(played.engine.turn_settings().tool_choice, or_protocol::ToolChoice::None);
    // And so is the last turn.
    let disk = Checkpoint::take(&played, 0);
    let mut played = disk.resume(spec(), &played.sse).unwrap();
    assert_eq!(played.feed(Input::Resume), Some(Action::CallModel));
    assert_eq!(played.engine.turn_settings().tool_choice, or_protocol::ToolChoice::None);
}

#[test]
fn records_without_tools_read_as_ever() {
    let old = json!({"usage": null, "pauses": 2});
    let progress: Progress = serde_json::from_value(old).unwrap();
    assert_eq!(progress, Progress { pauses: 2, ..Progress::default() });
    assert_eq!(json!(progress), json!({"pauses": 2}));
}

#[test]
fn a_result_of_parts_comes_back_as_it_was() {
    let mut played = running(false, "f");
    let image = ContentPart::InputImage {
        image_url: Some("https://example.org/a.png".into()),
        file_id: None,
        detail: or_protocol::Detail::Low,
        extra: or_protocol::Extra::NONE,
    };
    let output = Output::Parts(vec![ContentPart::text("a"), image]);
    let want: Value = json!(output);
    played.feed(Input::ToolDone { index: 1, result: or_engine::ToolResult::done(output) });
    let disk = Checkpoint::take(&played, 0);
    let mut played = disk.resume(background(false), b"").unwrap();
    played.feed(Input::Resume);
    played.feed(done_with(0, "1"));
    assert_eq!(played.current()["output"][4]["output"], want);
}
