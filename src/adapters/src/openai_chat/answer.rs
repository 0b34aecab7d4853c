//! An answer: a stream of `data:` chunks up to `[DONE]`, or up to the end of the connection once a finish reason came;
//! or a whole body with the same members as a stream's deltas, all at once.

mod calls;
mod lanes;
mod machine;
mod media;
mod reasons;
mod sources;

use serde_json::value::RawValue;

use self::machine::Machine;
use super::error;
use super::quirks::Quirks;
use super::wire::{Chunk, Delta, GroqExtras, KIND};
use crate::framing::lossy;
use crate::shared::lenient::{self, Count};
use crate::{AdapterError, Frame, ModelEvent, ModelRequest, ResponseTranslator};

/// One answer of a host, streamed or unary.
#[derive(Debug)]
pub(super) struct AnswerTranslator {
    machine: Machine,
    finish_reason_optional: bool,
    /// The last finish reason that was not empty. Usage and errors may still follow it.
    finish_reason: Option<String>,
    any: bool,
    /// The end mark came before any token counts, which some hosts send behind it.
    awaits_counts: bool,
    done: bool,
}

impl AnswerTranslator {
    pub(super) fn new(quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        Self {
            machine: Machine::new(request, quirks.host.clone()),
            finish_reason_optional: quirks.finish_reason_optional,
            finish_reason: None,
            any: false,
            awaits_counts: false,
            done: false,
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.any = true;
        self.machine.service_tier(chunk.service_tier, out);
        let mut usage = chunk.usage;
        if let Some(choice) = chunk.choices.0 {
            if let Some(delta) = choice.delta.0 {
                self.machine.delta(delta, choice.logprobs, out);
            } else if let Some(message) = choice.message.filter(|_| self.machine.is_empty()) {
                let mut mended = String::new();
                let message: Delta<'_> = lenient::read(KIND, message.get(), &mut mended)?;
                self.machine.delta(numbered(message), choice.logprobs, out);
            }
            if !choice.finish_reason.is_empty() {
                self.finish_reason = Some(choice.finish_reason.0.into_owned());
            }
            usage = usage.or(choice.usage);
        }
        let mut mended = String::new();
        let extras = chunk.x_groq.map(|raw| lenient::read::<GroqExtras<'_>>(KIND, raw.get(), &mut mended));
        let extras = extras.and_then(Result::ok).unwrap_or_default();
        if let Some(raw) = usage.or(extras.usage) {
            self.machine.usage(raw, out);
        }
        self.machine.sources(chunk.citations, chunk.search_results, out);
        if extras.error.is_empty() {
            return Ok(());
        }
        let error = serde_json::json!({ "error": extras.error.as_str() });
        Err(error::TABLE.inside(&error.to_string()))
    }

    /// Whether the mark of the end is enough. It may come in the middle of a call, which no host means.
    fn may_end_here(&mut self) -> bool {
        self.any && self.finish_reason_optional && !self.machine.has_unfinished_call()
    }

    /// The counts alone: OpenRouter has those of what failed in the same chunk.
    fn counts(&mut self, chunk: &Chunk<'_>, out: &mut Vec<ModelEvent>) {
        let choice = chunk.choices.0.as_ref().and_then(|choice| choice.usage);
        if let Some(raw) = chunk.usage.or(choice) {
            self.machine.usage(raw, out);
        }
    }

    /// Behind the end mark only counts are of use.
    fn late(&mut self, frame: &Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let Ok(chunk) = frame.parse_in::<Chunk<'_>>(KIND, &mut mended) else { return Ok(()) };
        self.counts(&chunk, out);
        if self.machine.usage.is_some() { self.end(out) } else { Ok(()) }
    }

    fn end(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.done = true;
        let reason = self.finish_reason.take().unwrap_or_default();
        self.machine.finish(&reason, out)
    }
}

/// Whether a chunk reports a failure, in any of the hosts' ways.
fn failed(chunk: &Chunk<'_>) -> bool {
    let set = |e: &&RawValue| !matches!(e.get(), "\"\"" | "{}" | "false");
    chunk.error.as_ref().is_some_and(set)
        || chunk.object.as_str() == "error"
        || chunk.choices.0.as_ref().and_then(|c| c.error.as_ref()).is_some_and(set)
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let data = frame.data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(());
        }
        if self.awaits_counts {
            return self.late(&frame, out);
        }
        let result = if data == "[DONE]" {
            if self.finish_reason.is_some() || self.may_end_here() {
                self.awaits_counts = self.machine.usage.is_none();
                if self.awaits_counts { Ok(()) } else { self.end(out) }
            } else {
                Err(AdapterError::Truncated { provider: KIND })
            }
        } else if frame.event == "error" {
            Err(error::TABLE.inside(data))
        } else {
            let mut mended = String::new();
            match frame.parse_in::<Chunk<'_>>(KIND, &mut mended) {
                Ok(chunk) if failed(&chunk) => {
                    self.counts(&chunk, out);
                    Err(error::TABLE.inside(data))
                }
                Ok(chunk) => self.chunk(chunk, out),
                Err(e) => Err(e),
            }
        };
        self.done |= result.is_err();
        result
    }

    fn is_whole(&self) -> bool {
        self.awaits_counts && !self.done
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.done {
            return Ok(());
        }
        if self.finish_reason.is_some() || self.awaits_counts {
            return self.end(out);
        }
        self.done = true;
        Err(error::TABLE.stray(stray).unwrap_or(AdapterError::Truncated { provider: KIND }))
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.done = true;
        let bad = |what: String| AdapterError::BadFrame { provider: KIND, what };
        let text = lossy(body);
        let mut mended = String::new();
        let chunk: Chunk<'_> = lenient::read(KIND, &text, &mut mended)?;
        if failed(&chunk) {
            self.counts(&chunk, out);
            return Err(error::TABLE.inside(&text));
        }
        let Some(choice) = chunk.choices.0 else {
            return Err(error::TABLE.found(&text).unwrap_or(bad("no choices".into())));
        };
        self.machine.service_tier(chunk.service_tier, out);
        let mut mended = String::new();
        let message: Delta<'_> = match choice.message {
            Some(raw) => lenient::read(KIND, raw.get(), &mut mended)?,
            None => choice.delta.0.unwrap_or_default(),
        };
        self.machine.is_whole();
        self.machine.delta(numbered(message), choice.logprobs, out);
        self.machine.sources(chunk.citations, chunk.search_results, out);
        if let Some(usage) = chunk.usage.or(choice.usage) {
            self.machine.usage(usage, out);
        }
        self.machine.finish(choice.finish_reason.as_str(), out)
    }
}

/// In a whole message every entry is a call of its own, whatever its index says.
fn numbered(mut message: Delta<'_>) -> Delta<'_> {
    for (index, call) in (0..).zip(&mut message.tool_calls.0) {
        call.index = Count(Some(index));
    }
    message
}
