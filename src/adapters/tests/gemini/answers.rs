//! Answers of Gemini, by feature, in transcripts of our own.

use or_adapters::{AdapterError, FinishReason, ModelEvent, NoteKind, UpstreamErrorKind};
use or_protocol::{Extra, FunctionCallOutput, FunctionTool, Item, Output, Settings, Tool};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, assemble, body, stream, translator, user};

fn tools() -> Settings {
    let tool = |name: &str| Tool::Function(FunctionTool::named(name));
    Settings { tools: vec![tool("look"), tool("2nd")], ..Settings::default() }
}

fn run(transcript: &str) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
    let want =
        stream(translator("gemini-3-flash-preview", &[], &tools()), std::iter::once(transcript.as_bytes()));
    for text in [transcript.to_owned(), transcript.replace('\n', "\r\n")] {
        let got = stream(translator("gemini-3-flash-preview", &[], &tools()), text.as_bytes().chunks(1));
        assert_eq!(got, want);
    }
    want
}

fn answer(transcript: &str) -> Answer {
    let (events, end) = run(transcript);
    assert_eq!(end, Ok(()));
    assemble(&events)
}

/// The model's turn in the next request, results given in the opposite order of the calls.
fn echoed(answer: &Answer, model: &str) -> Value {
    let mut context = vec![user("Begin.")];
    context.extend(answer.items.iter().cloned());
    for (call_id, name, _) in answer.calls.iter().rev() {
        context.push(Item::FunctionCallOutput(FunctionCallOutput {
            id: None,
            call_id: call_id.clone(),
            output: Output::Text(format!("of {name}")),
            status: None,
            extra: Extra::NONE,
        }));
    }
    if answer.calls.is_empty() {
        context.push(user("Go on."));
    }
    let (body, notes) = body(model, &context, &tools()).unwrap();
    assert!(notes.iter().all(|n| n.field == "tools.2nd.name"), "{notes:?}");
    Value::from(body["contents"].as_array().unwrap()[1..].to_vec())
}

#[test]
fn signed_text_goes_back_in_its_parts() {
    let answer = answer(include_str!("../data/gemini/signed_text.sse"));
    let kinds: Vec<_> = answer.items.iter().map(Item::id_prefix).collect();
    assert_eq!(kinds, ["rs", "msg", "rs"]);
    assert_eq!((answer.thoughts.as_str(), answer.text.as_str()), ("Looking it up.", "The sky is blue."));
    assert_eq!(answer.tier.as_deref(), Some("default"));
    assert_eq!(answer.usage.unwrap().output_tokens, 7);
    assert_eq!(
        echoed(&answer, "gemini-3-flash-preview")[0]["parts"],
        json!([
            { "text": "The sky " },
            { "text": "is blue.", "thoughtSignature": "c2lnMQ==" },
            { "text": "", "thoughtSignature": "c2lnMg==" }
        ])
    );
}

#[test]
fn a_signature_is_left_out_if_its_text_was_changed() {
    let mut answer = answer(include_str!("../data/gemini/signed_text.sse"));
    let Item::Message(message) = &mut answer.items[1] else { panic!("a message") };
    let or_protocol::ContentPart::OutputText { text, .. } = &mut message.content[0] else { panic!("text") };
    *text = "The sky is grey.".into();
    let context = [vec![user("Begin.")], answer.items.clone(), vec![user("Go on.")]].concat();
    let (body, notes) = body("gemini-3-flash-preview", &context, &Settings::default()).unwrap();
    assert_eq!(
        body["contents"][1]["parts"],
        json!([{ "text": "The sky is grey." }, { "text": "", "thoughtSignature": "c2lnMg==" }])
    );
    assert_eq!((notes[0].field.as_str(), notes[0].kind), ("input.reasoning", NoteKind::Dropped));
}

#[test]
fn parallel_calls_keep_ids_names_arguments_and_order() {
    let answer = answer(include_str!("../data/gemini/parallel_calls.sse"));
    let want = [("a1b2", "look", r#"{"x":1.50,"q":"a  b"}"#), ("c3d4", "2nd", "{}")];
    assert_eq!(answer.calls, want.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    assert_eq!(
        echoed(&answer, "gemini-3-flash-preview"),
        json!([
            { "role": "model", "parts": [
                { "functionCall": { "name": "look", "args": { "x": 1.50, "q": "a  b" }, "id": "a1b2" },
                  "thoughtSignature": "c2lnMQ==" },
                { "functionCall": { "name": "_2nd", "args": {}, "id": "c3d4" } }
            ]},
            { "role": "user", "parts": [
                { "functionResponse": { "name": "look", "response": { "output": "of look" }, "id": "a1b2" } },
                { "functionResponse": { "name": "_2nd", "response": { "output": "of 2nd" }, "id": "c3d4" } }
            ]}
        ])
    );
}

#[test]
fn streamed_arguments_are_put_together() {
    let answer = answer(include_str!("../data/gemini/streamed_arguments.sse"));
    let got: Vec<_> = answer.calls.iter().map(|(_, name, args)| (name.as_str(), args.as_str())).collect();
    assert_eq!(got, [("book", r#"{"guests":[{"name":"Ann"}],"nights":2}"#), ("done", "{}")]);
    assert_ne!(answer.calls[0].0, answer.calls[1].0);
    let parts = echoed(&answer, "gemini-3.1-pro-preview");
    assert_eq!(parts[0]["parts"][0]["thoughtSignature"], "c2lnMQ==");
    assert_eq!(parts[0]["parts"][0]["functionCall"]["id"], Value::Null);
}

#[test]
fn text_around_executed_code_is_one_message() {
    let answer = answer(include_str!("../data/gemini/code_execution.sse"));
    assert_eq!((answer.items.len(), answer.text.as_str()), (1, "Let me count: two."));
    assert_eq!(answer.finished, Some(FinishReason::Stop));
    assert_eq!(answer.notes[0].field, "output.code_execution");
}

#[test]
fn grounding_becomes_citations_in_code_points() {
    let answer = answer(include_str!("../data/gemini/grounded.sse"));
    let message = serde_json::to_value(&answer.items[0]).unwrap();
    assert_eq!(
        message["content"][0]["annotations"],
        json!([{ "type": "url_citation", "url": "https://one.test", "title": "one", "start_index": 0, "end_index": 17 }])
    );
    assert_eq!(answer.notes[0].field, "annotations.sources");
}

fn ending(reason: &str) -> String {
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"So "}]}}]}"#;
    format!(
        "data: {text}\n\ndata: {{\"candidates\":[{{\"finishReason\":\"{reason}\",\"finishMessage\":\"why\"}}]}}\n\n"
    )
}

#[track_caller]
fn check_end(reason: &str, want: Option<FinishReason>) {
    let (events, end) = run(&ending(reason));
    let answer = assemble(&events);
    assert_eq!(answer.text, "So ");
    assert_eq!(answer.finished, want, "{reason}");
    match (want, end) {
        (Some(want), Ok(())) => assert_eq!(answer.cut_off, usize::from(want != FinishReason::Stop)),
        (None, Err(AdapterError::Upstream(error))) => {
            assert_eq!((error.kind, error.status), (UpstreamErrorKind::Server, None));
            assert!(error.message.contains(reason) && error.message.contains("why"));
        }
        (want, end) => panic!("{want:?} {end:?}"),
    }
}

#[test]
fn every_finish_reason_has_its_end() {
    check_end("STOP", Some(FinishReason::Stop));
    check_end("MAX_TOKENS", Some(FinishReason::MaxOutputTokens));
    check_end("CONTINUATION", Some(FinishReason::MaxOutputTokens));
    for reason in
        ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"]
    {
        check_end(reason, Some(FinishReason::ContentFilter));
    }
    // Something was said, so the answer is not lost.
    for reason in ["UNEXPECTED_TOOL_CALL", "OTHER", "LANGUAGE", "NEW"] {
        check_end(reason, Some(FinishReason::Stop));
    }
    for reason in ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE"] {
        check_end(reason, None);
    }
    for reason in ["UNEXPECTED_TOOL_CALL", "OTHER", "NEW"] {
        check_failure(
            &format!("data: {{\"candidates\":[{{\"finishReason\":\"{reason}\"}}]}}\n\n"),
            UpstreamErrorKind::Server,
        );
    }
}

#[test]
fn a_call_of_a_tool_that_was_not_offered_comes_through() {
    let answer = answer(concat!(
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"x\",\"args\":{}}}]},",
        "\"finishReason\":\"UNEXPECTED_TOOL_CALL\"}]}\n\n"
    ));
    assert_eq!((answer.calls.len(), answer.finished), (1, Some(FinishReason::Stop)));
    assert_eq!(answer.notes[0].field, "output.finish_reason");
}

/// Events of a whole body.
fn whole(body: &Value) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut out = Vec::new();
    translator("m", &[], &Settings::default()).unary(body.to_string().as_bytes(), &mut out)?;
    Ok(out)
}

#[test]
fn a_whole_answer_needs_no_finish_reason_if_it_says_something() {
    let said = whole(&json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})).unwrap();
    assert_eq!(said.last(), Some(&ModelEvent::Finished { reason: FinishReason::Stop }));
    assert!(matches!(
        whole(&json!({"candidates": [{"content": {"parts": []}}]})),
        Err(AdapterError::BadFrame { .. })
    ));
}

#[test]
fn images_are_items_and_other_media_are_noted() {
    let media = |kind: &str| json!({"inlineData": {"mimeType": kind, "data": "AAAA"}});
    let parts = json!([{"text": "a"}, media("image/png"), media("audio/L16;rate=24000"), {"text": "b"}]);
    let out = whole(&json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})).unwrap();
    let images: Vec<_> = out
        .iter()
        .filter_map(|event| match event {
            ModelEvent::HostedItem { item, done: true, .. } => Some(Value::from(item.clone())),
            _ => None,
        })
        .collect();
    let want = json!({"type": "image_generation_call", "status": "completed", "output_format": "png", "result": "AAAA",
        "encrypted_content": images[0]["encrypted_content"]});
    assert_eq!(images, [want]);
    let notes: Vec<_> = out.iter().filter(|event| matches!(event, ModelEvent::Note(_))).collect();
    assert!(matches!(notes[..], [ModelEvent::Note(note)] if note.why.contains("audio/L16")), "{notes:?}");
}

#[test]
fn a_blocked_prompt_ends_without_output() {
    let answer = answer("data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n");
    assert_eq!((answer.items.len(), answer.finished), (0, Some(FinishReason::ContentFilter)));
    assert_eq!(answer.notes[0].field, "input");
}

#[track_caller]
fn check_failure(transcript: &str, want: UpstreamErrorKind) {
    match run(transcript).1 {
        Err(AdapterError::Upstream(error)) => assert_eq!((error.kind, error.status), (want, None)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn errors_inside_a_stream_are_found_in_both_shapes() {
    let text = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"So \"}]}}]}\n\n";
    let error = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    check_failure(&format!("{text}data: {error}\n\n"), UpstreamErrorKind::Overloaded);
    let indented = serde_json::to_string_pretty(&serde_json::from_str::<Value>(error).unwrap()).unwrap();
    check_failure(&format!("{text}{indented}\n"), UpstreamErrorKind::Overloaded);
    check_failure(&format!("{text}[{indented}]\n"), UpstreamErrorKind::Overloaded);
    assert_eq!(run(text).1, Err(AdapterError::Truncated { provider: "gemini" }));
    let odd = run("data: {\"candidates\":3}\n\n").1;
    assert_eq!(odd, Err(AdapterError::Truncated { provider: "gemini" }));
    assert!(matches!(run("data: {\"candidates\":3\n\ndata: {}\n\n").1, Err(AdapterError::BadFrame { .. })));
}

#[test]
fn what_comes_after_the_end_is_harmless() {
    let mut translator = translator("m", &[], &Settings::default());
    let mut out = Vec::new();
    translator.unary(br#"{"candidates":[{"finishReason":"STOP"}]}"#, &mut out).unwrap();
    let frame = or_adapters::Frame { event: "", data: r#"{"candidates":[{"finishReason":"OTHER"}]}"# };
    translator.push(frame, &mut out).unwrap();
    translator.finish(b"", &mut out).unwrap();
    assert_eq!(out, [ModelEvent::Finished { reason: FinishReason::Stop }]);
}

proptest! {
    #[test]
    fn no_bytes_can_harm(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut translator = translator("m", &[], &Settings::default());
        let mut out = Vec::new();
        let _ = translator.push(or_adapters::Frame { event: "", data: &text }, &mut out);
        let _ = translator.finish(&bytes, &mut out);
        let _ = translator.unary(&bytes, &mut out);
    }

    #[test]
    fn no_order_of_parts_can_harm(picks in prop::collection::vec(0..PARTS.len(), 0..12), finish in any::<bool>()) {
        let mut transcript = String::new();
        for pick in picks {
            transcript.push_str(&format!("data: {{\"candidates\":[{{\"content\":{{\"parts\":[{}]}}}}]}}\n\n", PARTS[pick]));
        }
        if finish {
            transcript.push_str("data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n");
        }
        let pieces = std::iter::once(transcript.as_bytes());
        let (events, end) = stream(translator("gemini-3-flash-preview", &[], &tools()), pieces);
        let answer = assemble(&events);
        prop_assert_eq!(end.is_ok(), finish);
        prop_assert_eq!(answer.finished.is_some(), finish);
        if finish && !answer.items.is_empty() {
            echoed(&answer, "gemini-2.5-flash");
        }
    }
}

const PARTS: &[&str] = &[
    r#"{"text":"é"}"#,
    r#"{"text":""}"#,
    r#"{"text":"x","thoughtSignature":"YQ=="}"#,
    r#"{"text":"","thoughtSignature":"Yg=="}"#,
    r#"{"text":"t","thought":true}"#,
    r#"{"text":"t","thought":true,"thoughtSignature":"Yw=="}"#,
    r#"{"functionCall":{"name":"look","args":{}}}"#,
    r#"{"functionCall":{"name":"look","id":"i","args":{}},"thoughtSignature":"ZA=="}"#,
    r#"{"functionCall":{"name":"_2nd","willContinue":true}}"#,
    r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"b"}],"willContinue":true}}"#,
    r#"{"functionCall":{},"thoughtSignature":"ZQ=="}"#,
    r#"{"executableCode":{}}"#,
    r#"{"thoughtSignature":"Zg=="}"#,
    r#"{}"#,
];
