//! The order checker accepts the specification's own examples and finds every mutation of a legal stream, and so does
//! the command `conformance` when a server sends it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod command;
mod items;
mod sse;

use std::fs;

use or_test_support::order::{check_events, check_events_with};
use or_test_support::transcript::{
    Events, call, error, message, named, numbered, reasoning, response, whole,
};
use or_test_support::{Options, schema, shared};
use serde_json::{Value, json};

/// The stream that most mutations start from. Its events by place: 0 created, 1 in_progress, 2 item added,
/// 3 part added, 4 to 6 deltas, 7 text done, 8 part done, 9 item done, 10 completed.
fn hello() -> Events {
    whole(&[message(0, "completed", &["Hi", " there", "!"])], "completed")
}

/// Places: 2 item added, 3 delta, 4 delta, 5 arguments done, 6 item done, 7 completed.
fn one_call() -> Events {
    whole(&[call(0, &["{\"city\":", "\"Oslo\"}"])], "completed")
}

/// Places: 2 item added, 3 part, 4 and 5 deltas, 6 done, 7 part done, 8 to 11 summary, 12 item done, 13 to 18
/// the message, 19 completed.
fn thought() -> Events {
    whole(&[reasoning(0), message(1, "completed", &["4"])], "completed")
}

#[track_caller]
fn accept(events: Events) {
    assert_eq!(check_events(&named(events)), Ok(()));
}

/// The checker must reject the events, and for this reason.
#[track_caller]
fn reject(events: Events, reason: &str) {
    let events = named(events);
    let Err(findings) = check_events(&events) else { panic!("accepted; expected: {reason}") };
    assert!(findings.iter().any(|finding| finding.contains(reason)), "{findings:#?}");
    command::finds(&events, reason);
}

/// Changes the events, numbers them anew so that the gap is not what is found, and rejects them.
#[track_caller]
fn reject_mutated(mut events: Events, mutate: impl FnOnce(&mut Events), reason: &str) {
    mutate(&mut events);
    reject(numbered(events), reason);
}

#[test]
fn legal_streams_are_accepted() {
    accept(hello());
    accept(one_call());
    accept(thought());
    accept(whole(&[call(0, &["{}"]), call(1, &["{}"])], "completed"));
    accept(whole(&[message(0, "incomplete", &["Once"])], "incomplete"));
    accept(whole(&[message(0, "incomplete", &["Once"])], "failed"));
    accept(whole(&[message(0, "incomplete", &["Once"])], "cancelled"));
    accept(whole(&[], "failed"));
    accept(whole(&[], "incomplete"));
}

#[test]
fn interleaved_items_are_accepted() {
    let (first, second) = (call(0, &["{}"]), call(1, &["{}"]));
    let mixed: Events = first.into_iter().zip(second).flat_map(|(first, second)| [first, second]).collect();
    accept(whole(&[mixed], "completed"));
}

#[test]
fn an_item_left_open_by_a_failure_may_be_shown_or_left_out() {
    let mut open = message(0, "completed", &["Par"]);
    open.truncate(3);
    accept(whole(&[open.clone()], "failed"));
    let part = json!({"type": "output_text", "text": "Par", "annotations": []});
    let shown = json!({"type": "message", "id": "msg_0", "status": "incomplete", "role": "assistant",
                       "content": [part]});
    let mut events = whole(&[open], "failed");
    events[6]["response"]["output"] = json!([shown]);
    accept(events.clone());
    events[6]["response"]["output"][0]["content"][0]["text"] = json!("Party");
    reject(events, "the content of the open item is not its deltas");
}

#[test]
fn the_second_name_of_reasoning_events_is_accepted_but_never_both() {
    let mut events = thought();
    for at in [4, 5, 6] {
        let name = if at == 6 { "response.reasoning_text.done" } else { "response.reasoning_text.delta" };
        events[at]["type"] = json!(name);
    }
    assert_eq!(check_events(&named(events.clone())), Ok(()));
    events[6]["type"] = json!("response.reasoning.done");
    reject(events, "never both names");
}

#[test]
fn no_event_can_be_dropped_doubled_or_moved() {
    for (name, legal) in [("hello", hello()), ("one_call", one_call()), ("thought", thought())] {
        for at in 0..legal.len() {
            let (mut dropped, mut doubled, mut moved) = (legal.clone(), legal.clone(), legal.clone());
            dropped.remove(at);
            doubled.insert(at, legal[at].clone());
            assert!(check_events(&named(numbered(dropped))).is_err(), "{name} without event {at}");
            assert!(check_events(&named(numbered(doubled))).is_err(), "{name} with event {at} twice");
            // The trace and the summary of a reasoning item are independent lists, and items may overlap.
            let independent = name == "thought" && (at == 7 || at == 12);
            if at + 1 < legal.len() && !independent {
                moved.swap(at, at + 1);
                assert!(check_events(&named(numbered(moved))).is_err(), "{name} with event {at} moved");
            }
        }
    }
}

#[test]
fn the_transcripts_fit_the_schema() {
    let Some(schemas) = schema::schemas() else { return };
    let cut = whole(&[message(0, "incomplete", &["Once"])], "incomplete");
    for event in [hello(), one_call(), thought(), cut, whole(&[], "failed")].concat() {
        assert_eq!(schemas.check_event(&event, Options::STRICT), Ok(()), "{event}");
    }
}

#[test]
fn the_examples_of_the_specification_are_accepted() {
    let Some(folder) = shared::folder() else { return };
    let schemas = schema::schemas().unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(folder.join("spec/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut events: Events = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let hosted = path.ends_with("hosted_extension_tool.jsonl");
        if hosted {
            finish_hosted_example(&mut events);
            let refused = check_events(&named(events.clone())).unwrap_err();
            assert!(refused.iter().any(|finding| finding.contains("not a standard item")), "{refused:#?}");
        }
        let options = Options { allow_hosted: hosted };
        assert_eq!(check_events_with(&named(events.clone()), options), Ok(()), "{}", path.display());
        for event in events {
            assert_eq!(schemas.check_event(&event, options), Ok(()), "{}: {event}", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} examples");
}

/// The hosted example stops with a note in words about the rest; a terminal event takes its place.
fn finish_hosted_example(events: &mut Events) {
    let note = events.pop().unwrap();
    assert!(note["type"].as_str().unwrap().starts_with('('), "{note}");
    let item = events.last().unwrap()["item"].clone();
    let mut last = events[1].clone();
    last["type"] = json!("response.completed");
    last["sequence_number"] = json!(events.len());
    let ended = response("completed", &[item]);
    for key in ["status", "completed_at", "usage", "output"] {
        last["response"][key] = ended[key].clone();
    }
    events.push(last);
}

#[test]
fn the_response_example_fits_its_schema() {
    let Some(folder) = shared::folder() else { return };
    let schemas = schema::schemas().unwrap();
    let bytes = fs::read(folder.join("spec/examples/response_nonstreaming.json")).unwrap();
    let mut response: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(schemas.check_response(&response, Options::STRICT), Ok(()));
    let mut format = json!({"type": "json_schema", "name": "n", "description": null, "strict": true});
    format["schema"] = json!({"type": "object"});
    response["text"]["format"] = format;
    assert_eq!(schemas.check_response(&response, Options::STRICT), Ok(()));
    response["output"] = json!([{"type": "acme:search", "id": "as_1", "status": "completed"}]);
    assert!(schemas.check_response(&response, Options::STRICT).is_err());
    assert_eq!(schemas.check_response(&response, Options::HOSTED), Ok(()));
    response["created_at"] = json!(1.5);
    assert!(schemas.check_response(&response, Options::HOSTED).is_err());
    assert_eq!(schemas.event_types().count(), 24);
}

mod frame {
    use super::*;

    #[test]
    fn a_wrong_event_name() {
        let mut events = named(hello());
        events[4].0 = "response.output_text.done".to_owned();
        let findings = check_events(&events).unwrap_err();
        assert!(findings[0].contains("the event line says"), "{findings:#?}");
        events[4].0.clear();
        assert_eq!(check_events(&events), Ok(()), "no name is no contradiction");
    }

    #[test]
    fn a_gap_in_the_numbers() {
        let mut events = hello();
        events.remove(5);
        reject(events, "sequence_number is 6, not 5");
    }

    #[test]
    fn a_repeated_number() {
        let mut events = hello();
        events[5]["sequence_number"] = json!(4);
        reject(events, "sequence_number is 4, not 5");
    }

    #[test]
    fn an_unknown_event() {
        let mut event = json!({"type": "response.web_search_call.searching"});
        reject_mutated(hello(), |events| events.insert(4, event.clone()), "not in the event catalogue");
        event["type"] = json!("response.cancelled");
        let mut events = hello();
        events.insert(4, event);
        let findings = check_events_with(&named(numbered(events)), Options::HOSTED).unwrap_err();
        assert!(findings[0].contains("not in the event catalogue"), "{findings:#?}");
    }
}

mod lifecycle {
    use super::*;

    #[test]
    fn a_dropped_creation() {
        reject_mutated(hello(), |events| drop(events.remove(0)), "comes before response.created");
    }

    #[test]
    fn a_second_creation() {
        reject_mutated(hello(), |events| events.insert(1, events[0].clone()), "is not the first event");
    }

    #[test]
    fn a_dropped_in_progress() {
        reject_mutated(hello(), |events| drop(events.remove(1)), "comes outside of in_progress");
    }

    #[test]
    fn a_queued_event_of_a_response_that_never_waited() {
        let queued = json!({"type": "response.queued", "response": response("queued", &[])});
        reject_mutated(hello(), |events| events.insert(1, queued), "does not follow a queued creation");
    }

    #[test]
    fn a_missing_terminal() {
        reject_mutated(hello(), |events| drop(events.pop()), "there is no terminal event");
    }

    #[test]
    fn a_double_terminal() {
        reject_mutated(hello(), |events| events.push(events[10].clone()), "comes after the terminal event");
    }

    #[test]
    fn an_event_after_the_terminal() {
        reject_mutated(hello(), |events| events.swap(9, 10), "comes after the terminal event");
    }

    #[test]
    fn a_failure_without_its_error_event() {
        let failed = whole(&[], "failed");
        reject_mutated(failed, |events| drop(events.remove(2)), "cannot follow the phase InProgress");
    }

    #[test]
    fn an_error_that_the_stream_ignores() {
        reject_mutated(hello(), |events| events.insert(9, error()), "only response.failed follows `error`");
    }
}

mod snapshot {
    use super::*;

    #[test]
    fn a_missing_field() {
        for at in [0, 1, 10] {
            for key in ["prompt_cache_key", "metadata", "reasoning", "tools"] {
                let mutate = |events: &mut Events| {
                    events[at]["response"].as_object_mut().unwrap().remove(key);
                };
                reject_mutated(hello(), mutate, &format!("response.{key} is missing"));
            }
        }
    }

    #[test]
    fn a_status_against_the_event() {
        reject_mutated(
            hello(),
            |events| events[10]["response"]["status"] = json!("incomplete"),
            "not `completed`",
        );
    }

    #[test]
    fn a_changed_response_id() {
        reject_mutated(
            hello(),
            |events| events[10]["response"]["id"] = json!("resp_2"),
            "response.id changed",
        );
    }

    #[test]
    fn usage_before_the_end() {
        let usage = hello()[10]["response"]["usage"].clone();
        reject_mutated(
            hello(),
            |events| events[1]["response"]["usage"] = usage,
            "usage is set before the end",
        );
    }

    #[test]
    fn usage_without_details() {
        let drop_details =
            |events: &mut Events| events[10]["response"]["usage"]["input_tokens_details"] = json!({});
        reject_mutated(hello(), drop_details, "lacks one of its five counts");
    }

    #[test]
    fn a_completion_time_on_an_incomplete_response() {
        let cut = whole(&[message(0, "incomplete", &["Once"])], "incomplete");
        let mutate = |events: &mut Events| events.last_mut().unwrap()["response"]["completed_at"] = json!(1);
        reject_mutated(cut, mutate, "completed_at");
    }

    #[test]
    fn an_output_that_lacks_an_item() {
        let drop_item = |events: &mut Events| events[10]["response"]["output"] = json!([]);
        reject_mutated(hello(), drop_item, "output[0] is not the item that was done");
    }

    #[test]
    fn an_output_that_differs_from_the_done_item() {
        let change = |events: &mut Events| {
            events[10]["response"]["output"][0]["content"][0]["text"] = json!("Hello there!");
        };
        reject_mutated(hello(), change, "output[0] is not the item that was done");
    }

    #[test]
    fn an_output_in_another_order() {
        let turn = |events: &mut Events| {
            events[19]["response"]["output"].as_array_mut().unwrap().reverse();
        };
        reject_mutated(thought(), turn, "output[0] is not the item that was done");
    }

    #[test]
    fn an_output_item_that_never_streamed() {
        let add = |events: &mut Events| {
            let item = json!({"type": "message", "id": "msg_9"});
            events[10]["response"]["output"].as_array_mut().unwrap().push(item);
        };
        reject_mutated(hello(), add, "output has items that the stream did not bring");
    }
}
