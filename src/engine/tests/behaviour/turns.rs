//! More than one sampling in one response.

use or_adapters::FinishReason;
use or_engine::{Action, Input, Outcome};
use or_protocol::{Item, ResponseMember, Usage};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::play::{play, play_raw, say, spec};
use crate::support::script::*;

fn pause() -> or_adapters::ModelEvent {
    finish(FinishReason::Pause)
}

#[test]
fn a_pause_samples_again_with_what_was_made() {
    let events = [trace(0, "x"), sealed(0, "or1.seal"), done(0), text(1, "a"), pause()];
    let played = say(spec(json!({})), events);
    assert_eq!(played.actions, [Action::CallModel, Action::CallModel]);
    let context = played.engine.context();
    assert_eq!(context.len(), 3);
    let Item::Reasoning(reasoning) = &context[1] else { panic!("{context:?}") };
    assert_eq!(reasoning.encrypted_content.as_deref(), Some("or1.seal"));
    assert!(matches!(&context[2], Item::Message(message) if message.id.is_some()));
}

#[test]
fn turns_after_a_pause_go_on_in_one_stream() {
    let events = [text(0, "a"), usage(10, 1), pause(), text(0, "b"), usage(12, 2), usage(12, 3), stop()];
    let played = say(spec(json!({})), events);
    played.events();
    assert_eq!(played.response()["output"].as_array().unwrap().len(), 2);
    assert_eq!(played.engine.usage(), Some(&Usage::new(22, 4, None, 2, 4)));
}

#[test]
fn each_turn_may_make_its_one_call() {
    // The client's calls end the response, so only the first turn can have been suppressed ones.
    let request = json!({"parallel_tool_calls": false, "tool_choice": {"type": "function", "name": "g"},
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]});
    let played = say(spec(request), [call(0, "c1", "f"), done(0), pause(), call(0, "c2", "g"), stop()]);
    played.events();
    assert_eq!(played.response()["output"][0]["call_id"], "c2");
}

#[test]
fn a_pause_with_a_call_gives_control_to_the_client() {
    let played = say(spec(json!({})), [call(0, "c", "f"), args(0, "{}"), done(0), pause()]);
    played.events();
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Completed)]);
}

#[test]
fn pauses_do_not_go_on_for_ever() {
    let turns = (0..20).flat_map(|_| [text(0, "a"), done(0), pause()]);
    let played = say(spec(json!({})), turns);
    played.events();
    let samplings = played.actions.iter().filter(|action| **action == Action::CallModel).count();
    assert_eq!((samplings, played.response()["status"].clone()), (11, json!("incomplete")));
}

#[test]
fn a_failure_in_a_later_turn_keeps_the_earlier_items() {
    let started = [text(0, "a"), usage(1, 1), pause(), usage(2, 2), text(0, "b")].map(Input::Model);
    let played = play(spec(json!({})), started.into_iter().chain([broken()]));
    played.events();
    let response = played.response();
    let statuses: Vec<_> =
        response["output"].as_array().unwrap().iter().map(|i| i["status"].clone()).collect();
    assert_eq!(statuses, ["completed", "incomplete"]);
    assert_eq!(response["usage"]["input_tokens"], 3);
}

#[test]
fn a_turn_that_is_tried_again_leaves_nothing_behind() {
    let request = json!({"parallel_tool_calls": false, "tool_choice": {"type": "function", "name": "g"},
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]});
    let tier = or_adapters::ModelEvent::ServiceTier("flex".into());
    let mut played = say(spec(request), [call(0, "c1", "f"), usage(10, 1), tier]);
    assert!(!played.engine.turn_has_output());
    let sent = played.sse.len();
    assert_eq!(played.feed(Input::Retry), Some(Action::CallModel));
    assert_eq!((played.sse.len(), played.engine.context().len()), (sent, 1));
    for event in [call(0, "c2", "g"), done(0), usage(12, 2), stop()] {
        played.feed(Input::Model(event));
    }
    played.events();
    assert_eq!(played.engine.usage(), Some(&Usage::new(12, 2, None, 1, 2)));
    assert_eq!(
        (&played.response()["output"][0]["call_id"], &played.response()["service_tier"]),
        (&json!("c2"), &json!("default"))
    );
    assert_eq!(played.engine.take_notes(), []);
}

#[test]
fn only_the_failed_turn_is_forgotten() {
    let mut played = say(spec(json!({})), [text(0, "a"), usage(1, 1), pause(), usage(9, 9)]);
    assert_eq!(played.feed(Input::Retry), Some(Action::CallModel));
    played.feed(Input::Model(usage(2, 2)));
    played.feed(Input::Model(stop()));
    played.events();
    assert_eq!(played.engine.usage(), Some(&Usage::new(3, 3, None, 2, 4)));
}

#[test]
fn a_turn_that_made_an_item_is_not_tried_again() {
    let mut played = say(spec(json!({})), [text(0, "a")]);
    assert!(played.engine.turn_has_output());
    assert_eq!(played.feed(Input::Retry), None);
    played.feed(broken());
    played.events();
    for played in [&mut played, &mut play_raw(spec(json!({})), [], Ok(()))] {
        assert_eq!(played.feed(Input::Retry), None);
    }
}

fn member(member: ResponseMember, value: serde_json::Value) -> or_adapters::ModelEvent {
    or_adapters::ModelEvent::ResponseMember { member, value: value.into() }
}

#[test]
fn members_of_the_response_are_those_of_the_finished_turns() {
    let searches = |n: u64| member(ResponseMember::ToolUsage, json!({"web_search": {"num_requests": n}}));
    let moderated = |flagged: bool| member(ResponseMember::Moderation, json!({ "flagged": flagged }));
    let first = [searches(9), moderated(false)];
    let mut played = say(spec(json!({})), first);
    assert_eq!(played.feed(Input::Retry), Some(Action::CallModel));
    for event in [text(0, "a"), searches(2), moderated(true), pause(), text(1, "b"), searches(3), stop()] {
        played.feed(Input::Model(event));
    }
    played.events();
    let response = played.response();
    assert_eq!(response["tool_usage"], json!({"web_search": {"num_requests": 5}}));
    assert_eq!(response["moderation"], json!({"flagged": true}));
}
