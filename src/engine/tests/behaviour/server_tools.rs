//! Calls that the server runs itself: the round, its order, and what comes after.

use or_adapters::{FinishReason, ModelEvent};
use or_engine::{Action, Input, Outcome, ToolCall};
use or_protocol::{ContentPart, Item, Output, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, spec};
use crate::support::script::*;
use crate::support::server_tools::*;

#[test]
fn a_tool_of_the_server_is_run_and_the_model_goes_on() {
    let mut played = say_with(json!({}), [call(0, "c", "f"), args(0, "{\"x\":1}"), done(0), stop()]);
    assert_eq!(played.actions, [Action::CallModel, Action::RunTools]);
    let want = ToolCall {
        index: 0,
        call_id: "c".into(),
        name: "f".into(),
        arguments: "{\"x\":1}".into(),
        iteration: 1,
        interrupted: false,
        mcp: None,
    };
    assert_eq!(played.engine.tool_calls(), [want]);
    assert_eq!(played.feed(done_with(0, "7")), Some(Action::CallModel));
    assert_eq!(kinds(played.engine.context()), ["message", "function_call", "function_call_output"]);
    feed(&mut played, [text(0, "seven"), stop()]);
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
    assert_eq!(
        played.types(),
        [
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
        ]
    );
    let events = played.events();
    let (added, told) = (&events[6]["item"], &events[7]["item"]);
    assert_eq!((&added["output"], &added["status"]), (&json!(""), &json!("in_progress")));
    assert_eq!(
        (&told["output"], &told["status"], &told["call_id"]),
        (&json!("7"), &json!("completed"), &json!("c"))
    );
    assert!(told["id"].as_str().unwrap().starts_with("fco_"));
    assert_eq!(outline(&played), ["f(c)", "c=7", "seven"]);
}

#[test]
fn the_model_sees_what_the_turn_made_sealed_state_included() {
    let events = [trace(0, "x"), sealed(0, "or1.s"), done(0), call(1, "c", "f"), stop()];
    let mut played = say_with(json!({}), events);
    played.feed(done_with(1, "7"));
    let context = played.engine.context();
    assert_eq!(kinds(context), ["message", "reasoning", "function_call", "function_call_output"]);
    let Item::Reasoning(reasoning) = &context[1] else { panic!("{context:?}") };
    assert_eq!(reasoning.encrypted_content.as_deref(), Some("or1.s"));
}

fn three() -> Vec<ModelEvent> {
    vec![call(0, "a", "f"), done(0), call(1, "b", "f"), done(1), call(2, "c", "f"), done(2), stop()]
}

#[test]
fn results_are_told_in_call_order_as_soon_as_they_can_be() {
    let mut played = say_with(json!({}), three());
    let shown = |played: &Played| played.current()["output"].as_array().unwrap().len();
    assert_eq!(played.feed(done_with(1, "2")), None);
    assert_eq!(shown(&played), 3);
    assert_eq!(played.feed(done_with(0, "1")), None);
    assert_eq!(shown(&played), 5);
    assert_eq!(played.feed(done_with(2, "3")), Some(Action::CallModel));
    feed(&mut played, [stop()]);
    played.events();
    assert_eq!(outline(&played), ["f(a)", "f(b)", "f(c)", "a=1", "b=2", "c=3"]);
}

#[test]
fn a_second_result_or_one_of_no_call_has_no_effect() {
    let mut played = say_with(json!({}), three());
    played.feed(done_with(0, "1"));
    for input in [done_with(0, "other"), done_with(9, "x"), Input::ToolStarted { index: 0 }, Input::Retry] {
        assert_eq!(played.feed(input), None);
    }
    assert_eq!(played.feed(Input::Model(text(0, "late"))), None);
    let waiting: Vec<usize> = played.engine.tool_calls().iter().map(|call| call.index).collect();
    assert_eq!(waiting, [1, 2]);
    played.feed(done_with(1, "2"));
    played.feed(done_with(2, "3"));
    assert_eq!(played.feed(done_with(1, "again")), None);
    feed(&mut played, [stop()]);
    played.events();
    assert_eq!(outline(&played)[3..], ["a=1", "b=2", "c=3"]);
}

#[test]
fn a_failure_of_a_tool_is_a_result_like_any_other() {
    let mut played = say_with(json!({}), [call(0, "c", "f"), args(0, "{"), stop()]);
    assert_eq!(played.engine.tool_calls()[0].arguments, "{");
    assert_eq!(played.feed(failed_with(0, "the arguments are not JSON")), Some(Action::CallModel));
    feed(&mut played, [text(0, "sorry"), stop()]);
    played.events();
    assert_eq!(outline(&played), ["f(c)", "c=the arguments are not JSON", "sorry"]);
    assert_eq!(played.response()["status"], "completed");
}

#[test]
fn a_result_may_have_parts() {
    let mut played = say_with(json!({}), [call(0, "c", "f"), stop()]);
    let output = Output::Parts(vec![ContentPart::text("7")]);
    played.feed(Input::ToolDone { index: 0, result: or_engine::ToolResult::done(output) });
    feed(&mut played, [stop()]);
    played.events();
    assert_eq!(played.response()["output"][1]["output"], json!([{"type": "input_text", "text": "7"}]));
}

#[test]
fn a_pause_with_calls_of_the_server_runs_them() {
    let mut played = say_with(json!({}), [call(0, "c", "f"), finish(FinishReason::Pause)]);
    assert_eq!(played.actions.last(), Some(&Action::RunTools));
    assert_eq!(played.feed(done_with(0, "7")), Some(Action::CallModel));
}

#[test]
fn a_turn_that_was_cut_off_runs_nothing() {
    for reason in [FinishReason::MaxOutputTokens, FinishReason::ContentFilter] {
        let played = say_with(json!({}), [call(0, "c", "f"), finish(reason)]);
        played.events();
        assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Incomplete)));
    }
}

#[test]
fn a_mixed_turn_runs_ours_and_hands_the_rest_over() {
    let events = [call(0, "a", "f"), done(0), call(1, "b", "client"), done(1), call(2, "c", "g"), stop()];
    let mut played = say_with(json!({}), events);
    let names: Vec<String> = played.engine.tool_calls().into_iter().map(|call| call.name).collect();
    assert_eq!(names, ["f", "g"]);
    played.feed(done_with(0, "1"));
    assert_eq!(played.feed(done_with(2, "3")), Some(Action::End(Outcome::Completed)));
    played.events();
    assert_eq!(outline(&played), ["f(a)", "client(b)", "g(c)", "a=1", "c=3"]);
}

#[test]
fn a_custom_call_or_one_in_a_namespace_is_the_clients() {
    let tools = json!([
        {"type": "function", "name": "f"}, {"type": "custom", "name": "g"},
        {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]},
    ]);
    for name in ["g", "ns__f"] {
        let played = say_with(json!({"tools": tools}), [call(0, "c", name), done(0), stop()]);
        assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
        let events = [call(0, "c", name), done(0), call(1, "d", "f"), stop()];
        let mut played = say_with(json!({"tools": tools}), events);
        assert_eq!(played.feed(done_with(1, "7")), Some(Action::End(Outcome::Completed)));
    }
}

/// Plays a call of ours beside an item of a hosted tool; whether control goes to the client.
#[track_caller]
fn check_hosted(items: &[Value], for_client: bool) {
    let hosted_items = items.iter().zip(1..).map(|(item, block)| hosted(block, item.clone(), true));
    let events = std::iter::once(call(0, "c", "f")).chain(hosted_items).chain([stop()]);
    let tools = json!([{"type": "function", "name": "f"}, {"type": "web_search"}]);
    let mut played = say_with(json!({"tools": tools}), events);
    let want = if for_client { Action::End(Outcome::Completed) } else { Action::CallModel };
    assert_eq!(played.feed(done_with(0, "7")), Some(want));
}

#[test]
fn an_item_that_the_client_must_answer_is_a_call_for_it() {
    check_hosted(&[json!({"type": "web_search_call", "id": "w", "status": "completed"})], false);
    check_hosted(&[json!({"type": "mcp_approval_request", "id": "m"})], true);
    let call = json!({"type": "shell_call", "id": "s", "call_id": "s1", "status": "completed"});
    check_hosted(std::slice::from_ref(&call), true);
    let output = json!({"type": "shell_call_output", "id": "o", "call_id": "s1", "output": []});
    check_hosted(&[call, output], false);
}

#[test]
fn a_call_that_the_provider_answered_is_not_run() {
    let output =
        json!({"type": "function_call_output", "call_id": "c", "output": "7", "status": "completed"});
    let events = [call(0, "c", "f"), done(0), hosted(1, output, true), text(2, "a"), stop()];
    let played = say_with(json!({}), events);
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
}

#[test]
fn usage_is_summed_over_the_turns_and_shown_once() {
    let mut played = say_with(json!({}), [usage(10, 1), call(0, "c", "f"), stop()]);
    assert_eq!(played.current()["usage"], Value::Null);
    played.feed(done_with(0, "7"));
    feed(&mut played, [usage(20, 2), text(0, "a"), stop()]);
    assert_eq!(played.engine.usage(), Some(&Usage::new(30, 3, None, 2, 4)));
    assert_eq!(played.response()["usage"]["total_tokens"], 33);
}

/// Two calls, the second one is done; then `input` ends the response.
#[track_caller]
fn check_end(input: Input, outcome: Outcome) {
    let mut played = say_with(json!({}), three());
    played.feed(done_with(1, "2"));
    assert_eq!(played.feed(input), Some(Action::End(outcome)));
    assert_eq!(played.feed(done_with(0, "1")), None);
    played.events();
    // What was done is told, so that nobody does it again.
    assert_eq!(outline(&played), ["f(a)", "f(b)", "f(c)", "b=2"]);
    assert_eq!(played.engine.tool_calls(), []);
}

#[test]
fn an_end_while_tools_run_tells_what_was_done() {
    check_end(Input::Cancel, Outcome::Cancelled);
    check_end(broken(), Outcome::Failed);
}

#[test]
fn a_result_that_is_withheld_leaves_its_call_an_output() {
    for (end, outcome) in [(Input::Halt("policy".into()), Outcome::Incomplete), (broken(), Outcome::Failed)] {
        let mut played = say_with(json!({}), three());
        played.engine.withhold(1);
        assert_eq!(played.feed(end), Some(Action::End(outcome)));
        played.events();
        let withheld = "b=The tool was run. Its result was withheld, and the response ended with it.";
        assert_eq!(outline(&played), ["f(a)", "f(b)", "f(c)", withheld]);
    }
}

#[test]
fn without_a_stream_it_is_the_same() {
    let mut streamed = say_with(json!({}), three());
    let mut unary = say_with(json!({"stream": false}), three());
    for played in [&mut streamed, &mut unary] {
        for index in [2, 0, 1] {
            played.feed(done_with(index, "7"));
        }
        feed(played, [text(0, "a"), stop()]);
    }
    assert!(unary.sse.is_empty());
    assert_eq!((unary.response(), unary.actions), (streamed.response(), streamed.actions));
}

#[test]
fn a_stored_response_with_tools_is_committed_once() {
    let mut played = say_with(json!({"store": true}), [call(0, "c", "f"), stop()]);
    played.feed(done_with(0, "7"));
    assert_eq!(played.feed(Input::Model(stop())), Some(Action::Commit));
}

#[test]
fn tools_that_the_server_does_not_have_are_the_clients() {
    let played = play(spec(json!({})), [call(0, "c", "f"), stop()].map(Input::Model));
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
    assert_eq!(played.engine.tool_calls(), []);
}
