//! Both kinds of answer: a stream's chunks and a unary body go through the same [`Machine`].

mod call_ids;
mod finish;
mod grounding;
mod json;
mod machine;
mod open;
mod partial_args;

use self::machine::Machine;
use super::error;
use super::quirks::Quirks;
use super::wire::{Chunk, KIND};
use crate::framing::lossy;
use crate::shared::lenient;
use crate::{AdapterError, Frame, ModelEvent, ModelRequest, ResponseTranslator};

/// Translates one answer.
#[derive(Debug)]
pub(super) struct AnswerTranslator {
    machine: Machine,
}

impl AnswerTranslator {
    pub(super) fn new(quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        Self { machine: Machine::new(quirks, request) }
    }
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.machine.over() || frame.data.is_empty() || frame.data == "[DONE]" {
            return Ok(());
        }
        if frame.event == "error" && !frame.data.starts_with('{') {
            return Err(error::TABLE.inside(frame.data));
        }
        let mut mended = String::new();
        let chunk: Chunk<'_> = frame.parse_in(KIND, &mut mended)?;
        self.machine.push(chunk, out)
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.machine.over() {
            return Ok(());
        }
        // An error that comes after the headers may stand outside the framing.
        if let Some(error) = error::TABLE.stray(stray) {
            return Err(error);
        }
        match self.machine.finish(out) {
            true => Ok(()),
            false => Err(AdapterError::Truncated { provider: KIND }),
        }
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.machine.over() {
            return Ok(());
        }
        let bad = |what: String| AdapterError::BadFrame { provider: KIND, what };
        let text = lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut mended = String::new();
        if text.starts_with('[') {
            let chunks: Vec<Chunk<'_>> = lenient::read(KIND, text, &mut mended)?;
            for chunk in chunks {
                self.machine.push(chunk, out)?;
            }
        } else {
            let chunk: Chunk<'_> = lenient::read(KIND, text, &mut mended)?;
            self.machine.push(chunk, out)?;
        }
        match self.machine.finish_whole(out) {
            true => Ok(()),
            false => Err(bad("no candidate that has a finish reason".into())),
        }
    }
}
