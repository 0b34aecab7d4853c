//! Messages and reasoning items.

use or_engine::ReasoningEvents;
use or_protocol::{Phase, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::play::{say, spec};
use crate::support::script::*;

/// The types of the events between `in_progress` and the end.
#[track_caller]
fn check(events: Vec<or_adapters::ModelEvent>, want: &[&str]) {
    let events = events.into_iter().chain([stop()]);
    assert_eq!(say(spec(json!({})), events).types(), want);
}

/// The items of a completed response, without their ids.
#[track_caller]
fn check_output(request: Value, events: Vec<or_adapters::ModelEvent>, want: Value) {
    let played = say(spec(request), events.into_iter().chain([stop()]));
    played.hosted_events();
    let mut output = played.response()["output"].clone();
    for item in output.as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("id");
    }
    assert_eq!(output, want);
}

#[test]
fn a_part_ends_where_the_next_one_begins() {
    check(
        vec![text(0, "a"), refusal(0, "b"), part_done(0), refusal(0, "c"), done(0)],
        &[
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "content_part.added",
            "refusal.delta",
            "refusal.done",
            "content_part.done",
            "output_item.done",
        ],
    );
}

#[test]
fn an_item_is_done_when_the_next_one_begins() {
    check(
        vec![text(0, "a"), done(0), text(1, "b")],
        &[
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
        ],
    );
}

#[test]
fn interleaved_blocks_keep_their_own_parts() {
    check_output(
        json!({}),
        vec![text(0, "a"), trace(1, "x"), text(0, "b"), done(0), trace(1, "y"), done(1)],
        json!([
            {"type": "message", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "ab", "annotations": [], "logprobs": []}]},
            {"type": "reasoning", "status": "completed", "summary": [],
             "content": [{"type": "reasoning_text", "text": "xy"}]},
        ]),
    );
}

#[test]
fn a_message_may_stay_empty_and_keeps_its_phase() {
    check_output(
        json!({}),
        vec![
            message(0, Some(Phase::Commentary)),
            done(0),
            message(1, Some(Phase::FinalAnswer)),
            text(1, "b"),
        ],
        json!([
            {"type": "message", "status": "completed", "role": "assistant", "content": [], "phase": "commentary"},
            {"type": "message", "status": "completed", "role": "assistant",
             "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}],
             "phase": "final_answer"},
        ]),
    );
}

#[test]
fn the_phase_is_told_from_the_start() {
    let played = say(spec(json!({})), [message(0, Some(Phase::Commentary)), stop()]);
    assert_eq!(played.events()[2]["item"]["phase"], "commentary");
}

#[test]
fn an_annotation_without_text_stands_in_a_part() {
    check(
        vec![citation(0, "https://example.org", 0, 0)],
        &[
            "output_item.added",
            "content_part.added",
            "output_text.annotation.added",
            "output_text.done",
            "content_part.done",
            "output_item.done",
        ],
    );
}

#[test]
fn a_text_has_no_more_annotations_than_a_client_may_bring_back() {
    let most = or_protocol::bounds::MAX_PARTS;
    let cited = (0..most as u64 + 2).map(|at| citation(0, "https://example.org", at, at + 1));
    let last = [part_done(0), text(0, "c"), citation(0, "https://example.org", 0, 1), stop()];
    let events = [text(0, "ab")].into_iter().chain(cited).chain(last);
    let mut played = say(spec(json!({"stream": false})), events);
    let response = played.response();
    let count = |part: usize| response["output"][0]["content"][part]["annotations"].as_array().unwrap().len();
    assert_eq!((count(0), count(1)), (most, 1));
    let notes: Vec<_> = played.engine.take_notes().into_iter().map(|note| note.field).collect();
    assert_eq!(notes, ["output.content.annotations"]);
}

#[test]
fn annotations_count_from_zero_in_each_part() {
    let cite = |at| citation(0, "https://example.org", at, at + 1);
    let events = [text(0, "ab"), cite(0), cite(1), part_done(0), text(0, "c"), cite(0), stop()];
    let places: Vec<_> = say(spec(json!({})), events)
        .events()
        .iter()
        .filter(|event| event["annotation"].is_object())
        .map(|event| (event["content_index"].as_u64().unwrap(), event["annotation_index"].as_u64().unwrap()))
        .collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0)]);
}

#[track_caller]
fn check_logprobs(request: Value, want: usize) {
    let played = say(spec(request), [likely(0, "a"), likely(0, "b"), stop()]);
    let shown = |value: &Value| value["logprobs"].as_array().map(Vec::len);
    let events = played.events();
    let in_deltas: usize =
        events.iter().filter(|e| e["type"] == "response.output_text.delta").filter_map(shown).sum();
    let in_done = events.iter().find(|e| e["type"] == "response.output_text.done").and_then(shown);
    let in_item = shown(&played.response()["output"][0]["content"][0]);
    assert_eq!((in_deltas, in_done, in_item), (want, Some(want), Some(want)));
}

#[test]
fn log_probabilities_are_left_out_unless_asked_for() {
    check_logprobs(json!({}), 0);
}

#[test]
fn log_probabilities_come_by_include() {
    check_logprobs(json!({"include": ["message.output_text.logprobs"]}), 2);
}

#[test]
fn log_probabilities_come_by_their_number() {
    check_logprobs(json!({"top_logprobs": 2}), 2);
}

#[test]
fn each_summary_part_has_its_own_index() {
    check(
        vec![digest(0, "a"), part_done(0), digest(0, "b")],
        &[
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
        ],
    );
}

#[test]
fn raw_reasoning_can_have_openai_names() {
    let named = or_engine::LoopSpec { reasoning_events: ReasoningEvents::OpenAi, ..spec(json!({})) };
    let played = say(named, [trace(0, "x"), stop()]);
    let text = String::from_utf8(played.sse).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let want = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(names, want);
}

#[test]
fn a_trace_is_the_summary_where_one_is_asked_for_and_none_is_given() {
    let played = say(
        spec(json!({"reasoning": {"summary": "auto"}})),
        [
            trace(0, "a"),
            trace(0, "b"),
            done(0),
            digest(1, "d"),
            trace(1, "t"),
            done(1),
            trace(2, "t"),
            digest(2, "d"),
            stop(),
        ],
    );
    let output = &played.response()["output"];
    let texts = |item: usize, field: &str| {
        let parts = output[item][field].as_array().into_iter().flatten();
        parts.map(|part| part["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((texts(0, "summary"), texts(0, "content")), (vec!["ab".into()], vec![]));
    // What the provider gives apart stays apart.
    assert_eq!((texts(1, "summary"), texts(1, "content")), (vec!["d".into()], vec!["t".into()]));
    // That it would give one was not to be known.
    assert_eq!((texts(2, "summary"), texts(2, "content")), (vec!["t".into(), "d".into()], vec![]));
}

#[test]
fn sealed_reasoning_is_kept_apart_unless_included() {
    let played = say(spec(json!({})), [text(0, "a"), done(0), trace(1, "x"), sealed(1, "or1.seal"), stop()]);
    let item = played.response()["output"][1].clone();
    assert_eq!(item.get("encrypted_content"), None);
    assert_eq!(played.engine.record().sealed, [(1, "or1.seal".to_owned())]);
}

#[test]
fn sealed_reasoning_is_shown_when_included() {
    let request = json!({"include": ["reasoning.encrypted_content"]});
    let played = say(spec(request), [sealed(0, "or1.old"), sealed(0, "or1.seal"), stop()]);
    assert_eq!(played.response()["output"][0]["encrypted_content"], "or1.seal");
    assert_eq!(played.engine.record().sealed, []);
}

#[test]
fn the_last_seal_counts() {
    let played = say(spec(json!({})), [sealed(0, "or1.old"), sealed(0, "or1.seal"), stop()]);
    assert_eq!(played.engine.record().sealed, [(0, "or1.seal".to_owned())]);
}

#[test]
fn the_whole_response_echoes_and_counts() {
    let request = json!({"temperature": 0.5, "metadata": {"a": "b"}, "store": false});
    let events = [usage(9, 1), text(0, "a"), usage(10, 4), stop()];
    let played = say(spec(request), events.map(|e| e));
    let response = played.response();
    let seen = ["status", "completed_at", "temperature", "metadata", "store", "error", "incomplete_details"]
        .map(|key| response[key].clone());
    let want = [
        json!("completed"),
        json!(1_770_000_002),
        json!(0.5),
        json!({"a": "b"}),
        json!(false),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(seen, want);
    assert_eq!(played.engine.usage(), Some(&Usage::new(10, 4, None, 1, 2)));
    assert_eq!(response["usage"]["total_tokens"], 14);
}

#[test]
fn the_tier_is_the_one_the_provider_used() {
    let tier = or_adapters::ModelEvent::ServiceTier("flex".into());
    let played = say(spec(json!({"service_tier": "auto"})), [tier, text(0, "a"), stop()]);
    assert_eq!(played.response()["service_tier"], "flex");
    let played = say(spec(json!({"service_tier": "auto"})), [text(0, "a"), stop()]);
    assert_eq!(played.response()["service_tier"], "default");
}

#[test]
fn a_unary_answer_is_the_response_of_the_stream() {
    let events = || {
        let cite = citation(1, "https://example.org", 0, 1);
        [trace(0, "x"), done(0), text(1, "a"), cite, done(1), call(2, "c", "f"), usage(3, 4), stop()]
    };
    let streamed = say(spec(json!({})), events());
    let unary = say(spec(json!({"stream": false})), events());
    assert_eq!(unary.sse, b"");
    assert_eq!(unary.response(), streamed.response());
    assert_eq!(unary.actions, streamed.actions);
}
