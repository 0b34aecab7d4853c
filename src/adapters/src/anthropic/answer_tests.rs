use or_protocol::{Annotation, CreateResponseBody, Envelope, Usage};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Anthropic;
use crate::{
    Adapter, AdapterError, CallKind, FinishReason, Frame, ModelEvent, ModelRequest, Note, ProviderOptions,
    ResponseTranslator, UpstreamErrorKind,
};

fn translator(client: Value) -> Box<dyn ResponseTranslator> {
    let body = CreateResponseBody::from_value(client).unwrap();
    let request = ModelRequest {
        model: body.model.as_deref().unwrap_or("claude-sonnet-4-6"),
        context: &body.input,
        settings: &body.settings,
        stream: body.stream,
    };
    Anthropic::new(&ProviderOptions::default()).unwrap().translator(&request)
}

/// Feeds one JSON object a line, then the end.
pub(super) fn stream(client: Value, lines: &str) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut translator = translator(client);
    let mut out = Vec::new();
    for data in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        translator.push(Frame { event: "", data }, &mut out)?;
    }
    translator.finish(b"", &mut out)?;
    Ok(out)
}

fn unary(client: Value, body: Value) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut out = Vec::new();
    translator(client).unary(body.to_string().as_bytes(), &mut out)?;
    Ok(out)
}

/// What follows from a stream, usage left out.
#[track_caller]
pub(super) fn check(lines: &str, want: &[ModelEvent]) {
    let mut got = stream(json!({}), lines).unwrap();
    got.retain(|event| !matches!(event, ModelEvent::Usage(_)));
    assert_eq!(got, want);
}

pub(super) fn text(block: u32, text: &str) -> ModelEvent {
    ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() }
}

pub(super) fn call(block: u32, id: &str, name: &str) -> ModelEvent {
    let (call_id, name) = (Some(id.into()), name.into());
    ModelEvent::ToolCallStart {
        block,
        call_id,
        name,
        namespace: None,
        kind: CallKind::Function,
        extra: or_protocol::Extra::NONE,
    }
}

pub(super) fn args(block: u32, delta: &str) -> ModelEvent {
    ModelEvent::ToolArgsDelta { block, delta: delta.into() }
}

pub(super) fn sealed(block: u32, blob: &str) -> ModelEvent {
    let encrypted_content = Envelope::seal("anthropic", "claude-sonnet-4-6", blob);
    ModelEvent::ReasoningSealed { block, encrypted_content }
}

pub(super) fn done(block: u32) -> ModelEvent {
    ModelEvent::BlockDone { block, complete: true }
}

pub(super) fn finished(reason: FinishReason) -> ModelEvent {
    ModelEvent::Finished { reason }
}

#[test]
fn text_around_the_providers_own_tools_is_one_message() {
    check(
        r#"
        {"type":"message_start","message":{"usage":{"input_tokens":1}}}
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
        {"type":"ping"}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","name":"web_search","input":{}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}
        {"type":"content_block_stop","index":1}
        {"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}
        {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"b"}}
        {"type":"content_block_stop","index":2}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"}}
        {"type":"message_stop"}
        "#,
        &[
            text(0, "a"),
            ModelEvent::Note(Note::dropped(
                "output",
                "server_tool_use and other blocks of the provider's own tools do not become items",
            )),
            text(0, "b"),
            done(0),
            finished(FinishReason::Stop),
        ],
    );
}

#[test]
fn a_citation_spans_its_block_in_code_points() {
    let cited = |url: &str, start_index, end_index| ModelEvent::Annotation {
        block: 0,
        annotation: Annotation::UrlCitation { url: url.into(), title: "T".into(), start_index, end_index },
    };
    check(
        r#"
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
        {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Süd "}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_start","index":1,"content_block":{"type":"text","text":"","citations":[]}}
        {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":"T"}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location"}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"🦀!"}}
        {"type":"content_block_stop","index":1}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"}}
        {"type":"message_stop"}
        "#,
        &[
            text(0, "Süd "),
            ModelEvent::Note(Note::dropped(
                "output.annotations",
                "citations without a URL have no standard form",
            )),
            text(0, "🦀!"),
            cited("u", 4, 6),
            done(0),
            finished(FinishReason::Stop),
        ],
    );
}

#[test]
fn thinking_is_a_summary_with_its_sealed_block() {
    check(
        r#"
        {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
        {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
        {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s+/="}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}}
        {"type":"content_block_stop","index":1}
        {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}
        {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}
        {"type":"content_block_stop","index":2}
        {"type":"message_delta","delta":{"stop_reason":"tool_use"}}
        {"type":"message_stop"}
        "#,
        &[
            ModelEvent::SummaryDelta { block: 0, text: "hm".into() },
            sealed(0, r#"{"type":"thinking","thinking":"hm","signature":"s+/="}"#),
            done(0),
            sealed(1, r#"{"type":"redacted_thinking","data":"xyz"}"#),
            done(1),
            call(2, "toolu_1", "f"),
            args(2, "{}"),
            done(2),
            finished(FinishReason::Stop),
        ],
    );
}

#[test]
fn the_item_in_which_the_budget_ran_out_is_incomplete() {
    check(
        r#"
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Let me."}}
        {"type":"content_block_stop","index":0}
        {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}
        {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}
        {"type":"content_block_stop","index":1}
        {"type":"message_delta","delta":{"stop_reason":"max_tokens"}}
        {"type":"message_stop"}
        "#,
        &[
            text(0, "Let me."),
            done(0),
            call(1, "t", "f"),
            args(1, "{\"a\":"),
            ModelEvent::BlockDone { block: 1, complete: false },
            finished(FinishReason::MaxOutputTokens),
        ],
    );
}

#[test]
fn thinking_cut_off_before_its_signature_is_not_sealed() {
    check(
        r#"
        {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
        {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
        {"type":"content_block_stop","index":0}
        {"type":"message_delta","delta":{"stop_reason":"max_tokens"}}
        {"type":"message_stop"}
        "#,
        &[
            ModelEvent::SummaryDelta { block: 0, text: "hm".into() },
            ModelEvent::BlockDone { block: 0, complete: false },
            finished(FinishReason::MaxOutputTokens),
        ],
    );
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    check(
        r#"
        {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Well"}}
        {"type":"content_block_stop","index":0}
        {"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"No."}}}
        {"type":"message_stop"}
        "#,
        &[
            text(0, "Well"),
            ModelEvent::RefusalDelta { block: 0, text: "No.".into() },
            done(0),
            finished(FinishReason::ContentFilter),
        ],
    );
    check(
        r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
        &[
            ModelEvent::RefusalDelta { block: 0, text: "The model declined to answer.".into() },
            done(0),
            finished(FinishReason::ContentFilter),
        ],
    );
}

#[test]
fn a_pause_is_no_end() {
    check(
        r#"
        {"type":"message_delta","delta":{"stop_reason":"pause_turn"}}
        {"type":"message_stop"}
        {"type":"message_stop"}
        "#,
        &[finished(FinishReason::Pause)],
    );
}

#[test]
fn usage_is_replaced_and_counts_cached_input() {
    let got = stream(
        json!({}),
        r#"
        {"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":70,"cache_creation_input_tokens":20,"output_tokens":1,"service_tier":"standard"}}}
        {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":6,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}
        {"type":"message_stop"}
        "#,
    );
    let want = [
        ModelEvent::Usage(Usage::new(95, 1, None, 70, 0).with_cache_writes(20)),
        ModelEvent::ServiceTier("default".into()),
        ModelEvent::Usage(Usage::new(96, 9, None, 70, 4).with_cache_writes(20)),
        finished(FinishReason::Stop),
    ];
    assert_eq!(got.unwrap(), want);
}

#[test]
fn an_error_inside_the_stream_ends_the_turn() {
    let error = stream(
        json!({}),
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}"#,
    );
    let Err(AdapterError::Upstream(error)) = error else { panic!("{error:?}") };
    assert_eq!((error.kind, error.status), (UpstreamErrorKind::Overloaded, None));
}

#[test]
fn a_stream_without_its_end_is_cut_off() {
    let got = stream(
        json!({}),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
    );
    assert_eq!(got, Err(AdapterError::Truncated { provider: "anthropic" }));
    let mut out = Vec::new();
    let stray = br#"{"error":{"type":"api_error","message":"boom"}}"#;
    let got = translator(json!({})).finish(stray, &mut out);
    assert!(matches!(got, Err(AdapterError::Upstream(e)) if e.message == "boom"));
}

#[test]
fn a_gateways_end_mark_is_skipped() {
    check("{\"type\":\"message_stop\"}\n[DONE]", &[finished(FinishReason::Stop)]);
}

#[test]
fn a_unary_answer_gives_the_same_events() {
    let got = unary(
        json!({}),
        json!({"content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Hi", "citations": [{"url": "u", "title": null}]},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ], "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4}}),
    );
    let annotation =
        Annotation::UrlCitation { url: "u".into(), title: String::new(), start_index: 0, end_index: 2 };
    let want = [
        ModelEvent::SummaryDelta { block: 0, text: "hm".into() },
        sealed(0, r#"{"type":"thinking","thinking":"hm","signature":"s"}"#),
        done(0),
        text(1, "Hi"),
        ModelEvent::Annotation { block: 1, annotation },
        done(1),
        call(2, "t", "f"),
        args(2, r#"{"a":1}"#),
        ModelEvent::Usage(Usage::new(3, 4, None, 0, 0)),
        done(2),
        finished(FinishReason::Stop),
    ];
    assert_eq!(got.unwrap(), want);
}

#[test]
fn an_error_in_a_good_status_is_still_an_error() {
    let got = unary(json!({}), json!({"type": "error", "error": {"type": "api_error", "message": "x"}}));
    assert!(matches!(got, Err(AdapterError::Upstream(_))));
    assert!(matches!(unary(json!({}), json!({"ok": true})), Err(AdapterError::BadFrame { .. })));
}

#[test]
fn the_answer_tools_input_is_the_text() {
    let schema = json!({"type": "object", "properties": {}});
    let client = json!({"model": "claude-3-7-sonnet-latest",
        "text": {"format": {"type": "json_schema", "name": "out", "schema": schema}}});
    let body = json!({"content": [{"type": "tool_use", "id": "t", "name": "out", "input": {"n": 1}}],
        "stop_reason": "tool_use"});
    let want = [text(0, r#"{"n":1}"#), done(0), finished(FinishReason::Stop)];
    assert_eq!(unary(client, body).unwrap(), want);
}

#[test]
fn a_renamed_tool_is_called_by_its_own_name() {
    let inner = json!({"type": "function", "name": "files.read"});
    let client = json!({"tools": [{"type": "namespace", "name": "n", "tools": [inner]}]});
    let wire = super::wire::NAMES.fit("files.read");
    let body = json!({"content": [{"type": "tool_use", "id": "t", "name": wire, "input": {"input": "x"}}]});
    let got = unary(client, body).unwrap();
    assert_eq!(got[0], call(0, "t", "files.read"));
}

/// Frames that are nearly right, and some that are not.
fn frames() -> impl Strategy<Value = Vec<String>> {
    let kinds = prop::sample::select(vec![
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "x",
    ]);
    let blocks = prop::sample::select(vec!["text", "thinking", "redacted_thinking", "tool_use", "other"]);
    let frame =
        (kinds, blocks, 0..3u8, ".{0,3}", any::<bool>()).prop_map(|(kind, block, index, text, odd)| {
            if odd {
                return text;
            }
            json!({"type": kind, "index": index,
            "content_block": {"type": block, "text": text, "signature": text, "data": text, "input": text},
            "delta": {"text": text, "partial_json": text, "thinking": text, "citation": {"url": text}},
            "usage": {"output_tokens": 1}})
            .to_string()
        });
    prop::collection::vec(frame, 0..20)
}

proptest! {
    #[test]
    fn no_frame_panics(frames in frames(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut translator = translator(json!({}));
        let mut out = Vec::new();
        for data in &frames {
            let _ = translator.push(Frame { event: "", data }, &mut out);
        }
        let _ = translator.finish(&bytes, &mut out);
        let _ = translator.unary(&bytes, &mut out);
        let ends = out.iter().filter(|e| matches!(e, ModelEvent::Finished { .. })).count();
        prop_assert!(ends <= 1);
    }
}

#[test]
fn a_call_without_a_name_is_no_call() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a"}}"#;
    assert!(matches!(stream(json!({}), start), Err(AdapterError::BadFrame { .. })));
}
