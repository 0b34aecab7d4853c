//! One turn of the demo provider, put together as a client would see it.

use or_adapters::demo::Demo;
use or_adapters::{
    Adapter, AdapterError, FinishReason, FrameDecoder, ModelEvent, ModelRequest, Note, ProviderOptions,
    UpstreamErrorKind,
};
use or_demo::{DemoAnswer, respond};
use or_protocol::{CreateResponseBody, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// What a client would see of one turn, events put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Turn {
    /// Items in the form in which they are sent back.
    pub(super) items: Vec<Value>,
    /// Parts of a block that was not complete.
    pub(super) incomplete: usize,
    pub(super) citations: Vec<(String, u64, u64)>,
    pub(super) logprobs: Vec<(String, usize)>,
    pub(super) usage: Usage,
    pub(super) finish: Option<FinishReason>,
    pub(super) failure: Option<AdapterError>,
}

impl Turn {
    pub(super) fn text(&self) -> String {
        let texts = self.items.iter().filter(|i| i["type"] == "message");
        texts.filter_map(|i| i["content"][0]["text"].as_str()).collect()
    }

    pub(super) fn calls(&self) -> Vec<(&str, &str, &str)> {
        let calls = self.items.iter().filter(|i| i["type"] == "function_call");
        calls.map(|i| (text(i, "call_id"), text(i, "name"), text(i, "arguments"))).collect()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn assemble(events: &[ModelEvent], failure: Option<AdapterError>) -> Turn {
    let mut turn = Turn { failure, ..Turn::default() };
    let mut open: Option<(u32, Value)> = None;
    for event in events {
        let (block, kind) = match event {
            ModelEvent::TextDelta { block, .. } => (*block, json!({"type": "message", "role": "assistant"})),
            ModelEvent::RefusalDelta { block, .. } => {
                (*block, json!({"type": "message", "role": "assistant"}))
            }
            ModelEvent::ReasoningDelta { block, .. }
            | ModelEvent::SummaryDelta { block, .. }
            | ModelEvent::ReasoningSealed { block, .. } => {
                (*block, json!({"type": "reasoning", "summary": []}))
            }
            ModelEvent::ToolCallStart { block, call_id, name, .. } => {
                (*block, json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": ""}))
            }
            ModelEvent::ToolArgsDelta { block, .. } | ModelEvent::Annotation { block, .. } => {
                (*block, json!(null))
            }
            ModelEvent::BlockDone { block, complete } => {
                let (open_block, item) = open.take().expect("an open block");
                assert_eq!(open_block, *block);
                turn.incomplete += usize::from(!complete);
                turn.items.push(item);
                continue;
            }
            ModelEvent::Usage(usage) => {
                turn.usage = *usage;
                continue;
            }
            ModelEvent::Finished { reason } => {
                assert_eq!(turn.finish.replace(*reason), None, "finished twice");
                continue;
            }
            other => panic!("the demo provider does not send {other:?}"),
        };
        let (open_block, item) = open.get_or_insert((block, kind));
        assert_eq!(*open_block, block, "blocks do not interleave");
        match event {
            ModelEvent::TextDelta { text, logprobs, .. } => {
                assert!(!text.is_empty());
                grow(item, "content", "output_text", "text", text);
                let entries = logprobs.iter().map(|l| (l.token.clone(), l.top_logprobs.len()));
                turn.logprobs.extend(entries);
            }
            ModelEvent::RefusalDelta { text, .. } => {
                grow(item, "content", "refusal", "refusal", text);
            }
            ModelEvent::ReasoningDelta { text, .. } => {
                grow(item, "content", "reasoning_text", "text", text);
            }
            ModelEvent::SummaryDelta { text, .. } => {
                grow(item, "summary", "summary_text", "text", text);
            }
            ModelEvent::ReasoningSealed { encrypted_content, .. } => {
                item["encrypted_content"] = json!(encrypted_content);
            }
            ModelEvent::ToolArgsDelta { delta, .. } => append(&mut item["arguments"], delta),
            ModelEvent::Annotation { annotation, .. } => {
                let value = serde_json::to_value(annotation).unwrap();
                let span = |key: &str| value[key].as_u64().unwrap();
                turn.citations.push((text(&value, "title").into(), span("start_index"), span("end_index")));
            }
            _ => {}
        }
    }
    if let Some((_, item)) = open {
        turn.incomplete += 1;
        turn.items.push(item);
    }
    turn
}

/// Adds to the only part of a list in an item.
fn grow(item: &mut Value, list: &str, kind: &str, key: &str, delta: &str) {
    if item[list].as_array().is_none_or(Vec::is_empty) {
        item[list] = json!([{"type": kind, key: ""}]);
    }
    append(&mut item[list][0][key], delta);
}

fn append(text: &mut Value, delta: &str) {
    *text = json!(text.as_str().unwrap_or_default().to_owned() + delta);
}

/// Makes the request, and gives the upstream's answer with the adapter's notes.
pub(super) fn call(body: &Value) -> (DemoAnswer, Vec<Note>, bool) {
    let body = CreateResponseBody::from_value(body.clone()).unwrap();
    let demo = Demo::new(&ProviderOptions::default()).unwrap();
    let call = demo.request(&request_of(&body)).unwrap();
    assert_eq!((call.path.as_str(), call.stream), ("/demo", body.stream));
    (respond(&call.path, &call.body), call.notes, call.stream)
}

pub(super) fn request_of(body: &CreateResponseBody) -> ModelRequest<'_> {
    ModelRequest {
        model: body.model.as_deref().unwrap(),
        context: &body.input,
        settings: &body.settings,
        stream: body.stream,
    }
}

/// Translates an answer whose bytes come in pieces of at most `piece`.
pub(super) fn translate(body: &Value, answer: &DemoAnswer, stream: bool, piece: usize) -> Turn {
    let demo = Demo::new(&ProviderOptions::default()).unwrap();
    let bytes: Vec<u8> = answer.steps.iter().flat_map(|s| s.bytes.clone()).collect();
    if answer.status != 200 {
        let error = demo.error(answer.status, answer.retry_after_s, &bytes);
        return Turn { failure: Some(AdapterError::Upstream(error)), ..Turn::default() };
    }
    let body = CreateResponseBody::from_value(body.clone()).unwrap();
    let mut translator = demo.translator(&request_of(&body));
    let mut out = Vec::new();
    let mut run = || {
        if !stream {
            return translator.unary(&bytes, &mut out);
        }
        let mut decoder = FrameDecoder::new(demo.framing());
        for chunk in bytes.chunks(piece) {
            decoder.feed(chunk);
            while let Some(frame) = decoder.next()? {
                translator.push(frame, &mut out)?;
            }
        }
        decoder.close();
        while let Some(frame) = decoder.next()? {
            translator.push(frame, &mut out)?;
        }
        translator.finish(decoder.stray(), &mut out)
    };
    let failure = run().err();
    assemble(&out, failure)
}

/// Runs the request as a stream in several splits and as a unary call: all have the same meaning.
#[track_caller]
pub(super) fn run(mut body: Value) -> Turn {
    body["stream"] = json!(true);
    let (streamed, _, stream) = call(&body);
    let turn = translate(&body, &streamed, stream, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(translate(&body, &streamed, stream, piece), turn);
    }
    body["stream"] = json!(false);
    let (unary, _, stream) = call(&body);
    assert_eq!(translate(&body, &unary, stream, 1), turn);
    turn
}

pub(super) fn ask(model: &str, text: &str) -> Turn {
    run(json!({"model": model, "input": text}))
}

#[track_caller]
pub(super) fn assert_failure(turn: &Turn, kind: UpstreamErrorKind, status: Option<u16>) {
    let Some(AdapterError::Upstream(error)) = &turn.failure else { panic!("no failure in {turn:?}") };
    assert_eq!((error.kind, error.status, turn.finish), (kind, status, None));
}
