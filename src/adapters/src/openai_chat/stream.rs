//! Streams: `data:` chunks up to `[DONE]`, or up to the end of the connection once a finish reason came.

use serde_json::value::RawValue;

use super::answer::Answer;
use super::wire::{Chunk, Delta, GroqExtras};
use super::{Host, KIND, error, response};
use crate::{AdapterError, Frame, ModelEvent, ModelRequest, ResponseTranslator};

/// One answer of a host, streamed or unary.
#[derive(Debug)]
pub(super) struct ChatTranslator {
    answer: Answer,
    finish_reason_optional: bool,
    /// The last finish reason that was not empty. Usage and errors may still follow it.
    finish_reason: Option<String>,
    any: bool,
    done: bool,
}

impl ChatTranslator {
    pub(super) fn new(request: &ModelRequest<'_>, host: Host, finish_reason_optional: bool) -> Self {
        Self {
            answer: Answer::new(request, host),
            finish_reason_optional,
            finish_reason: None,
            any: false,
            done: false,
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.any = true;
        self.answer.service_tier(chunk.service_tier, out);
        let mut usage = chunk.usage;
        if let Some(choice) = chunk.choices.0 {
            if let Some(delta) = choice.delta {
                self.answer.delta(delta, choice.logprobs, out);
            } else if let Some(message) = choice.message.filter(|_| self.answer.is_empty()) {
                let message: Delta<'_> = parse(message)?;
                self.answer.delta(response::numbered(message), choice.logprobs, out);
            }
            if !choice.finish_reason.is_empty() {
                self.finish_reason = Some(choice.finish_reason.0.into_owned());
            }
            usage = usage.or(choice.usage);
        }
        if let Some(raw) = chunk.x_groq
            && let Ok(extras) = serde_json::from_str::<GroqExtras<'_>>(raw.get())
        {
            if !extras.error.is_empty() {
                return Err(error::in_answer(&format!(
                    "{{\"error\":{}}}",
                    serde_json::Value::from(extras.error.as_str())
                )));
            }
            usage = usage.or(extras.usage);
        }
        if let Some(raw) = usage {
            self.answer.usage(raw, out);
        }
        if chunk.citations.0 {
            self.answer.note("citations", "the provider's list of sources is not carried", out);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.done = true;
        let reason = self.finish_reason.take().unwrap_or_default();
        self.answer.finish(&reason, out)
    }
}

/// Whether a chunk reports a failure, in any of the hosts' ways.
pub(super) fn failed(chunk: &Chunk<'_>) -> bool {
    let set = |e: &&RawValue| !matches!(e.get(), "\"\"" | "{}" | "false");
    chunk.error.as_ref().is_some_and(set)
        || chunk.object.0 == "error"
        || chunk.choices.0.as_ref().and_then(|c| c.error.as_ref()).is_some_and(set)
}

fn parse<'a>(raw: &'a RawValue) -> Result<Delta<'a>, AdapterError> {
    serde_json::from_str(raw.get())
        .map_err(|e| AdapterError::BadFrame { provider: KIND, what: e.to_string() })
}

impl ResponseTranslator for ChatTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let data = frame.data.trim_ascii();
        if self.done || data.is_empty() {
            return Ok(());
        }
        let result = if data == "[DONE]" {
            if self.finish_reason.is_some() || (self.any && self.finish_reason_optional) {
                self.end(out)
            } else {
                Err(AdapterError::Truncated { provider: KIND })
            }
        } else if frame.event == "error" {
            Err(error::in_answer(data))
        } else {
            match frame.parse::<Chunk<'_>>(KIND) {
                Ok(chunk) if failed(&chunk) => {
                    // OpenRouter counts the tokens of what failed in the same chunk.
                    if let Some(raw) = chunk.usage {
                        self.answer.usage(raw, out);
                    }
                    Err(error::in_answer(data))
                }
                Ok(chunk) => self.chunk(chunk, out),
                Err(e) => Err(e),
            }
        };
        self.done |= result.is_err();
        result
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.done {
            return Ok(());
        }
        if self.finish_reason.is_some() {
            return self.end(out);
        }
        self.done = true;
        Err(error::stray(stray).unwrap_or(AdapterError::Truncated { provider: KIND }))
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        self.done = true;
        response::translate(&mut self.answer, body, out)
    }
}
