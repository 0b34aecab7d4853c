//! Answers that end badly, and bytes that are no answer.

use or_adapters::{Adapter, AdapterError, Frame, ModelEvent, UpstreamErrorKind};
use or_protocol::CreateResponseBody;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{adapter, decode, turn, unary};

fn hi() -> CreateResponseBody {
    decode(json!({"input": "hi", "stream": true}))
}

/// The error a transcript ends in, and what came before it.
#[track_caller]
fn check_error(transcript: &str) -> (AdapterError, Vec<ModelEvent>) {
    let adapter = adapter(&Value::Null);
    let body = hi();
    let mut translator = adapter.translator(&turn(&body));
    let mut out = Vec::new();
    for data in transcript.lines() {
        if let Err(error) = translator.push(Frame { event: "", data }, &mut out) {
            return (error, out);
        }
    }
    (translator.finish(b"", &mut out).unwrap_err(), out)
}

#[test]
fn an_error_line_ends_the_answer() {
    let (error, before) = check_error(include_str!("../data/ollama/error_line.ndjson"));
    let AdapterError::Upstream(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind, UpstreamErrorKind::Server);
    assert_eq!(error.status, None);
    assert_eq!(error.message, "an error was encountered while running the model");
    let want = ModelEvent::TextDelta { block: 0, text: "Half a ".into(), logprobs: Vec::new() };
    assert_eq!(before, [want]);
}

#[test]
fn a_lost_runner_is_an_error() {
    let (error, _) = check_error(
        "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true}",
    );
    assert!(matches!(error, AdapterError::Upstream(e) if e.kind == UpstreamErrorKind::Server));
}

#[test]
fn a_stream_without_its_end_is_truncated() {
    let truncated = AdapterError::Truncated { provider: "ollama" };
    assert_eq!(check_error("{\"message\":{\"content\":\"a\"},\"done\":false}").0, truncated);
    assert_eq!(check_error("").0, truncated);
    let got = unary(&adapter(&Value::Null), &hi(), b"{\"message\":{\"content\":\"a\"}}");
    assert_eq!(got.unwrap_err(), truncated);
}

#[test]
fn a_line_that_is_no_json_is_named_as_such() {
    assert!(matches!(check_error("<html>").0, AdapterError::BadFrame { .. }));
    let got = unary(&adapter(&Value::Null), &hi(), b"<html>");
    assert!(matches!(got.unwrap_err(), AdapterError::BadFrame { .. }));
}

#[test]
fn a_key_becomes_a_bearer_header_and_no_key_none() {
    let adapter = adapter(&Value::Null);
    assert_eq!(adapter.credentials("k"), [("authorization", "Bearer k".to_owned())]);
    assert_eq!(adapter.credentials(""), []);
}

/// Something like a line, with fields of wrong and right types.
fn line() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        r#""a""#,
        r#""</think>""#,
        r#""<think>""#,
        r#""<thi""#,
        "null",
        "1",
        "{}",
        "[]",
        r#"[{"function":{"name":"f","arguments":{}}}]"#,
        r#"[{"id":"x","function":{"name":"f","arguments":"{"}}]"#,
        "true",
        "false",
        r#""length""#,
        r#""stop""#,
    ]);
    (piece.clone(), piece.clone(), piece.clone(), piece.clone(), piece.clone(), piece).prop_map(
        |(content, thinking, calls, done, reason, count)| {
            format!(
                r#"{{"message":{{"content":{content},"thinking":{thinking},"tool_calls":{calls}}},"done":{done},"done_reason":{reason},"eval_count":{count}}}"#
            )
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(frames in prop::collection::vec(prop_oneof![line(), any::<String>()], 0..8), hold in any::<bool>()) {
        let adapter = adapter(&if hold { json!({"think_leak": "hold"}) } else { Value::Null });
        let body = hi();
        let mut translator = adapter.translator(&turn(&body));
        let mut out = Vec::new();
        for data in &frames {
            let _ = translator.push(Frame { event: "", data }, &mut out);
        }
        let _ = translator.finish(b"", &mut out);
        let _ = adapter.translator(&turn(&body)).unary(frames.concat().as_bytes(), &mut out);
        let _ = adapter.error(500, None, frames.concat().as_bytes());
    }
}
