//! Mutations of items, their parts and their texts.

use serde_json::{Value, json};

use super::*;

fn remove_key(value: &mut Value, key: &str) {
    value.as_object_mut().unwrap().remove(key);
}

mod item {
    use super::*;

    #[test]
    fn an_item_that_was_never_added() {
        reject_mutated(hello(), |events| drop(events.remove(2)), "no item was added at output_index 0");
    }

    #[test]
    fn an_item_that_is_never_done() {
        reject_mutated(hello(), |events| drop(events.remove(9)), "item `msg_0` is still open");
    }

    #[test]
    fn an_item_that_is_done_twice() {
        reject_mutated(hello(), |events| events.insert(10, events[9].clone()), "the item is done already");
    }

    #[test]
    fn an_added_item_that_is_not_empty() {
        let fill = |events: &mut Events| events[2]["item"]["content"] = events[9]["item"]["content"].clone();
        reject_mutated(hello(), fill, "the added message is not empty");
        let fill = |events: &mut Events| events[2]["item"]["arguments"] = json!("{}");
        reject_mutated(one_call(), fill, "the added call has arguments already");
    }

    #[test]
    fn an_added_item_that_is_done_already() {
        let finish = |events: &mut Events| events[2]["item"]["status"] = json!("completed");
        reject_mutated(hello(), finish, "the status of the item is \"completed\"");
    }

    #[test]
    fn an_added_call_without_its_name() {
        reject_mutated(
            one_call(),
            |events| remove_key(&mut events[2]["item"], "name"),
            "lacks name or call_id",
        );
    }

    #[test]
    fn an_item_that_is_still_in_progress_when_done() {
        let reopen = |events: &mut Events| {
            events[9]["item"]["status"] = json!("in_progress");
            events[10]["response"]["output"][0]["status"] = json!("in_progress");
        };
        reject_mutated(hello(), reopen, "the status of the item is \"in_progress\"");
    }

    #[test]
    fn an_item_that_changes_its_id() {
        let rename = |events: &mut Events| {
            events[9]["item"]["id"] = json!("msg_9");
            events[10]["response"]["output"][0]["id"] = json!("msg_9");
        };
        reject_mutated(hello(), rename, "`id` of the item changed");
    }

    #[test]
    fn an_item_id_that_is_taken() {
        let mut second = call(1, &["{}"]);
        second[0]["item"]["id"] = json!("fc_0");
        reject(whole(&[call(0, &["{}"]), second], "completed"), "the item id `fc_0` is taken");
    }

    #[test]
    fn an_output_index_that_skips() {
        reject(whole(&[message(1, "completed", &["Hi"])], "completed"), "output_index is 1");
    }

    #[test]
    fn a_wrong_item_id_on_a_delta() {
        reject_mutated(hello(), |events| events[5]["item_id"] = json!("msg_9"), "item_id is \"msg_9\"");
    }

    #[test]
    fn a_wrong_output_index_on_a_delta() {
        let change = |events: &mut Events| events[5]["output_index"] = json!(1);
        reject_mutated(hello(), change, "no item was added at output_index 1");
    }

    #[test]
    fn a_null_optional_field() {
        for (key, at) in [("phase", 9), ("encrypted_content", 9), ("phase", 2)] {
            let nullify = |events: &mut Events| events[at]["item"][key] = Value::Null;
            reject_mutated(hello(), nullify, "it must be left out");
        }
        let nullify = |events: &mut Events| events[2]["item"]["content"] = Value::Null;
        reject_mutated(thought(), nullify, "`content` of the item is null");
        let nullify = |events: &mut Events| events[8]["part"]["logprobs"] = Value::Null;
        reject_mutated(hello(), nullify, "`logprobs` of the part is null");
        let nullify = |events: &mut Events| events[4]["logprobs"] = Value::Null;
        reject_mutated(hello(), nullify, "`logprobs` is null");
    }

    #[test]
    fn an_incomplete_item_in_a_completed_response() {
        let events = whole(&[message(0, "incomplete", &["Once"])], "completed");
        reject(events, "item `msg_0` of a completed response is incomplete");
    }

    #[test]
    fn an_incomplete_item_that_is_not_the_last() {
        let events = whole(&[message(0, "incomplete", &["Once"]), call(1, &["{}"])], "incomplete");
        reject(events, "item `msg_0` is incomplete and not the last one");
    }

    #[test]
    fn an_open_item_of_a_cancelled_response() {
        let mut open = message(0, "completed", &["Par"]);
        open.truncate(3);
        reject(whole(&[open], "cancelled"), "item `msg_0` is still open");
    }

    #[test]
    fn a_hosted_item_that_was_not_asked_for() {
        let item = json!({"type": "mcp_call", "id": "mcp_0", "status": "in_progress"});
        let mut done = item.clone();
        done["status"] = json!("failed");
        let events = vec![
            json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
            json!({"type": "response.mcp_call.in_progress", "output_index": 0, "item_id": "mcp_0"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        ];
        let events = whole(&[events], "completed");
        assert_eq!(check_events_with(&named(events.clone()), Options::HOSTED), Ok(()));
        reject(events, "`mcp_call` is not a standard item");
    }
}

mod part {
    use super::*;

    #[test]
    fn a_delta_before_its_part() {
        reject_mutated(hello(), |events| events.swap(3, 4), "no part was added at content_index 0");
    }

    #[test]
    fn a_wrong_content_index() {
        reject_mutated(hello(), |events| events[3]["content_index"] = json!(1), "content_index is 1");
        let change = |events: &mut Events| events[5]["content_index"] = json!(1);
        reject_mutated(hello(), change, "no part was added at content_index 1");
    }

    #[test]
    fn a_part_that_is_never_closed() {
        reject_mutated(hello(), |events| drop(events.remove(8)), "a part of the item is still open");
    }

    #[test]
    fn a_second_part_inside_the_first() {
        let add = |events: &mut Events| {
            let mut second = events[3].clone();
            second["content_index"] = json!(1);
            events.insert(4, second);
        };
        reject_mutated(hello(), add, "the part before is still open");
    }

    #[test]
    fn a_part_that_starts_with_text() {
        reject_mutated(
            hello(),
            |events| events[3]["part"]["text"] = json!("Hi"),
            "the added part is not empty",
        );
    }

    #[test]
    fn a_part_without_annotations() {
        let change = |events: &mut Events| remove_key(&mut events[3]["part"], "annotations");
        reject_mutated(hello(), change, "the part has no `annotations` list");
    }

    #[test]
    fn a_part_of_the_wrong_kind() {
        let change = |events: &mut Events| events[3]["part"] = json!({"type": "reasoning_text", "text": ""});
        reject_mutated(hello(), change, "a `reasoning_text` part cannot be in this item");
    }

    #[test]
    fn a_closed_part_that_says_something_else() {
        reject_mutated(hello(), |events| events[8]["part"]["text"] = json!("Hi!"), "the part says \"Hi!\"");
    }

    #[test]
    fn a_done_item_that_is_not_its_parts() {
        let change = |events: &mut Events| {
            events[9]["item"]["content"] = json!([]);
            events[10]["response"]["output"][0]["content"] = json!([]);
        };
        reject_mutated(hello(), change, "the content is not its parts");
    }

    #[test]
    fn a_summary_that_is_not_its_parts() {
        let change = |events: &mut Events| {
            events[12]["item"]["summary"] = json!([]);
            events[19]["response"]["output"][0]["summary"] = json!([]);
        };
        reject_mutated(thought(), change, "the summary is not its parts");
    }

    #[test]
    fn a_wrong_summary_index() {
        reject_mutated(thought(), |events| events[8]["summary_index"] = json!(1), "summary_index is 1");
    }
}

mod text {
    use super::*;

    #[test]
    fn a_dropped_delta() {
        reject_mutated(hello(), |events| drop(events.remove(5)), "is not the sum of its deltas");
    }

    #[test]
    fn swapped_deltas() {
        reject_mutated(hello(), |events| events.swap(4, 5), "is not the sum of its deltas");
    }

    #[test]
    fn a_whole_text_that_differs() {
        reject_mutated(
            hello(),
            |events| events[7]["text"] = json!("Hi there"),
            "is not the sum of its deltas",
        );
    }

    #[test]
    fn a_text_that_is_never_done() {
        reject_mutated(hello(), |events| drop(events.remove(7)), "the text of the part has no done event");
    }

    #[test]
    fn a_delta_after_the_whole_text() {
        reject_mutated(hello(), |events| events.swap(6, 7), "the text of the part is done already");
    }

    #[test]
    fn a_delta_of_another_kind() {
        let change = |events: &mut Events| events[5]["type"] = json!("response.refusal.delta");
        reject_mutated(hello(), change, "the part is a `output_text`");
    }

    #[test]
    fn dropped_arguments() {
        reject_mutated(one_call(), |events| drop(events.remove(3)), "not the sum of their deltas");
    }

    #[test]
    fn arguments_that_are_never_done() {
        reject_mutated(one_call(), |events| drop(events.remove(5)), "the arguments have no done event");
    }

    #[test]
    fn arguments_on_a_message() {
        let mut event = json!({"item_id": "msg_0", "output_index": 0, "delta": "{}"});
        event["type"] = json!("response.function_call_arguments.delta");
        reject_mutated(hello(), |events| events.insert(4, event), "the item takes no arguments");
    }
}

mod annotation {
    use super::*;

    /// Places as in [`hello`], with annotations at 7 and 8 and the end at 12.
    fn cited() -> Events {
        let mut events = hello();
        let note =
            json!({"type": "url_citation", "url": "u", "title": "A", "start_index": 0, "end_index": 2});
        for index in [1, 0] {
            let event = json!({"type": "response.output_text.annotation.added", "item_id": "msg_0",
                               "output_index": 0, "content_index": 0, "annotation_index": index,
                               "annotation": note});
            events.insert(7, event);
        }
        let notes = json!([note, note]);
        events[10]["part"]["annotations"] = notes.clone();
        events[11]["item"]["content"][0]["annotations"] = notes.clone();
        events[12]["response"]["output"][0]["content"][0]["annotations"] = notes;
        numbered(events)
    }

    #[test]
    fn annotations_inside_their_part_are_accepted() {
        accept(cited());
    }

    #[test]
    fn an_annotation_that_skips_a_number() {
        reject_mutated(cited(), |events| drop(events.remove(7)), "annotation_index is 1");
    }

    #[test]
    fn an_annotation_after_its_part() {
        reject_mutated(cited(), |events| events[7..11].rotate_left(1), "the part is closed already");
    }

    #[test]
    fn a_part_that_lacks_an_annotation() {
        let drop_one = |events: &mut Events| {
            events[10]["part"]["annotations"].as_array_mut().unwrap().pop();
        };
        reject_mutated(cited(), drop_one, "the annotations are not those of the events");
    }
}
