//! Restarts of the server while tools of MCP servers run (design D9).

use or_engine::{Action, ApprovalRequest, ApprovedCall, Input, LoopSpec, Mcp};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::mcp::*;
use crate::support::play::{Played, play};
use crate::support::restart::{Checkpoint, frames};
use crate::support::script::*;
use crate::support::server_tools::{done_with, feed, kinds};

fn background(stream: bool) -> LoopSpec {
    let mcp = Mcp { servers: vec![server(&[])], ..Mcp::default() };
    mcp_spec(json!({"background": true, "store": true, "stream": stream}), mcp)
}

/// A response that has listed its tools and called two of them.
fn running(stream: bool) -> Played {
    let events = [call(0, "a", "ask"), args(0, "{}"), done(0), call(1, "b", "read"), done(1), stop()];
    play(background(stream), events.map(Input::Model))
}

/// Goes on from the last record and as many frames as there were.
fn restarted(played: &Played, stream: bool) -> Played {
    Checkpoint::take(played, 0).resume(background(stream), &played.sse).unwrap()
}

fn finished(mut played: Played, results: &[(usize, &str)]) {
    let mut next = played.feed(Input::Resume);
    for (index, output) in results {
        assert_eq!(next, Some(Action::RunTools).filter(|_| *index == results[0].0));
        next = played.feed(done_with(*index, output));
    }
    assert_eq!(next, Some(Action::CallModel));
    let calls = ["function_call", "function_call_output"];
    let mut context = kinds(played.engine.context());
    context.sort();
    assert_eq!(context, [calls[0], calls[0], calls[1], calls[1], "message"]);
    feed(&mut played, [text(0, "end"), stop()]);
    played.feed(Input::Committed(Ok(())));
    if !played.sse.is_empty() {
        played.hosted_events();
    }
    let output = &played.response()["output"];
    assert_eq!((&output[1]["output"], &output[2]["output"]), (&json!("1"), &json!("2")));
    assert_eq!(output.as_array().unwrap().len(), 4);
}

#[test]
fn calls_that_did_not_begin_are_run() {
    for stream in [true, false] {
        let played = restarted(&running(stream), stream);
        let calls = played.engine.tool_calls();
        assert_eq!(
            calls.iter().map(|c| (c.index, c.interrupted)).collect::<Vec<_>>(),
            [(1, false), (2, false)]
        );
        assert_eq!(calls[0].arguments, "{}");
        finished(played, &[(1, "1"), (2, "2")]);
    }
}

#[test]
fn a_call_that_was_started_and_not_done_is_interrupted() {
    for stream in [true, false] {
        let mut played = running(stream);
        played.feed(Input::ToolStarted { index: 2 });
        let played = restarted(&played, stream);
        assert_eq!(
            played.engine.tool_calls().iter().map(|c| c.interrupted).collect::<Vec<_>>(),
            [false, true]
        );
        finished(played, &[(1, "1"), (2, "2")]);
    }
}

#[test]
fn calls_of_functions_and_of_servers_are_taken_up_together() {
    let spec = || {
        let tools = json!([{"type": "mcp", "server_label": "s"}, {"type": "function", "name": "f"}]);
        let request = json!({"background": true, "store": true, "tools": tools});
        LoopSpec { server_tools: ["f".to_owned()].into(), ..mcp_spec(request, known(&[])) }
    };
    let events = [call(0, "a", "f"), done(0), call(1, "b", "ask"), done(1), stop()];
    let played = play(spec(), events.map(Input::Model));
    let mut resumed = Checkpoint::take(&played, 0).resume(spec(), &played.sse).unwrap();
    assert_eq!(resumed.feed(Input::Resume), Some(Action::RunTools));
    assert_eq!(resumed.engine.tool_calls().iter().map(|c| c.index).collect::<Vec<_>>(), [0, 1]);
    resumed.feed(done_with(1, "2"));
    assert_eq!(resumed.feed(done_with(0, "1")), Some(Action::CallModel));
    feed(&mut resumed, [stop()]);
    resumed.feed(Input::Committed(Ok(())));
    resumed.hosted_events();
}

#[test]
fn results_that_are_written_count() {
    for stream in [true, false] {
        let mut played = running(stream);
        played.feed(done_with(1, "1"));
        let resumed = restarted(&played, stream);
        assert_eq!(resumed.engine.tool_calls().iter().map(|c| c.index).collect::<Vec<_>>(), [2]);
        finished(resumed, &[(2, "2")]);
        // A later one that waits for the first.
        let mut played = running(stream);
        played.feed(done_with(2, "2"));
        let resumed = restarted(&played, stream);
        assert_eq!(resumed.engine.tool_calls().iter().map(|c| c.index).collect::<Vec<_>>(), [1]);
        finished(resumed, &[(1, "1")]);
    }
}

#[test]
fn what_was_told_before_the_first_turn_is_not_told_again() {
    let played = play(background(true), []);
    let mut resumed = restarted(&played, true);
    assert_eq!(resumed.feed(Input::Resume), Some(Action::CallModel));
    feed(&mut resumed, [text(0, "end"), stop()]);
    resumed.feed(Input::Committed(Ok(())));
    resumed.hosted_events();
    assert_eq!(resumed.response()["output"].as_array().unwrap().len(), 2);
}

/// Whatever is lost of the log, the stream goes on in order and ends.
#[test]
fn a_log_that_broke_off_anywhere_is_closed_in_order() {
    let mut played = running(true);
    let record = Checkpoint::take(&played, 0);
    played.feed(done_with(1, "1"));
    let list = frames(&played.sse);
    for cut in 0..=list.len() {
        let log = list[..cut].concat();
        let mut resumed = record.resume(background(true), &log).unwrap();
        let mut last = resumed.feed(Input::Resume);
        if last == Some(Action::RunTools) {
            for call in resumed.engine.tool_calls() {
                last = resumed.feed(done_with(call.index, "again"));
            }
            assert_eq!(last, Some(Action::CallModel), "{cut}");
            feed(&mut resumed, [stop()]);
        }
        resumed.feed(Input::Committed(Ok(())));
        resumed.hosted_events();
        assert!(
            resumed.response()["output"].as_array().unwrap().iter().all(|i| i["status"] != "in_progress"),
            "{cut}"
        );
    }
}

#[test]
fn an_approved_call_is_taken_up_where_it_was() {
    let request = ApprovalRequest {
        id: "mcpr_1".into(),
        label: "s".into(),
        name: "ask".into(),
        arguments: "{}".into(),
    };
    let approved = || {
        let mcp = Mcp {
            approved: vec![ApprovedCall { request: request.clone(), unknown: false }],
            ..known(&["ask"])
        };
        mcp_spec(json!({"background": true, "store": true}), mcp)
    };
    let mut played = play(approved(), []);
    assert_eq!(played.actions, [Action::Begin, Action::RunTools]);
    let resume = |played: &Played| Checkpoint::take(played, 0).resume(approved(), &played.sse).unwrap();
    assert_eq!(resume(&played).engine.tool_calls().len(), 1);
    played.feed(Input::ToolStarted { index: 0 });
    assert!(resume(&played).engine.tool_calls()[0].interrupted);
    played.feed(done_with(0, "42"));
    let mut resumed = resume(&played);
    assert_eq!(resumed.feed(Input::Resume), Some(Action::CallModel));
    feed(&mut resumed, [stop()]);
    resumed.feed(Input::Committed(Ok(())));
    assert_eq!(resumed.response()["output"].as_array().unwrap().len(), 1);
}
