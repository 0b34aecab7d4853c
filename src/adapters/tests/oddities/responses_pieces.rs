//! Pieces of items in Responses streams that are hard to place.

use pretty_assertions::assert_eq;

use super::pieces::{A, B, check, stream};
use super::said::{End, said_by_stream};

/// `"output_index":…,` and the like; nothing where it is empty.
fn member(key: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!(r#""{key}":{value},"#) }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\"{text}\"") }
}

fn added(index: &str, id: &str, item: &str) -> String {
    let (index, id) = (member("output_index", index), member("id", &quoted(id)));
    format!(r#"{{"type":"response.output_item.added",{index}"item":{{{id}{item}}}}}"#)
}

fn item_done(index: &str, id: &str, item: &str) -> String {
    added(index, id, item).replace("item.added", "item.done")
}

fn delta(index: &str, id: &str, delta: &str) -> String {
    let (index, id) = (member("output_index", index), member("item_id", &quoted(id)));
    let delta = serde_json::to_string(delta).unwrap();
    format!(r#"{{"type":"response.function_call_arguments.delta",{index}{id}"delta":{delta}}}"#)
}

fn text_delta(index: &str, id: &str, text: &str) -> String {
    delta(index, id, text).replace("function_call_arguments", "output_text")
}

fn completed(output: &str) -> String {
    format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":{output}}}}}"#)
}

fn call(call_id: &str, arguments: &str) -> String {
    let arguments = serde_json::to_string(arguments).unwrap();
    format!(r#""type":"function_call","call_id":"{call_id}","name":"w","arguments":{arguments}"#)
}

fn message(text: &str) -> String {
    format!(r#""type":"message","content":[{{"type":"output_text","text":"{text}"}}]"#)
}

#[track_caller]
fn check_responses(frames: &[String], text: &str, calls: &[(&str, &str)]) {
    let mut frames = frames.to_vec();
    frames.push(completed("[]"));
    check("openai-responses", &frames, text, calls);
}

#[test]
fn items_of_one_index_are_told_apart_by_their_ids() {
    let one = |id: &str, call_id: &str, arguments: &str| {
        [
            added("0", id, &call(call_id, "")),
            delta("0", id, arguments),
            delta("0", id, "").replace(".delta\"", ".done\"").replace(
                r#""delta":"""#,
                &format!(r#""arguments":{}"#, serde_json::to_string(arguments).unwrap()),
            ),
            item_done("0", id, &call(call_id, arguments)),
        ]
    };
    let text = [
        added("0", "m", r#""type":"message""#),
        text_delta("0", "m", "hi"),
        item_done("0", "m", &message("hi")),
    ];
    let frames: Vec<String> = text.into_iter().chain(one("f1", "c1", A)).chain(one("f2", "c2", B)).collect();
    check_responses(&frames, "hi", &[("w", A), ("w", B)]);
    let frames = [
        added("0", "f1", &call("c1", "")),
        added("0", "f2", &call("c2", "")),
        delta("0", "f2", "{\"city\""),
        delta("0", "f1", "{\"city\""),
        delta("0", "f2", ":\"B\"}"),
        delta("0", "f1", ":\"A\"}"),
        item_done("0", "f2", &call("c2", B)),
        item_done("0", "f1", &call("c1", A)),
    ];
    check_responses(&frames, "", &[("w", A), ("w", B)]);
}

#[test]
fn items_without_an_index_are_told_apart_by_their_ids() {
    for index in ["", "null", "-1"] {
        let frames = [
            added(index, "f1", &call("c1", "")),
            added(index, "f2", &call("c2", "")),
            delta(index, "f2", B),
            delta(index, "f1", A),
        ];
        check_responses(&frames, "", &[("w", A), ("w", B)]);
        let frames = [
            added(index, "m", r#""type":"message""#),
            text_delta(index, "m", "hi"),
            added(index, "f1", &call("c1", "")),
            delta(index, "f1", A),
            text_delta(index, "m", " there"),
        ];
        check_responses(&frames, "hi there", &[("w", A)]);
    }
}

#[test]
fn items_whose_ids_change_are_told_apart_by_their_index() {
    let frames = [
        added("0", "a", &call("c1", "")),
        added("1", "b", &call("c2", "")),
        delta("1", "x", "{\"city\""),
        delta("0", "y", "{\"city\""),
        delta("1", "z", ":\"B\"}"),
        delta("0", "u", ":\"A\"}"),
        item_done("1", "v", &call("c2", B)),
        item_done("0", "t", &call("c1", A)),
    ];
    check_responses(&frames, "", &[("w", A), ("w", B)]);
    let frames = [
        added("0", "a", r#""type":"message""#),
        text_delta("0", "b", "hi"),
        item_done("0", "c", &message("hi")),
        item_done("0", "d", &message("hi")),
    ];
    check_responses(&frames, "hi", &[]);
}

#[test]
fn items_without_id_and_index_come_one_after_the_other() {
    let frames = [
        added("", "", r#""type":"message""#),
        text_delta("", "", "hi"),
        item_done("", "", &message("hi")),
        added("", "", &call("c1", "")),
        delta("", "", A),
        item_done("", "", &call("c1", A)),
        added("", "", &call("c2", "")),
        delta("", "", B),
        item_done("", "", &call("c2", B)),
    ];
    check_responses(&frames, "hi", &[("w", A), ("w", B)]);
    // Only whole items, all at one place.
    let frames = [
        item_done("0", "", &message("hi")),
        item_done("0", "", &call("c1", A)),
        item_done("0", "", &call("c2", B)),
        item_done("0", "", &message(" there")),
    ];
    check_responses(&frames, "hi there", &[("w", A), ("w", B)]);
}

#[test]
fn text_without_a_place_is_a_message() {
    let frames = [
        added("0", "f", &call("c", "")),
        delta("0", "f", A),
        text_delta("0", "f", "hi"),
        item_done("0", "f", &call("c", A)),
    ];
    check_responses(&frames, "hi", &[("w", A)]);
    let frames = [text_delta("", "", "hi"), text_delta("7", "x", " there")];
    check_responses(&frames, "hi there", &[]);
    let frames = [
        added("0", "m", r#""type":"message""#),
        text_delta("0", "m", "hi"),
        item_done("0", "m", &message("hi")),
        text_delta("0", "m", " there"),
    ];
    check_responses(&frames, "hi there", &[]);
}

#[test]
fn a_snapshot_adds_the_items_that_the_stream_left_out() {
    let all = |messages: &[&str]| {
        format!("[{}]", messages.iter().map(|item| format!("{{{item}}}")).collect::<Vec<_>>().join(","))
    };
    let snapshot = completed(&all(&[&message("hi"), &call("c1", A), &call("c2", B)]));
    let one = [
        added("0", "m", r#""type":"message""#),
        text_delta("0", "m", "hi"),
        added("0", "f", &call("c2", "")),
        delta("0", "f", B),
    ];
    for count in 0..=one.len() {
        let frames: Vec<String> = one.iter().take(count).cloned().chain([snapshot.clone()]).collect();
        let said = said_by_stream("openai-responses", [stream(&frames).as_slice()]);
        let mut calls: Vec<&str> = said.calls.iter().map(|(_, arguments)| arguments.as_str()).collect();
        calls.sort_unstable();
        assert_eq!(
            (said.text.as_str(), calls, said.end),
            ("hi", vec![A, B], End::Finished("Stop".into())),
            "{count}"
        );
    }
}

#[test]
fn whole_arguments_of_responses_are_taken_once() {
    for pieces in [&[A, A][..], &["{\"ci", "{\"city\":\"A\"}"], &["{}", A], &["{\"city\":", "\"A\"}", A]] {
        let mut frames = vec![added("0", "f", &call("c", ""))];
        frames.extend(pieces.iter().map(|piece| delta("0", "f", piece)));
        frames.push(item_done("0", "f", &call("c", A)));
        check_responses(&frames, "", &[("w", A)]);
    }
}

#[test]
fn a_call_may_be_named_by_its_call_id() {
    let frames = [
        added("0", "", &call("c1", "")),
        added("0", "", &call("c2", "")),
        delta("0", "c2", B),
        delta("0", "c1", A),
        item_done("0", "", &call("c2", B)),
        item_done("0", "", &call("c1", A)),
    ];
    check_responses(&frames, "", &[("w", A), ("w", B)]);
}

#[test]
fn parts_with_running_indexes_are_said_once() {
    let part = |index: u32, text: &str| {
        let event = r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","content_index":N,"delta":"T"}"#;
        event.replace('N', &index.to_string()).replace('T', text)
    };
    let note = r#"{"type":"response.output_text.annotation.added","output_index":0,"item_id":"m","content_index":9,"annotation":{"type":"url_citation","url":"u"}}"#;
    let frames = [
        added("0", "m", r#""type":"message""#),
        part(0, "h"),
        part(1, "i "),
        part(2, "there"),
        note.to_owned(),
        item_done("0", "m", &message("hi there")),
    ];
    check_responses(&frames, "hi there", &[]);
}

#[test]
fn parts_are_told_apart_whatever_their_indexes_say() {
    for (at_delta, at_done) in [("1", "1"), ("7", "7"), ("1", "0"), ("0", "1"), ("-1", "3"), ("\"1\"", "1")] {
        let delta = r#"{"type":"response.output_text.delta","output_index":1,"item_id":"m","content_index":X,"delta":"hi"}"#;
        let done = r#"{"type":"response.output_text.done","output_index":1,"item_id":"m","content_index":X,"text":"hi"}"#;
        let part = r#"{"type":"response.content_part.done","output_index":1,"item_id":"m","content_index":X,"part":{"type":"output_text","text":"hi"}}"#;
        let frames = [
            added("1", "m", r#""type":"message""#),
            delta.replace('X', at_delta),
            done.replace('X', at_done),
            part.replace('X', at_done),
            item_done("1", "m", &message("hi")),
        ];
        check_responses(&frames, "hi", &[]);
    }
}

#[test]
fn a_response_that_ends_inside_arguments_is_cut_off() {
    for arguments in ["{", "{\"city\":\"A", "{\"city\":\"A\"", "{\"a\":[1"] {
        let frames = [
            added("0", "f", r#""type":"function_call","call_id":"c","name":"w""#),
            delta("0", "f", arguments),
            completed("[]"),
        ];
        let said = said_by_stream("openai-responses", [stream(&frames).as_slice()]);
        assert_eq!(said.end, End::Disconnected);
    }
}
