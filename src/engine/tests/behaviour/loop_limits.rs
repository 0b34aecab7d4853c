//! How the loop over the server's own tools comes to its end.

use or_engine::{Action, LoopLimits, Outcome};
use or_protocol::ToolChoice;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{Played, play, say};
use crate::support::script::*;
use crate::support::server_tools::*;

fn limited(request: Value, limits: LoopLimits) -> Played {
    play(or_engine::LoopSpec { limits, ..spec_with(request) }, [])
}

/// One turn with a call of `f` for each of `arguments`; its results. What the loop wants then.
fn round(
    played: &mut Played,
    arguments: &[&str],
    result: fn(usize, &str) -> or_engine::Input,
) -> Option<Action> {
    let first = played.engine.context().len();
    for ((block, id), arguments) in (0..).zip(first..).zip(arguments) {
        let id = format!("c{id}");
        feed(played, [call(block, &id, "f"), args(block, arguments), done(block)]);
    }
    feed(played, [stop()]);
    let calls = played.engine.tool_calls();
    calls.iter().fold(None, |_, call| played.feed(result(call.index, "7")))
}

#[track_caller]
fn check_last_turn(played: &mut Played, field: &str) {
    assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::None);
    assert_eq!(played.engine.turn_settings().tools, played.engine.settings().tools);
    let items = played.engine.context().len();
    feed(played, [call(0, "late", "f"), done(0), call(1, "late", "client"), done(1), text(2, "end"), stop()]);
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
    assert_eq!(played.engine.context().len(), items);
    played.events();
    assert_eq!(outline(played).last().map(String::as_str), Some("end"));
    assert!(!outline(played).iter().any(|word| word.contains("late")));
    let fields: Vec<String> = played.engine.take_notes().into_iter().map(|note| note.field).collect();
    assert_eq!(fields, [field, "tools"]);
}

#[test]
fn the_smaller_budget_of_calls_wins() {
    for (server, request, runs) in
        [(Some(1), Some(2), 1), (Some(5), Some(2), 2), (Some(2), None, 2), (None, Some(1), 1)]
    {
        let limits = LoopLimits { max_tool_calls: server, ..LoopLimits::default() };
        let mut played = limited(json!({"max_tool_calls": request}), limits);
        round(&mut played, &["1", "2", "3"], done_with);
        let told = played.current();
        let outputs: Vec<&str> =
            told["output"].as_array().unwrap().iter().filter_map(|item| item["output"].as_str()).collect();
        assert_eq!(outputs.len(), 3);
        assert_eq!(outputs.iter().filter(|output| **output == "7").count(), runs);
        let refused = format!(
            "The tool was not run: no more than {runs} tool calls may be run for this response. Answer without it."
        );
        assert_eq!(outputs[runs..], vec![refused.as_str(); 3 - runs]);
        check_last_turn(&mut played, "max_tool_calls");
    }
}

#[test]
fn calls_are_counted_over_the_whole_response() {
    let mut played = limited(json!({"max_tool_calls": 3}), LoopLimits::default());
    assert_eq!(round(&mut played, &["1", "2"], done_with), Some(Action::CallModel));
    assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::Auto);
    assert_eq!(played.engine.turn_settings().max_tool_calls, Some(1));
    round(&mut played, &["3"], done_with);
    check_last_turn(&mut played, "max_tool_calls");
    assert_eq!(played.response()["max_tool_calls"], 3);
}

#[test]
fn without_any_budget_no_tool_is_run() {
    let limits = LoopLimits { max_tool_calls: Some(0), ..LoopLimits::default() };
    let mut played = limited(json!({}), limits);
    feed(&mut played, [call(0, "c", "f"), done(0), stop()]);
    assert_eq!(played.actions, [Action::CallModel, Action::CallModel]);
    check_last_turn(&mut played, "max_tool_calls");
}

#[test]
fn a_mixed_turn_above_the_budget_still_goes_to_the_client() {
    let limits = LoopLimits { max_tool_calls: Some(0), ..LoopLimits::default() };
    let mut played = limited(json!({}), limits);
    feed(&mut played, [call(0, "a", "f"), done(0), call(1, "b", "client"), stop()]);
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
    played.events();
    assert_eq!(outline(&played).len(), 3);
}

#[test]
fn tools_run_in_so_many_turns_at_most() {
    let mut played = limited(json!({}), LoopLimits { max_turns: 2, ..LoopLimits::default() });
    round(&mut played, &["1"], done_with);
    assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::Auto);
    round(&mut played, &["2"], done_with);
    check_last_turn(&mut played, "tools");
}

#[test]
fn a_model_that_says_nothing_in_its_last_turn_ends_all_the_same() {
    let mut played = limited(json!({}), LoopLimits { max_turns: 1, ..LoopLimits::default() });
    round(&mut played, &["1"], done_with);
    feed(&mut played, [call(0, "late", "f"), done(0), stop()]);
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
    played.events();
    assert_eq!(outline(&played), ["f(c1)", "c1=7"]);
}

/// Turns of calls, with at most two repetitions; whether the model then keeps its tools.
#[track_caller]
fn check_repeats(turns: &[&[&str]], result: fn(usize, &str) -> or_engine::Input, stopped: bool) {
    let mut played = limited(json!({}), LoopLimits { max_repeats: 2, ..LoopLimits::default() });
    for arguments in turns {
        assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::Auto, "{turns:?}");
        assert_eq!(round(&mut played, arguments, result), Some(Action::CallModel));
    }
    if stopped {
        check_last_turn(&mut played, "tools");
    } else {
        assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::Auto, "{turns:?}");
    }
}

#[test]
fn the_same_successful_call_again_and_again_is_stopped() {
    check_repeats(&[&["{}"], &["{}"]], done_with, false);
    check_repeats(&[&["{}"], &["{}"], &["{}"]], done_with, true);
    check_repeats(&[&["1", "{}"], &["{}", "2"], &["{}"]], done_with, true);
}

#[test]
fn arguments_are_compared_as_json() {
    check_repeats(
        &[&[r#"{"a":1,"b":2}"#], &[r#"{ "b": 2, "a": 1 }"#], &[r#"{"a":1, "b":2}"#]],
        done_with,
        true,
    );
    check_repeats(&[&["{"], &["{"], &["{"]], done_with, true);
    check_repeats(&[&["1"], &["2"], &["3"]], done_with, false);
}

#[test]
fn what_is_no_repetition_goes_on() {
    // In one turn, with another turn between, or without success.
    check_repeats(&[&["{}", "{}", "{}"]], done_with, false);
    check_repeats(&[&["{}"], &["{}"], &["1"], &["{}"]], done_with, false);
    check_repeats(&[&["{}"], &["{}"], &["{}"], &["{}"]], failed_with, false);
}

#[test]
fn a_demand_for_a_call_holds_for_the_first_turn() {
    let entry = json!({"type": "function", "name": "f"});
    let allowed = |mode: &str| json!({"type": "allowed_tools", "mode": mode, "tools": [entry]});
    let cases = [
        (json!("auto"), json!("auto")),
        (json!("required"), json!("auto")),
        (entry.clone(), json!("auto")),
        (allowed("required"), allowed("auto")),
        (allowed("auto"), allowed("auto")),
    ];
    for (asked, later) in cases {
        let mut played = limited(json!({"tool_choice": asked}), LoopLimits::default());
        assert_eq!(json!(played.engine.turn_settings().tool_choice), asked);
        round(&mut played, &["{}"], done_with);
        assert_eq!(json!(played.engine.turn_settings().tool_choice), later);
        feed(&mut played, [text(0, "a"), stop()]);
        played.events();
        assert_eq!(played.response()["tool_choice"], asked);
    }
}

#[test]
fn the_limit_to_allowed_tools_holds_in_every_turn() {
    let allowed =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
    let mut played = limited(json!({"tool_choice": allowed}), LoopLimits::default());
    round(&mut played, &["{}"], done_with);
    feed(&mut played, [call(0, "x", "g"), done(0), text(1, "a"), stop()]);
    played.events();
    assert_eq!(outline(&played), ["f(c1)", "c1=7", "a"]);
}

#[test]
fn each_turn_may_make_its_one_call_of_the_server() {
    let mut played = limited(json!({"parallel_tool_calls": false}), LoopLimits::default());
    round(&mut played, &["1", "2"], done_with);
    round(&mut played, &["3", "4"], done_with);
    feed(&mut played, [stop()]);
    played.events();
    assert_eq!(outline(&played), ["f(c1)", "c1=7", "f(c3)", "c3=7"]);
}

#[test]
fn later_turns_get_the_output_tokens_that_are_left() {
    let mut played = limited(json!({"max_output_tokens": 100}), LoopLimits::default());
    assert_eq!(played.engine.turn_settings().max_output_tokens, Some(100));
    feed(&mut played, [usage(500, 60)]);
    assert_eq!(round(&mut played, &["1"], done_with), Some(Action::CallModel));
    assert_eq!(played.engine.turn_settings().max_output_tokens, Some(40));
    feed(&mut played, [usage(500, 24)]);
    assert_eq!(round(&mut played, &["2"], done_with), Some(Action::CallModel));
    assert_eq!(played.engine.turn_settings().max_output_tokens, Some(16));
    feed(&mut played, [usage(500, 1)]);
    assert_eq!(round(&mut played, &["3"], done_with), Some(Action::End(Outcome::Incomplete)));
    check_out_of_tokens(&played);
    assert_eq!(played.response()["max_output_tokens"], 100);
    // The results are there for whoever goes on.
    assert_eq!(outline(&played).last().map(String::as_str), Some("c5=7"));
}

#[track_caller]
fn check_out_of_tokens(played: &Played) {
    played.events();
    let response = played.response();
    assert_eq!(
        (&response["status"], &response["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
}

#[test]
fn the_servers_bound_on_all_tokens_ends_the_response() {
    let limits = LoopLimits { max_total_tokens: Some(100), ..LoopLimits::default() };
    let mut played = limited(json!({}), limits);
    feed(&mut played, [usage(40, 9)]);
    assert_eq!(round(&mut played, &["1"], done_with), Some(Action::CallModel));
    feed(&mut played, [usage(50, 1)]);
    assert_eq!(round(&mut played, &["2"], done_with), Some(Action::End(Outcome::Incomplete)));
    check_out_of_tokens(&played);
    assert_eq!(played.engine.take_notes().len(), 1);
}

#[test]
fn tokens_bound_the_turns_after_a_pause_too() {
    let pause = || finish(or_adapters::FinishReason::Pause);
    let spec = || crate::support::play::spec(json!({"max_output_tokens": 100}));
    let played = say(spec(), [text(0, "a"), usage(5, 30), pause()]);
    assert_eq!(played.engine.turn_settings().max_output_tokens, Some(70));
    let played = say(spec(), [text(0, "a"), usage(5, 90), pause()]);
    check_out_of_tokens(&played);
}
