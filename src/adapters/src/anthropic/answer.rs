//! The provider's answer as a state machine; a unary answer has the same blocks as a stream, each of them whole.
//!
//! Content blocks come one after another. Text blocks that stand together, or have only tools of the provider's between
//! them that make no items, are one message. A block's item is closed when the next one begins or at the end,
//! since only the end tells whether the last one was cut off.

mod citations;
mod deltas;
mod open;
mod reading;
mod server;
mod server_call;

use std::collections::HashSet;

use or_protocol::{Extra, Usage};

use self::open::{Kind, Open};
use self::reading::{block, blocks};
use super::error;
use super::quirks::Quirks;
use super::request::{self, Asked};
use super::wire::{
    AnswerBlock, Delta, EventKind, KIND, MessageBody, OutputDetails, StopDetails, StreamEvent, UsageCounts,
};
use crate::framing::lossy;
use crate::shared::lenient::{self, Count, Lenient, Text, Word};
use crate::{
    AdapterError, CallKind, FinishReason, Frame, ModelEvent, ModelRequest, Note, ResponseTranslator,
};

/// One answer, as a stream or whole.
#[derive(Debug, Default)]
pub(super) struct AnswerTranslator {
    asked: Asked,
    next_block: u32,
    open: Vec<Open>,
    /// Blocks of the provider's own tools that no item holds yet, in their order.
    blocks: Vec<String>,
    /// Id of the message, once it began.
    message: Option<String>,
    /// How many blocks began, and the index of the last one.
    begun: u64,
    last_index: u64,
    /// Indices of blocks that make no item.
    passed_over: HashSet<u64>,
    usage: UsageCounts<'static>,
    tier: Option<String>,
    stop_reason: Option<String>,
    /// Why the model declined, in its provider's words.
    explanation: Option<String>,
    noted_tools: bool,
    noted_citations: bool,
    finished: bool,
}

impl AnswerTranslator {
    pub(super) fn new(quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        Self { asked: request::asked(quirks, request), ..Self::default() }
    }

    /// The index of a block that begins. Without one it is its place.
    fn begin(&mut self, index: Count) -> u64 {
        self.last_index = index.0.unwrap_or(self.begun);
        self.begun = self.begun.saturating_add(1);
        self.passed_over.remove(&self.last_index);
        self.last_index
    }

    /// A content block begins. A unary answer's block is whole, a stream's is filled by deltas.
    fn start(&mut self, index: u64, block: AnswerBlock<'_>, out: &mut Vec<ModelEvent>) {
        let of_server = block.kind.as_str() == "server_tool_use" || server::is_result(block.kind.as_str());
        if !of_server {
            self.keep_blocks(out);
        }
        match block.kind.as_str() {
            "server_tool_use" if self.asked.shown.any() => self.start_server(index, block, out),
            kind if server::is_result(kind) && self.asked.shown.any() => {
                self.server_result(index, &block, out)
            }
            "text" => {
                self.start_text(index, out);
                let delta = Delta { text: block.text, ..Delta::default() };
                self.known_delta(index, delta, out);
                block.citations.0.into_iter().for_each(|citation| self.cite(index, citation, out));
            }
            "thinking" => {
                self.start_item(index, Kind::Thinking { text: String::new(), signature: String::new() }, out);
                let (thinking, signature) = (block.thinking, block.signature);
                self.known_delta(index, Delta { thinking, signature, ..Delta::default() }, out);
            }
            "redacted_thinking" => {
                self.start_item(index, Kind::Redacted { data: block.data.0.into_owned() }, out);
            }
            "tool_use" => self.start_call(index, block, out),
            other => {
                self.passed_over.insert(index);
                self.note_tools(other, out);
            }
        }
    }

    /// A content block ends; the item stays open.
    fn stop(&mut self, index: u64, out: &mut Vec<ModelEvent>) {
        let Some(at) = self.open.iter().rposition(|open| open.index == index) else { return };
        self.end_server_block(at, out);
        if let Some(open) = self.open.get_mut(at) {
            open.end_block(out);
        }
    }

    /// Takes a usage report in. What it counts grows, so a smaller number is none.
    fn count(&mut self, new: UsageCounts<'_>, out: &mut Vec<ModelEvent>) {
        let usage = &mut self.usage;
        usage.input_tokens = usage.input_tokens.max(new.input_tokens);
        usage.cache_creation_input_tokens =
            usage.cache_creation_input_tokens.max(new.cache_creation_input_tokens);
        usage.cache_read_input_tokens = usage.cache_read_input_tokens.max(new.cache_read_input_tokens);
        usage.output_tokens = usage.output_tokens.max(new.output_tokens);
        let thinking = |counts: &UsageCounts<'_>| counts.output_tokens_details.0.map(|d| d.thinking_tokens);
        let thinking = thinking(usage).unwrap_or_default().max(thinking(&new).unwrap_or_default());
        usage.output_tokens_details.0 = Some(OutputDetails { thinking_tokens: thinking });
        let cached = usage.cache_read_input_tokens.or_zero();
        let written = usage.cache_creation_input_tokens.or_zero();
        let input = usage.input_tokens.or_zero().saturating_add(cached).saturating_add(written);
        let output = usage.output_tokens.or_zero();
        let counts = Usage::new(input, output, None, cached, thinking.or_zero());
        out.push(ModelEvent::Usage(counts.with_cache_writes(written)));
        if let Some(tier) = new.service_tier.some()
            && self.tier.as_ref() != Some(&tier)
        {
            let word = if tier == "standard" { "default" } else { tier.as_str() };
            out.push(ModelEvent::ServiceTier(word.to_owned()));
            self.tier = Some(tier);
        }
    }

    /// Takes the reason of the end in.
    fn reason(&mut self, reason: Word<'_>, details: Lenient<StopDetails<'_>>) {
        self.stop_reason = reason.some().or(self.stop_reason.take());
        let explanation = details.0.and_then(|details| details.explanation.some());
        self.explanation = explanation.or(self.explanation.take());
    }

    /// The message is over.
    fn end(&mut self, out: &mut Vec<ModelEvent>) {
        if self.finished {
            return;
        }
        self.finished = true;
        let reason = match self.stop_reason.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => FinishReason::MaxOutputTokens,
            Some("refusal") => FinishReason::ContentFilter,
            Some("pause_turn") => FinishReason::Pause,
            // Words that nobody knows: the provider says that the message is over.
            _ => FinishReason::Stop,
        };
        self.end_server(matches!(reason, FinishReason::Stop | FinishReason::Pause), out);
        if reason == FinishReason::ContentFilter {
            self.refuse(out);
        }
        let last = self.open.len().saturating_sub(1);
        for (i, open) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let complete = i != last || reason != FinishReason::MaxOutputTokens;
            open.close(complete, &self.asked, out);
        }
        out.push(ModelEvent::Finished { reason });
    }

    fn refuse(&mut self, out: &mut Vec<ModelEvent>) {
        let text = self.explanation.take().unwrap_or_else(|| "The model declined to answer.".to_owned());
        self.close_ended(true, out);
        let block = match self.open.last_mut() {
            Some(Open { kind: Kind::Message { opened, .. }, block, .. }) => {
                *opened = true;
                *block
            }
            _ => {
                let block = self.push(0, Kind::message());
                if let Some(Open { kind: Kind::Message { opened, .. }, .. }) = self.open.last_mut() {
                    *opened = true;
                }
                block
            }
        };
        out.push(ModelEvent::RefusalDelta { block, text });
    }

    fn start_text(&mut self, index: u64, out: &mut Vec<ModelEvent>) {
        self.close_ended(true, out);
        match self.open.last_mut() {
            Some(open) if open.ended && matches!(open.kind, Kind::Message { .. }) => {
                open.begin_block(index);
            }
            _ => {
                self.push(index, Kind::message());
            }
        }
    }

    fn start_call(&mut self, index: u64, block: AnswerBlock<'_>, out: &mut Vec<ModelEvent>) {
        let name = block.name.0.into_owned();
        let whole = block.input.map(|raw| lenient::object_text(raw.get()));
        let whole = whole.filter(|json| !matches!(json.as_ref(), "{}" | "null" | ""));
        if self.asked.answer_tool.as_ref() == Some(&name) {
            self.start_item(index, Kind::Answer { any: false }, out);
        } else {
            let id = block.id.some();
            let block = self.start_item(index, Kind::Call { any: false }, out);
            out.push(ModelEvent::ToolCallStart {
                block,
                call_id: id,
                name: self.asked.names.restore(name),
                namespace: None,
                kind: CallKind::Function,
                extra: Extra::NONE,
            });
        }
        if let Some(json) = whole {
            let delta = Delta { partial_json: Text(json), ..Delta::default() };
            self.known_delta(index, delta, out);
        }
    }

    fn start_item(&mut self, index: u64, kind: Kind, out: &mut Vec<ModelEvent>) -> u32 {
        self.close_ended(false, out);
        self.push(index, kind)
    }

    fn push(&mut self, index: u64, kind: Kind) -> u32 {
        let block = self.next_number();
        self.open.push(Open { index, block, ended: false, kind });
        block
    }

    fn next_number(&mut self) -> u32 {
        let block = self.next_block;
        self.next_block = self.next_block.saturating_add(1);
        block
    }

    /// Closes what the provider has ended; `keep_message` leaves a message at the end open.
    fn close_ended(&mut self, keep_message: bool, out: &mut Vec<ModelEvent>) {
        let last = self.open.len().saturating_sub(1);
        for (i, open) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let kept = keep_message && i == last && matches!(open.kind, Kind::Message { .. });
            if open.is_over() && !kept {
                open.close(true, &self.asked, out);
            } else {
                self.open.push(open);
            }
        }
    }

    fn note_tools(&mut self, kind: &str, out: &mut Vec<ModelEvent>) {
        if !self.noted_tools {
            self.noted_tools = true;
            let kind: String =
                kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect();
            out.push(ModelEvent::Note(Note::dropped(
                "output",
                format!("{kind} and other blocks of the provider's own tools do not become items"),
            )));
        }
    }

    /// A message begins. A second one is a proxy that tries again: what the first one put out cannot be taken back, so
    /// unless it was whole the answer is lost. False: the first one was whole.
    fn begin_message(&mut self, id: Word<'_>, out: &mut Vec<ModelEvent>) -> Result<bool, AdapterError> {
        let again = self.message.as_ref().is_some_and(|first| *first != id.as_str());
        self.message = Some(id.0.into_owned());
        if again && self.stop_reason.is_some() {
            self.end(out);
            return Ok(false);
        }
        if again && self.begun > 0 {
            return Err(AdapterError::Truncated { provider: KIND });
        }
        Ok(true)
    }

    fn event(&mut self, event: StreamEvent<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let index = event.index.0.unwrap_or(self.last_index);
        match event.kind {
            EventKind::ContentBlockDelta => {
                let Some(mut delta) = event.delta.0 else { return Ok(()) };
                if let Some(citation) = delta.citation.0.take() {
                    self.cite(index, citation, out);
                }
                self.delta(index, delta, out)?;
            }
            EventKind::ContentBlockStart => {
                let Some(raw) = event.content_block else { return Ok(()) };
                let mut mended = String::new();
                let block = block(raw, &mut mended)?;
                let index = self.begin(event.index);
                self.start(index, block, out);
            }
            EventKind::ContentBlockStop => self.stop(index, out),
            EventKind::MessageStart => {
                let Some(message) = event.message.0 else { return Ok(()) };
                if !self.begin_message(message.id, out)? {
                    return Ok(());
                }
                if let Some(usage) = message.usage.0 {
                    self.count(usage, out);
                }
            }
            EventKind::MessageDelta => {
                if let Some(usage) = event.usage.0 {
                    self.count(usage, out);
                }
                let delta = event.delta.0.unwrap_or_default();
                self.reason(delta.stop_reason, delta.stop_details);
            }
            EventKind::MessageStop => self.end(out),
            EventKind::Error => return Err(error::TABLE.inside(event.error.map_or("", |raw| raw.get()))),
            EventKind::Unknown => {
                if let Some(raw) = event.error {
                    return Err(error::TABLE.inside(raw.get()));
                }
            }
        }
        Ok(())
    }
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        // Gateways put OpenAI's end mark behind the last event.
        if self.finished || frame.data.is_empty() || frame.data == "[DONE]" {
            return Ok(());
        }
        if frame.event == "error" && !frame.data.starts_with('{') {
            return Err(error::TABLE.inside(frame.data));
        }
        let mut mended = String::new();
        let mut event: StreamEvent<'_> = frame.parse_in(KIND, &mut mended)?;
        if event.kind == EventKind::Unknown {
            event.kind = EventKind::of(frame.event);
        }
        self.event(event, out)
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.finished {
            return Ok(());
        }
        // All content comes before the stop reason, so a missing `message_stop` loses nothing.
        if self.stop_reason.is_some() {
            self.end(out);
            return Ok(());
        }
        if let Some(error) = error::TABLE.stray(stray) {
            return Err(error);
        }
        Err(AdapterError::Truncated { provider: KIND })
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let text = lossy(body);
        let mut mended = String::new();
        let body: MessageBody<'_> = lenient::read(KIND, &text, &mut mended)?;
        if let Some(error) = body.error {
            return Err(error::TABLE.inside(error.get()));
        }
        let Some(content) = body.content else {
            return Err(AdapterError::BadFrame { provider: KIND, what: "no `content`".into() });
        };
        let mut mended = String::new();
        for raw in blocks(content, &mut mended)? {
            let index = self.begin(Count::default());
            let mut mended = String::new();
            self.start(index, block(raw, &mut mended)?, out);
            self.stop(index, out);
        }
        if let Some(usage) = body.usage.0 {
            self.count(usage, out);
        }
        self.reason(body.stop_reason, body.stop_details);
        self.end(out);
        Ok(())
    }
}
