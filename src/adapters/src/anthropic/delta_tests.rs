//! Pieces of a stream that come without their block, twice, or anew.

use or_protocol::Usage;
use pretty_assertions::assert_eq;
use serde_json::json;

use super::answer_tests::{args, call, check, done, finished, sealed, stream, text};
use crate::{AdapterError, FinishReason, ModelEvent};

#[test]
fn text_without_a_block_of_its_own_is_a_message() {
    // Behind a call, in the call's block.
    check(
        r#"
        {"type":"message_start","message":{}}
        {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"w","input":{}}}
        {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"city\":\"A\"}"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" and now"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" text"}}
        {"type":"content_block_stop","index":0}
        {"type":"message_delta","delta":{"stop_reason":"tool_use"}}
        {"type":"message_stop"}
        "#,
        &[
            call(0, "t", "w"),
            args(0, r#"{"city":"A"}"#),
            text(1, " and now"),
            text(1, " text"),
            done(0),
            done(1),
            finished(FinishReason::Stop),
        ],
    );
    // Before any block, behind the end of its block, and without an index.
    check(
        r#"
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}
        {"type":"content_block_delta","delta":{"type":"text_delta","text":"c"}}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"}}
        {"type":"message_stop"}
        "#,
        &[text(0, "a"), text(0, "b"), text(0, "c"), done(0), finished(FinishReason::Stop)],
    );
}

#[test]
fn thinking_without_a_block_is_reasoning() {
    check(
        r#"
        {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}
        {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"}}
        "#,
        &[
            ModelEvent::SummaryDelta { block: 0, text: "h".into() },
            text(1, "a"),
            sealed(0, r#"{"type":"thinking","thinking":"h","signature":"s"}"#),
            done(0),
            done(1),
            finished(FinishReason::Stop),
        ],
    );
}

#[test]
fn arguments_find_their_call_or_fail_the_answer() {
    let begin =
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"w"}}"#;
    let piece =
        r#"{"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#;
    let end = "{\"type\":\"content_block_stop\",\"index\":1}\n{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}";
    check(
        &format!("{begin}\n{piece}\n{end}"),
        &[call(0, "t", "w"), args(0, "{}"), done(0), finished(FinishReason::Stop)],
    );
    assert!(matches!(stream(json!({}), piece), Err(AdapterError::BadFrame { .. })));
    let late = piece.replace('9', "1");
    let got = stream(json!({}), &format!("{begin}\n{piece}\n{}\n{late}\n{end}", end.lines().next().unwrap()))
        .unwrap();
    assert!(got.iter().any(|event| matches!(event, ModelEvent::Note(note) if note.field == "function_call")));
}

#[test]
fn a_second_message_is_no_part_of_the_first() {
    let begin = |id: &str| format!(r#"{{"type":"message_start","message":{{"id":"{id}"}}}}"#);
    let block =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"w"}}"#;
    let stop = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
    let lost =
        stream(json!({}), &[&begin("a"), block, &begin("b"), block, stop].map(str::to_owned).join("\n"));
    assert_eq!(lost, Err(AdapterError::Truncated { provider: "anthropic" }));
    // Nothing came of the first try, or it is the same message once more.
    for ids in [["a", "b"], ["a", "a"]] {
        let lines = [&begin(ids[0]), &begin(ids[1]), block, stop].map(String::from).join("\n");
        assert!(stream(json!({}), &lines).is_ok());
    }
}

#[test]
fn counts_never_fall() {
    let got = stream(
        json!({}),
        r#"
        {"type":"message_start","message":{"usage":{"input_tokens":9,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}}}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"cache_read_input_tokens":0,"cache_creation_input_tokens":0,"output_tokens":16}}
        "#,
    )
    .unwrap();
    let last = got.iter().rev().find(|event| matches!(event, ModelEvent::Usage(_)));
    assert_eq!(last, Some(&ModelEvent::Usage(Usage::new(16, 16, None, 5, 0))));
}
