//! Numbers events and writes their frames.

use or_protocol::{DONE, EventBody, StreamEvent, escape_breaks, write_frame};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Names of the raw-reasoning events (rules 12.9): the spec's, or OpenAI's. Never both in one stream.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEvents {
    /// `response.reasoning.delta` / `.done`.
    #[default]
    Spec,
    /// `response.reasoning_text.delta` / `.done`.
    OpenAi,
}

impl ReasoningEvents {
    pub(crate) fn delta(self) -> &'static str {
        match self {
            Self::Spec => "response.reasoning.delta",
            Self::OpenAi => "response.reasoning_text.delta",
        }
    }

    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Spec => "response.reasoning.done",
            Self::OpenAi => "response.reasoning_text.done",
        }
    }
}

/// Writes frames into a buffer, or nothing at all for a unary answer.
#[derive(Debug)]
pub(crate) struct EventWriter {
    pub(crate) frames: Vec<u8>,
    pub(crate) next: u64,
    /// Bytes of all frames so far.
    pub(crate) written: u64,
    streaming: bool,
    pub(crate) reasoning: ReasoningEvents,
}

impl EventWriter {
    pub(crate) fn new(streaming: bool, reasoning: ReasoningEvents) -> Self {
        Self { frames: Vec::new(), next: 0, written: 0, streaming, reasoning }
    }

    pub(crate) fn emit(&mut self, name: &str, body: EventBody<'_>) {
        if !self.streaming {
            return;
        }
        let event = StreamEvent { name, sequence_number: self.next, body };
        // Our types have string keys and finite numbers only, so this does not fail; were it to, the
        // number is not used up and the stream stays gapless.
        let before = self.frames.len();
        if write_frame(&mut self.frames, &event).is_ok() {
            self.next += 1;
            self.written += (self.frames.len() - before) as u64;
        }
    }

    /// An event around a response object.
    pub(crate) fn response(&mut self, name: &str, response: &RawValue) {
        if !self.streaming {
            return;
        }
        let head = format!(
            "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{},\"response\":",
            self.next
        );
        let before = self.frames.len();
        self.frames.reserve(head.len() + response.get().len() + 24);
        self.frames.extend_from_slice(head.as_bytes());
        let start = self.frames.len();
        self.frames.extend_from_slice(response.get().as_bytes());
        escape_breaks(&mut self.frames, start);
        self.frames.extend_from_slice(b"}\n\n");
        self.written += (self.frames.len() - before) as u64;
        self.next += 1;
    }

    /// The terminal event, and the end of the stream.
    pub(crate) fn finish(&mut self, name: &str, response: &RawValue) {
        self.response(name, response);
        if self.streaming {
            self.frames.extend_from_slice(DONE.as_bytes());
        }
    }
}
