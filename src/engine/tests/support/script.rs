//! Short words for model events.

use or_adapters::{CallKind, FinishReason, ModelEvent};
use or_engine::Input;
use or_protocol::{Annotation, ApiError, ErrorKind, LogProb, Phase, Usage};
use serde_json::{Map, Value};

pub fn text(block: u32, text: &str) -> ModelEvent {
    ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() }
}

pub fn likely(block: u32, token: &str) -> ModelEvent {
    let logprob = LogProb {
        token: token.into(),
        logprob: -0.5,
        bytes: token.as_bytes().to_vec(),
        top_logprobs: Vec::new(),
    };
    ModelEvent::TextDelta { block, text: token.into(), logprobs: vec![logprob] }
}

pub fn message(block: u32, phase: Option<Phase>) -> ModelEvent {
    ModelEvent::MessageStart { block, phase }
}

pub fn refusal(block: u32, text: &str) -> ModelEvent {
    ModelEvent::RefusalDelta { block, text: text.into() }
}

pub fn citation(block: u32, url: &str, start_index: u64, end_index: u64) -> ModelEvent {
    let annotation =
        Annotation::UrlCitation { url: url.into(), title: "Example".into(), start_index, end_index };
    ModelEvent::Annotation { block, annotation }
}

pub fn trace(block: u32, text: &str) -> ModelEvent {
    ModelEvent::ReasoningDelta { block, text: text.into() }
}

pub fn digest(block: u32, text: &str) -> ModelEvent {
    ModelEvent::SummaryDelta { block, text: text.into() }
}

pub fn sealed(block: u32, text: &str) -> ModelEvent {
    ModelEvent::ReasoningSealed { block, encrypted_content: text.into() }
}

pub fn call(block: u32, call_id: &str, name: &str) -> ModelEvent {
    call_of(block, call_id, name, CallKind::Function)
}

/// A call to which the provider gave no id.
pub fn call_without_id(block: u32, name: &str) -> ModelEvent {
    let (name, namespace, kind) = (name.to_owned(), None, CallKind::Function);
    ModelEvent::ToolCallStart { block, call_id: None, name, namespace, kind, extra: or_protocol::Extra::NONE }
}

pub fn call_of(block: u32, call_id: &str, name: &str, kind: CallKind) -> ModelEvent {
    let call_id = Some(call_id.to_owned());
    ModelEvent::ToolCallStart {
        block,
        call_id,
        name: name.into(),
        namespace: None,
        kind,
        extra: or_protocol::Extra::NONE,
    }
}

pub fn args(block: u32, delta: &str) -> ModelEvent {
    ModelEvent::ToolArgsDelta { block, delta: delta.into() }
}

pub fn hosted(block: u32, item: Value, done: bool) -> ModelEvent {
    ModelEvent::HostedItem { block, item: object(item), done }
}

pub fn hosted_event(block: u32, event: Value) -> ModelEvent {
    ModelEvent::HostedEvent { block, event: object(event) }
}

pub fn part_done(block: u32) -> ModelEvent {
    ModelEvent::PartDone { block }
}

pub fn done(block: u32) -> ModelEvent {
    ModelEvent::BlockDone { block, complete: true }
}

pub fn usage(input: u64, output: u64) -> ModelEvent {
    ModelEvent::Usage(Usage::new(input, output, None, 1, 2))
}

pub fn finish(reason: FinishReason) -> ModelEvent {
    ModelEvent::Finished { reason }
}

pub fn stop() -> ModelEvent {
    finish(FinishReason::Stop)
}

/// The provider went away in the middle of its answer.
pub fn broken() -> Input {
    let text = "The model backend closed the stream.";
    Input::Failed(ApiError::new(ErrorKind::Model, text).with_code("upstream_disconnected"))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
