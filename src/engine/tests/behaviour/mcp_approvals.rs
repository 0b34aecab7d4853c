//! Calls of MCP servers that need the client's yes.

use or_adapters::FinishReason;
use or_engine::{Action, ApprovalRequest, ApprovedCall, Input, LoopSpec, Mcp, Outcome, find_answers};
use or_protocol::{FunctionCall, Item, Path, decode_item};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::mcp::*;
use crate::support::play::{Played, play};
use crate::support::script::*;
use crate::support::server_tools::{done_with, feed, kinds};

/// A response that asks for approval of `ask` after some thinking.
fn asking() -> Played {
    let events = [sealed(0, "blob"), done(0), call(1, "c", "ask"), args(1, "{\"q\":1}"), done(1), stop()];
    play(mcp_spec(json!({}), known(&["ask"])), events.map(Input::Model))
}

fn request() -> Value {
    asking().response()["output"][1].clone()
}

fn answer(approve: bool) -> Value {
    json!({"type": "mcp_approval_response", "approval_request_id": request()["id"], "approve": approve, "reason": "why"})
}

fn items(list: &[Value]) -> Vec<Item> {
    list.iter().map(|item| decode_item(item.clone(), Path::Root).unwrap()).collect()
}

/// A request that brings these items behind the request for approval.
fn answered(input: &[Value], approved: bool, unknown: bool) -> LoopSpec {
    let found = find_answers(&items(&[&[request()], input].concat()), 1..usize::MAX, |_| true).unwrap();
    let calls = found.into_iter().map(|answer| ApprovedCall { request: answer.request, unknown });
    let mcp = Mcp { approved: calls.filter(|_| approved).collect(), ..known(&["ask"]) };
    let all = [&[request()], input].concat();
    mcp_spec(json!({ "input": all }), mcp)
}

#[test]
fn the_response_ends_with_the_request() {
    let played = asking();
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
    let events = played.hosted_events();
    let types: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    let end = ["response.output_item.added", "response.output_item.done", "response.completed"];
    assert_eq!(types[types.len() - 3..], end);
    let item = request();
    assert_eq!(events[events.len() - 3]["item"], item);
    let want = json!({"type": "mcp_approval_request", "id": item["id"], "arguments": "{\"q\":1}", "name": "ask",
        "server_label": "s"});
    assert_eq!(item, want);
    let asked = ApprovalRequest {
        id: item["id"].as_str().unwrap().into(),
        label: "s".into(),
        name: "ask".into(),
        arguments: "{\"q\":1}".into(),
    };
    assert!(asked.is_genuine(&[7; 32], "https://s.example/mcp"));
}

#[test]
fn other_calls_of_the_turn_are_run_first() {
    let events = [call(0, "a", "ask"), done(0), call(1, "b", "read"), done(1), stop()];
    let mut played = play(mcp_spec(json!({}), known(&["ask"])), events.map(Input::Model));
    assert_eq!(played.actions, [Action::CallModel, Action::RunTools]);
    assert_eq!(played.feed(done_with(1, "text")), Some(Action::End(Outcome::Completed)));
    played.hosted_events();
}

#[test]
fn a_call_that_was_cut_off_is_not_asked_about() {
    let events = [text(0, "hm"), call(1, "a", "ask"), args(1, "{\"q"), finish(FinishReason::MaxOutputTokens)];
    let mut played = play(mcp_spec(json!({}), known(&["ask"])), events.map(Input::Model));
    assert_eq!(played.response()["output"].as_array().unwrap().len(), 1);
    assert_eq!(played.engine.take_notes().len(), 1);
    played.hosted_events();
}

#[test]
fn an_approved_call_is_run_before_the_model_is_asked() {
    let user = json!({"role": "user", "content": "Go on."});
    let mut played = play(answered(&[answer(true), user], true, false), []);
    assert_eq!(played.actions, [Action::RunTools]);
    let call = &played.engine.tool_calls()[0];
    assert_eq!((call.name.as_str(), call.arguments.as_str(), call.iteration), ("ask", "{\"q\":1}", 0));
    assert_eq!(call.mcp.as_ref().unwrap().approval.as_deref(), request()["id"].as_str());
    assert_eq!(played.feed(done_with(0, "42")), Some(Action::CallModel));
    let context = played.engine.context();
    assert_eq!(kinds(context), ["function_call", "function_call_output", "message"]);
    let (Item::FunctionCall(call), Item::FunctionCallOutput(output)) = (&context[0], &context[1]) else {
        panic!()
    };
    let FunctionCall { call_id, name, arguments, .. } = call;
    assert_eq!((name.as_str(), arguments.as_str(), call_id.len()), ("ask", "{\"q\":1}", 40));
    assert_eq!((&output.call_id, json!(output.output)), (call_id, json!("42")));
    feed(&mut played, [text(0, "It is 42."), stop()]);
    let types = played.types();
    assert_eq!(types[..3], ["output_item.added", "mcp_call.in_progress", "mcp_call_arguments.delta"]);
    let item = played.response()["output"][0].clone();
    assert_eq!((&item["approval_request_id"], &item["output"]), (&request()["id"], &json!("42")));
    // The next request brings all of it, and none of it is run again.
    let history = [request(), answer(true), item];
    assert_eq!(find_answers(&items(&history), 0..3, |_| true).unwrap(), []);
    let next = play(mcp_spec(json!({ "input": history }), known(&["ask"])), []);
    assert_eq!(kinds(next.engine.context()), ["function_call", "function_call_output"]);
    let Item::FunctionCallOutput(output) = &next.engine.context()[1] else { panic!() };
    assert_eq!(json!(output.output), json!("42"));
    // A client that sends what the chain has as well means the same call.
    let twice = [&history[..2], &history[..]].concat();
    let next = play(mcp_spec(json!({ "input": twice }), known(&["ask"])), []);
    assert_eq!(kinds(next.engine.context()), ["function_call", "function_call_output"]);
}

#[test]
fn a_call_that_a_crash_cut_off_is_not_run_again() {
    let mut played = play(answered(&[answer(true)], true, true), []);
    assert_eq!(played.actions, [Action::CallModel]);
    let Item::FunctionCallOutput(output) = &played.engine.context()[1] else { panic!() };
    assert!(json!(output.output).as_str().unwrap().contains("unknown"));
    feed(&mut played, [text(0, "Hm."), stop()]);
    played.hosted_events();
    assert_eq!(played.response()["output"][0]["status"], "failed");
}

#[track_caller]
fn check_output(input: &[Value], want: &str) {
    let played = play(answered(input, false, false), []);
    assert_eq!(played.actions, [Action::CallModel]);
    assert_eq!(kinds(&played.engine.context()[..2]), ["function_call", "function_call_output"]);
    let Item::FunctionCallOutput(output) = &played.engine.context()[1] else { panic!() };
    let text = json!(output.output).as_str().unwrap().to_owned();
    assert!(text.contains(want), "{text}");
}

#[test]
fn the_model_is_told_what_the_user_said() {
    check_output(&[answer(false)], "did not approve this call, so it was not run. The reason: why");
    check_output(&[], "has not answered yet");
    check_output(&[json!({"role": "user", "content": "Never mind."})], "has not answered yet");
    // Of an earlier response that ended before the call did.
    check_output(&[answer(true)], "Whether it was run is not known");
}

#[track_caller]
fn check_refused(list: &[Value], input: usize, code: &str, param: &str) {
    let error = find_answers(&items(list), input..list.len(), |_| true).unwrap_err();
    assert_eq!(
        (error.status(), error.code.as_deref(), error.param.as_deref()),
        (400, Some(code), Some(param))
    );
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let id = "input[0].approval_request_id";
    check_refused(&[answer(true)], 0, "approval_request_not_found", id);
    check_refused(&[request(), answer(true), answer(true)], 2, "approval_already_answered", id);
    check_refused(
        &[request(), answer(false), answer(true)],
        1,
        "approval_already_answered",
        "input[1].approval_request_id",
    );
    let mut without = answer(true);
    without.as_object_mut().unwrap().remove("approve");
    check_refused(&[request(), without.clone()], 1, "missing_required_parameter", "input[0].approve");
    without["approve"] = "yes".into();
    check_refused(&[request(), without], 1, "invalid_type", "input[0].approve");
}

#[test]
fn answers_for_the_provider_are_its_own_affair() {
    assert_eq!(find_answers(&items(&[request(), answer(true)]), 1..2, |_| false).unwrap(), []);
}
