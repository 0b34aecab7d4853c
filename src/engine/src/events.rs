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
    /// How many events of each type since somebody asked. The last one is most often the next one too.
    counts: Vec<(&'static str, u64)>,
}

/// Events of hosted tools that have a name of their own in the counts. Those that a provider invents are `other`.
const HOSTED: [&str; 24] = [
    "response.code_interpreter_call.completed",
    "response.code_interpreter_call.in_progress",
    "response.code_interpreter_call.interpreting",
    "response.code_interpreter_call_code.delta",
    "response.code_interpreter_call_code.done",
    "response.file_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.image_generation_call.completed",
    "response.image_generation_call.generating",
    "response.image_generation_call.in_progress",
    "response.image_generation_call.partial_image",
    "response.mcp_call.completed",
    "response.mcp_call.failed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_list_tools.completed",
    "response.mcp_list_tools.failed",
    "response.mcp_list_tools.in_progress",
    "response.output_text.annotation.added",
    "response.web_search_call.completed",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
];

impl EventWriter {
    pub(crate) fn new(streaming: bool, reasoning: ReasoningEvents) -> Self {
        Self { frames: Vec::new(), next: 0, written: 0, streaming, reasoning, counts: Vec::new() }
    }

    /// Takes out how many events of each type were written since the last time.
    pub(crate) fn take_counts(&mut self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut self.counts)
    }

    fn count(&mut self, name: &'static str) {
        // There are some ten of them.
        match self.counts.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((name, 1)),
        }
    }

    pub(crate) fn emit(&mut self, name: &'static str, body: EventBody<'_>) {
        if self.write(name, body) {
            self.count(name);
        }
    }

    /// An event whose name comes from a provider.
    pub(crate) fn emit_hosted(&mut self, name: &str, body: EventBody<'_>) {
        if self.write(name, body) {
            self.count(HOSTED.into_iter().find(|known| *known == name).unwrap_or("other"));
        }
    }

    fn write(&mut self, name: &str, body: EventBody<'_>) -> bool {
        if !self.streaming {
            return false;
        }
        let event = StreamEvent { name, sequence_number: self.next, body };
        // Our types have string keys and finite numbers only, so this does not fail; were it to, the
        // number is not used up and the stream stays gapless.
        let before = self.frames.len();
        let written = write_frame(&mut self.frames, &event).is_ok();
        if written {
            self.next += 1;
            self.written += (self.frames.len() - before) as u64;
        }
        written
    }

    /// An event around a response object.
    pub(crate) fn response(&mut self, name: &'static str, response: &RawValue) {
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
        self.count(name);
    }

    /// The terminal event, and the end of the stream.
    pub(crate) fn finish(&mut self, name: &'static str, response: &RawValue) {
        self.response(name, response);
        if self.streaming {
            self.frames.extend_from_slice(DONE.as_bytes());
        }
    }
}
