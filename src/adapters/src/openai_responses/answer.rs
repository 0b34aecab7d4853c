//! The stream: events are told apart by the `type` in their data, items by their ids and places (`blocks`).

mod beside;
mod blocks;
mod calls;
mod machine;
mod matching;
mod parts;
mod reading;
mod texts;

use serde_json::Value;
use serde_json::value::RawValue;

use self::beside::beside;
use self::blocks::{BlockKind, Place};
use self::machine::Machine;
use self::parts::PartKind;
use self::reading::{annotation, ascii, finish_reason};
use super::error;
use super::quirks::Quirks;
use super::wire::{DeltaEvent, Ended, Event, KIND, Response, parse, says_something, string};
use crate::framing::lossy;
use crate::shared::lenient::{self, Count, Word};
use crate::{
    AdapterError, CallKind, FinishReason, Frame, ModelEvent, ModelRequest, Note, ResponseTranslator,
    UpstreamErrorKind,
};

/// Snapshots of a response that has only begun, and empty parts: they say nothing new.
const NOTHING_NEW: [&str; 6] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.content_part.added",
    "response.reasoning_part.added",
    "response.reasoning_summary_part.added",
];

const TERMINAL: [&str; 5] =
    ["response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"];

/// The type of an event where it is the first member, as OpenAI writes it. Whole responses need not be read to learn it.
fn leading_type(data: &str) -> &str {
    data.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next()).unwrap_or_default()
}

/// One answer, streamed or unary.
#[derive(Debug)]
pub(super) struct AnswerTranslator {
    machine: Machine,
    /// A terminal event or an error has come; all that follows is ignored.
    ended: bool,
}

impl AnswerTranslator {
    pub(super) fn new(_quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        let machine = Machine::new(request.model, request.settings.wants_logprobs());
        Self { machine, ended: false }
    }

    /// The hot path. False if the event is not a delta of a modelled item.
    fn delta(&mut self, frame: &Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<bool, AdapterError> {
        let mut mended = String::new();
        let mut event: DeltaEvent<'_> = frame.parse_in(KIND, &mut mended)?;
        if event.kind.is_empty() {
            event.kind = Word(frame.event.into());
        }
        let (part, call) = match event.kind.as_str() {
            "response.output_text.delta" => (Some(PartKind::Text), None),
            "response.function_call_arguments.delta" => (None, Some(CallKind::Function)),
            "response.reasoning_summary_text.delta" => (Some(PartKind::Summary), None),
            "response.reasoning_text.delta" | "response.reasoning.delta" => (Some(PartKind::Raw), None),
            "response.custom_tool_call_input.delta" => (None, Some(CallKind::Custom)),
            "response.refusal.delta" => (Some(PartKind::Refusal), None),
            _ => return Ok(false),
        };
        let place = Place { id: event.item_id.as_str(), index: event.output_index.narrow() };
        let text = event.delta.into_text();
        if let Some(kind) = part {
            let (index, logprobs) = match kind {
                PartKind::Text => (event.content_index, self.machine.logprobs(event.logprobs)),
                PartKind::Refusal | PartKind::Raw => (event.content_index, Vec::new()),
                PartKind::Summary => (event.summary_index, Vec::new()),
            };
            self.machine.text(place, kind, index.narrow(), text, logprobs, out);
        } else if let Some(kind) = call {
            self.machine.payload(place, kind, &text, out);
        }
        self.within_bounds().map(|()| true)
    }

    /// Looking for an item costs as much as there are items that are open.
    fn within_bounds(&mut self) -> Result<(), AdapterError> {
        if self.machine.blocks.are_too_many() {
            self.ended = true;
            return Err(AdapterError::BadFrame { provider: KIND, what: "too many items".into() });
        }
        Ok(())
    }

    fn text_done(&mut self, kind: PartKind, index: Count, event: &Event<'_>, out: &mut Vec<ModelEvent>) {
        let whole = if kind == PartKind::Refusal { event.refusal.or(event.text) } else { event.text };
        let logprobs = match kind {
            PartKind::Text => self.machine.logprobs(event.logprobs),
            PartKind::Refusal | PartKind::Summary | PartKind::Raw => Vec::new(),
        };
        let whole = whole.map(string).unwrap_or_default();
        self.machine.text_done(event.place(), kind, index.narrow(), &whole, logprobs, out);
    }

    fn part_done(
        &mut self,
        kind: PartKind,
        index: Count,
        event: &Event<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        match event.part {
            Some(part) => self.machine.part_done(event.place(), kind, index.narrow(), part, out),
            None => {
                self.machine.end_open_part(event.place(), kind, index.narrow(), out);
                Ok(())
            }
        }
    }

    /// The kind of part that a content event without further sign is about.
    fn content_kind(&self, event: &Event<'_>) -> PartKind {
        match self.machine.blocks.kind_at(event.place()) {
            Some(BlockKind::Reasoning) => PartKind::Raw,
            _ => PartKind::Text,
        }
    }

    fn payload_done(
        &mut self,
        kind: CallKind,
        payload: Option<&RawValue>,
        event: &Event<'_>,
        out: &mut Vec<ModelEvent>,
    ) {
        let whole = payload.map(string).unwrap_or_default();
        self.machine.payload_done(event.place(), kind, &whole, out);
    }

    fn end(&mut self, kind: &str, data: &str, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.ended = true;
        let mut mended = String::new();
        let response = parse::<Ended<'_>>(data, &mut mended)?.response.0.unwrap_or_default();
        let status = response.status.as_str();
        let reason = match (kind, status) {
            ("response.failed", _) | (_, "failed") => {
                beside(&response, out);
                return Err(told(data).unwrap_or(failed("The model provider reported a failed response.")));
            }
            ("response.cancelled", _) | (_, "cancelled") => {
                beside(&response, out);
                return Err(told(data).unwrap_or(failed("The model provider cancelled the response.")));
            }
            ("response.incomplete", _) | (_, "incomplete") => finish_reason(&response, out),
            (_, status) => plain_end(status, out),
        };
        let reason = self.machine.end(&response, reason, out)?;
        out.push(ModelEvent::Finished { reason });
        Ok(())
    }

    fn fail(&mut self, data: &str) -> AdapterError {
        self.ended = true;
        error::TABLE.inside(data)
    }
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended || frame.data.is_empty() || frame.data == "[DONE]" {
            return Ok(());
        }
        match leading_type(frame.data) {
            kind if NOTHING_NEW.contains(&kind) => return Ok(()),
            kind if TERMINAL.contains(&kind) => return self.end(kind, frame.data, out),
            _ => {}
        }
        // The data says what it is; the `event:` line, where there is one, says how to read it at first.
        let likely = frame.event.is_empty() || frame.event.ends_with(".delta");
        if likely && self.delta(&frame, out)? {
            return Ok(());
        }
        let mut mended = String::new();
        let mut event: Event<'_> = frame.parse_in(KIND, &mut mended)?;
        if event.kind.is_empty() {
            event.kind = Word(frame.event.into());
        }
        if !likely && event.kind.as_str().ends_with(".delta") && self.delta(&frame, out)? {
            return Ok(());
        }
        let kind = event.kind.as_str();
        let (content, summary) = (event.content_index, event.summary_index);
        match kind {
            "response.output_item.added" => {
                if let Some(item) = event.item {
                    self.machine.item_added(event.place(), item, out)?;
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item {
                    self.machine.item_done(event.place(), item, out)?;
                }
            }
            "response.output_text.done" => self.text_done(PartKind::Text, content, &event, out),
            "response.refusal.done" => self.text_done(PartKind::Refusal, content, &event, out),
            "response.reasoning_text.done" | "response.reasoning.done" => {
                self.text_done(PartKind::Raw, content, &event, out);
            }
            "response.reasoning_summary_text.done" => {
                self.text_done(PartKind::Summary, summary, &event, out);
            }
            "response.function_call_arguments.done" => {
                self.payload_done(CallKind::Function, event.arguments, &event, out);
            }
            "response.custom_tool_call_input.done" => {
                self.payload_done(CallKind::Custom, event.input, &event, out);
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = event.annotation.and_then(annotation) {
                    self.machine.annotation(event.place(), content.narrow(), annotation, out);
                }
            }
            "response.content_part.done" => {
                let kind = self.content_kind(&event);
                self.part_done(kind, content, &event, out)?;
            }
            "response.reasoning_part.done" => self.part_done(PartKind::Raw, content, &event, out)?,
            "response.reasoning_summary_part.done" => {
                self.part_done(PartKind::Summary, summary, &event, out)?;
            }
            kind if NOTHING_NEW.contains(&kind) => {}
            kind if TERMINAL.contains(&kind) => self.end(kind, frame.data, out)?,
            "error" | "response.error" => return Err(self.fail(frame.data)),
            "" => {
                if is_error(&parse::<Value>(frame.data, &mut String::new())?) {
                    return Err(self.fail(frame.data));
                }
            }
            _ => self.machine.hosted_event(&event, frame.data, out)?,
        }
        self.within_bounds()
    }

    fn finish(&mut self, stray: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended {
            return Ok(());
        }
        Err(error::TABLE.stray(stray).unwrap_or(AdapterError::Truncated { provider: KIND }))
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.ended = true;
        let text = lossy(body);
        let mut mended = String::new();
        let response: Response<'_> = parse(&text, &mut mended)?;
        if response.error.is_some_and(|error| says_something(error.get())) {
            beside(&response, out);
            return Err(told(&text).unwrap_or(failed("The model provider reported a failed response.")));
        }
        if response.output.is_none() && response.status.is_empty() {
            let bad = AdapterError::BadFrame { provider: KIND, what: "a body without output".into() };
            return Err(error::TABLE.found(&text).unwrap_or(bad));
        }
        let words = match response.status.as_str() {
            "failed" => Some("The model provider reported a failed response."),
            "cancelled" => Some("The model provider cancelled the response."),
            "queued" | "in_progress" => Some("The model provider answered before the response was finished."),
            _ => None,
        };
        if let Some(words) = words {
            beside(&response, out);
            return Err(told(&text).unwrap_or(failed(words)));
        }
        let reason = match response.status.as_str() {
            "incomplete" => finish_reason(&response, out),
            status => plain_end(status, out),
        };
        let reason = self.machine.end(&response, reason, out)?;
        out.push(ModelEvent::Finished { reason });
        Ok(())
    }
}

/// The end of a response that says nothing against it.
fn plain_end(status: &str, out: &mut Vec<ModelEvent>) -> FinishReason {
    if !matches!(status, "" | "completed" | "in_progress") {
        let why = format!("status {:?} was taken as a plain end", ascii(status));
        out.push(ModelEvent::Note(Note::dropped("status", why)));
    }
    FinishReason::Stop
}

/// Where a failed response, or the event around it, may name its error.
const ERRORS: [&str; 5] = ["/error", "/status_details/error", "/last_error", "/incomplete_details/error", ""];

/// The error that a failed response names, wherever it does.
fn told(data: &str) -> Option<AdapterError> {
    let value: Value = lenient::owned(data)?;
    let said = |place: String| {
        let error = value.pointer(&place)?.to_string();
        if says_something(&error) { error::TABLE.found(&error) } else { None }
    };
    ERRORS.iter().flat_map(|place| ["/response", ""].map(|around| format!("{around}{place}"))).find_map(said)
}

/// An answer that the provider ended with a failure but without an error object.
fn failed(message: &str) -> AdapterError {
    AdapterError::failed(UpstreamErrorKind::Server, message)
}

/// Whether an object is an error rather than anything else.
fn is_error(value: &Value) -> bool {
    let has = |key| value.get(key).is_some_and(|v| !v.is_null());
    has("error") || has("detail") || has("message")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn translator() -> AnswerTranslator {
        let settings = or_protocol::Settings::default();
        let request = ModelRequest { model: "m", context: &[], settings: &settings, stream: true };
        AnswerTranslator::new(&Quirks::default(), &request)
    }

    #[test]
    fn the_data_says_what_an_event_is_whatever_its_line_says() {
        let events = [
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}"#,
            r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a"}"#,
            r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"ab"}"#,
            r#"{"type":"response.completed","response":{"status":"completed"}}"#,
        ];
        let run = |line: &str| {
            let mut translator = translator();
            let mut out = Vec::new();
            for data in events {
                translator.push(Frame { event: line, data }, &mut out).unwrap();
            }
            out
        };
        let want = run("");
        assert_eq!(want.len(), 4, "{want:?}");
        assert_eq!(run("response.output_text.delta"), want);
        assert_eq!(run("response.output_text.done"), want);
        assert_eq!(run("message"), want);
    }

    #[test]
    fn the_type_of_an_event_may_stand_anywhere() {
        let run = |created: &str, completed: &str| {
            let mut translator = translator();
            let mut out = Vec::new();
            for data in [created, completed] {
                translator.push(Frame { event: "", data }, &mut out).unwrap();
            }
            out
        };
        let want = run(
            r#"{"type":"response.created","response":{"status":"in_progress"}}"#,
            r#"{"type":"response.incomplete","response":{"status":"incomplete","usage":{"input_tokens":3}}}"#,
        );
        assert_eq!(want.len(), 3, "{want:?}");
        let elsewhere = run(
            r#"{ "response":{"status":"in_progress"}, "type" : "response.created"}"#,
            r#"{"response":{"status":"incomplete","usage":{"input_tokens":3}},"type":"response.incomplete"}"#,
        );
        assert_eq!(elsewhere, want);
    }
}
