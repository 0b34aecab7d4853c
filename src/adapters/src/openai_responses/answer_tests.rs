//! Streams and unary bodies, written by hand in the provider's form.

use or_protocol::{Annotation, Envelope, LogProb, Phase, Settings, Usage};
use pretty_assertions::assert_eq;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};

use super::{KIND, OpenAiResponses};
use crate::{
    Adapter, AdapterError, CallKind, FinishReason, FrameDecoder, Framing, ModelEvent, ModelRequest,
    ProviderOptions,
};

pub(super) fn translator(settings: &Settings) -> Box<dyn crate::ResponseTranslator> {
    let request = ModelRequest { model: "gpt-5", context: &[], settings, stream: true };
    OpenAiResponses::new(&ProviderOptions::default()).unwrap().translator(&request)
}

/// Frames with numbers, one for each event.
pub(super) fn frames(events: &[Value]) -> String {
    let mut text = String::new();
    for (number, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event["sequence_number"] = number.into();
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("event: {kind}\ndata: {event}\n\n"));
    }
    text
}

pub(super) fn run(text: &str, settings: &Settings) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
    let mut decoder = FrameDecoder::new(Framing::Sse);
    let mut translator = translator(settings);
    let mut out = Vec::new();
    decoder.feed(text.as_bytes());
    decoder.close();
    while let Some(frame) = decoder.next().unwrap() {
        if let Err(error) = translator.push(frame, &mut out) {
            return (out, Err(error));
        }
    }
    let end = translator.finish(decoder.stray(), &mut out);
    (out, end)
}

fn logging() -> Settings {
    Settings { top_logprobs: Some(1), ..Settings::default() }
}

#[track_caller]
fn check(events: &[Value], want: &[ModelEvent]) {
    let (got, end) = run(&frames(events), &logging());
    assert_eq!((got.as_slice(), end), (want, Ok(())));
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": []}})
}

const STOP: ModelEvent = ModelEvent::Finished { reason: FinishReason::Stop };

fn text(block: u32, text: &str) -> ModelEvent {
    ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() }
}

fn done(block: u32) -> ModelEvent {
    ModelEvent::BlockDone { block, complete: true }
}

fn call(block: u32, kind: CallKind) -> ModelEvent {
    let (call_id, name) = (Some("call_1".to_owned()), "f".to_owned());
    ModelEvent::ToolCallStart { block, call_id, name, namespace: None, kind, extra: or_protocol::Extra::NONE }
}

fn args(block: u32, delta: &str) -> ModelEvent {
    ModelEvent::ToolArgsDelta { block, delta: delta.into() }
}

#[test]
fn a_message_keeps_its_phase_parts_logprobs_and_annotations() {
    let note =
        json!({"type": "url_citation", "url": "https://a/", "start_index": 0, "end_index": 2, "title": "A"});
    let citation =
        Annotation::UrlCitation { url: "https://a/".into(), title: "A".into(), start_index: 0, end_index: 2 };
    let logprob =
        LogProb { token: "Hi".into(), logprob: -0.5, bytes: vec![72, 105], top_logprobs: Vec::new() };
    check(
        &[
            json!({"type": "response.created", "response": {"status": "in_progress"}}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "a", "role": "assistant", "content": [], "status": "in_progress", "phase": "final_answer"}}),
            json!({"type": "response.content_part.added", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}}),
            json!({"type": "response.output_text.delta", "item_id": "a", "output_index": 0, "content_index": 0, "delta": "Hi", "obfuscation": "xyz", "logprobs": [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]}),
            json!({"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation": note.clone()}),
            json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"}),
            json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": "Hi", "annotations": [note]}}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "b", "status": "completed", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}}),
            json!({"type": "response.completed", "response": {"status": "completed", "service_tier": "flex", "output": [{"type": "message"}], "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8}}}),
            completed(),
            json!({"type": "response.output_text.delta", "output_index": 1, "delta": "late"}),
        ],
        &[
            ModelEvent::MessageStart { block: 0, phase: Some(Phase::FinalAnswer) },
            ModelEvent::TextDelta { block: 0, text: "Hi".into(), logprobs: vec![logprob] },
            ModelEvent::Annotation { block: 0, annotation: citation },
            ModelEvent::PartDone { block: 0 },
            done(0),
            ModelEvent::Usage(Usage::new(5, 3, Some(8), 2, 1)),
            ModelEvent::ServiceTier("flex".into()),
            STOP,
        ],
    );
}

#[test]
fn a_done_value_brings_what_the_deltas_left_out() {
    check(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}),
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Grü"}),
            json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Grüße"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": [{"type": "output_text", "text": "Grüße"}, {"type": "refusal", "refusal": "No."}]}}),
            json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}}),
            json!({"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{\"a\":1}"}),
            json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}", "status": "in_progress"}}),
            completed(),
        ],
        &[
            ModelEvent::MessageStart { block: 0, phase: None },
            text(0, "Grü"),
            text(0, "ße"),
            ModelEvent::PartDone { block: 0 },
            ModelEvent::RefusalDelta { block: 0, text: "No.".into() },
            ModelEvent::PartDone { block: 0 },
            done(0),
            call(1, CallKind::Function),
            args(1, "{\"a\":1}"),
            done(1),
            STOP,
        ],
    );
}

#[test]
fn items_that_only_the_snapshot_has_are_put_out() {
    check(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}),
            json!({"type": "response.output_text.delta", "output_index": 0, "delta": "a"}),
            json!({"type": "response.completed", "response": {"output": [
                {"type": "message", "content": [{"type": "output_text", "text": "ab"}]},
                {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": {"a": 1}}]}}),
        ],
        &[
            ModelEvent::MessageStart { block: 0, phase: None },
            text(0, "a"),
            text(0, "b"),
            ModelEvent::PartDone { block: 0 },
            done(0),
            call(1, CallKind::Function),
            args(1, "{\"a\":1}"),
            done(1),
            STOP,
        ],
    );
}

#[test]
fn reasoning_is_sealed_with_the_state_of_its_end() {
    check(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": [], "encrypted_content": "early"}}),
            json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "S"}),
            json!({"type": "response.reasoning_summary_part.done", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": "S"}}),
            json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "T"}),
            json!({"type": "response.reasoning.delta", "output_index": 0, "content_index": 0, "delta": "raw"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "encrypted_content": "gAA\"=",
                "summary": [{"type": "summary_text", "text": "S"}, {"type": "summary_text", "text": "T"}],
                "content": [{"type": "reasoning_text", "text": "raw"}]}}),
            completed(),
        ],
        &[
            ModelEvent::SummaryDelta { block: 0, text: "S".into() },
            ModelEvent::PartDone { block: 0 },
            ModelEvent::SummaryDelta { block: 0, text: "T".into() },
            ModelEvent::PartDone { block: 0 },
            ModelEvent::ReasoningDelta { block: 0, text: "raw".into() },
            ModelEvent::PartDone { block: 0 },
            ModelEvent::ReasoningSealed {
                block: 0,
                encrypted_content: Envelope::seal(KIND, "gpt-5", "gAA\"="),
            },
            done(0),
            STOP,
        ],
    );
}

#[test]
fn a_custom_call_is_native_and_a_call_without_arguments_has_an_empty_object() {
    check(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": ""}}),
            json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "SELECT "}),
            json!({"type": "response.custom_tool_call_input.done", "output_index": 0, "input": "SELECT 1"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "SELECT 1"}}),
            json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "call_id": "", "name": ""}}),
            json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}}),
            completed(),
        ],
        &[
            call(0, CallKind::Custom),
            args(0, "SELECT "),
            args(0, "1"),
            done(0),
            call(1, CallKind::Function),
            args(1, "{}"),
            done(1),
            STOP,
        ],
    );
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn hosted_items_and_their_events_pass_without_places_and_padding() {
    let open = json!({"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress", "code": ""});
    let closed = json!({"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "code": "1"});
    let output = json!({"type": "function_call_output", "call_id": "call_1", "output": "7"});
    check(
        &[
            json!({"type": "response.output_item.added", "output_index": 0, "item": open.clone()}),
            json!({"type": "response.code_interpreter_call_code.delta", "output_index": 0, "item_id": "ci_1", "delta": "1", "obfuscation": "q"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": closed.clone()}),
            json!({"type": "response.code_interpreter_call.completed", "output_index": 0, "item_id": "ci_1"}),
            json!({"type": "response.output_item.done", "output_index": 1, "item": output.clone()}),
            json!({"type": "codex.rate_limits", "limits": {}}),
            completed(),
        ],
        &[
            ModelEvent::HostedItem { block: 0, item: map(open), done: false },
            ModelEvent::HostedEvent {
                block: 0,
                event: map(json!({"type": "response.code_interpreter_call_code.delta", "delta": "1"})),
            },
            ModelEvent::HostedItem { block: 0, item: map(closed), done: true },
            ModelEvent::HostedItem { block: 1, item: map(output), done: true },
            STOP,
        ],
    );
}

#[test]
fn interleaved_items_are_told_apart_by_index_though_their_ids_change() {
    check(
        &[
            json!({"type": "response.reasoning_text.delta", "item_id": "x", "output_index": 0, "content_index": 0, "delta": "a"}),
            json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "message", "id": "y"}}),
            json!({"type": "response.output_text.delta", "item_id": "z", "output_index": 1, "content_index": 0, "delta": "b"}),
            json!({"type": "response.reasoning_text.delta", "item_id": "w", "output_index": 0, "content_index": 0, "delta": "c"}),
            json!({"type": "response.output_item.done", "output_index": 1, "item": {"type": "message", "status": "incomplete"}}),
            json!({"type": "response.incomplete", "response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}}),
        ],
        &[
            ModelEvent::ReasoningDelta { block: 0, text: "a".into() },
            ModelEvent::MessageStart { block: 1, phase: None },
            text(1, "b"),
            ModelEvent::ReasoningDelta { block: 0, text: "c".into() },
            ModelEvent::PartDone { block: 1 },
            ModelEvent::BlockDone { block: 1, complete: false },
            ModelEvent::Finished { reason: FinishReason::ContentFilter },
        ],
    );
}

#[test]
fn pieces_of_something_unknown_are_told_once() {
    let piece = json!({"type": "response.audio.delta", "item_id": "x", "output_index": 0, "delta": "UklG"});
    let note = crate::Note::dropped("output", "events of type response.audio.delta");
    check(&[piece.clone(), piece, completed()], &[ModelEvent::Note(note), STOP]);
}

#[test]
fn an_unknown_status_is_an_end_with_a_note() {
    let event = json!({"type": "response.completed", "response": {"status": "sealed", "output": []}});
    let note = crate::Note::dropped("status", "status \"sealed\" was taken as a plain end");
    check(&[event], &[ModelEvent::Note(note), STOP]);
}

#[test]
fn an_annotation_behind_its_text_is_told() {
    let note = json!({"type": "url_citation", "url": "https://a/"});
    let (got, end) = run(
        &frames(&[
            json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}),
            json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": "a"}}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [note]}]}}),
            completed(),
        ]),
        &logging(),
    );
    assert_eq!(end, Ok(()));
    assert!(got.iter().any(|event| matches!(event, ModelEvent::Note(_))), "{got:?}");
}

#[test]
fn a_stream_without_its_terminal_event_is_truncated() {
    let text = "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"a\"}\n\ndata: [DONE]\n\n";
    assert_eq!(run(text, &Settings::default()).1, Err(AdapterError::Truncated { provider: KIND }));
}

fn unary(body: &Value) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut out = Vec::new();
    translator(&Settings::default()).unary(body.to_string().as_bytes(), &mut out).map(|()| out)
}

#[test]
fn a_unary_body_gives_the_same_events() {
    let body = json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "error": null,
        "output": [
            {"type": "reasoning", "summary": [], "encrypted_content": "e", "format": "google-gemini-v1"},
            {"type": "message", "status": "incomplete", "content": [{"type": "output_text", "text": "Hi", "annotations": [{"type": "file_path", "index": 1}]}]},
            {"type": "function_call", "call_id": "call_1", "name": "f", "namespace": "n", "arguments": "{\"a", "status": "incomplete", "caller": {"type": "program"}}],
        "usage": {"input_tokens": 1, "output_tokens": 2}, "service_tier": null});
    let sealed = Envelope::seal(KIND, "gpt-5", r#"{"encrypted_content":"e","format":"google-gemini-v1"}"#);
    let cut = |block| ModelEvent::BlockDone { block, complete: false };
    assert_eq!(
        unary(&body).unwrap(),
        [
            ModelEvent::ReasoningSealed { block: 0, encrypted_content: sealed },
            done(0),
            ModelEvent::MessageStart { block: 1, phase: None },
            text(1, "Hi"),
            ModelEvent::Annotation {
                block: 1,
                annotation: Annotation::Other(json!({"type": "file_path", "index": 1}).into()),
            },
            ModelEvent::PartDone { block: 1 },
            cut(1),
            ModelEvent::ToolCallStart {
                block: 2,
                call_id: Some("call_1".into()),
                name: "f".into(),
                namespace: Some("n".into()),
                kind: CallKind::Function,
                extra: or_protocol::Extra::of(&[(
                    "caller".into(),
                    &to_raw_value(&json!({"type": "program"})).unwrap()
                )])
                .unwrap(),
            },
            args(2, "{\"a"),
            cut(2),
            ModelEvent::Usage(Usage::new(1, 2, Some(3), 0, 0)),
            ModelEvent::Finished { reason: FinishReason::MaxOutputTokens },
        ]
    );
}

#[test]
fn a_unary_body_that_is_no_answer_is_an_error() {
    for body in [
        json!({"status": "failed", "error": {"code": "server_error", "message": "m"}, "output": []}),
        json!({"status": "queued", "error": null, "output": []}),
        json!({"detail": "nope"}),
    ] {
        assert!(matches!(unary(&body), Err(AdapterError::Upstream(_))), "{body}");
    }
    assert!(matches!(unary(&json!({})), Err(AdapterError::BadFrame { .. })));
}
