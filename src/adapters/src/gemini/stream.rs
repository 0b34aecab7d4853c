//! Both kinds of answer: a stream's chunks and a unary body go through the same [`Turn`].

use super::turn::Turn;
use super::wire::Chunk;
use super::{KIND, error, response};
use crate::{AdapterError, Frame, ModelEvent, ModelRequest, ResponseTranslator};

/// Translates one answer.
#[derive(Debug)]
pub(super) struct Translator {
    turn: Turn,
}

impl Translator {
    pub(super) fn new(request: &ModelRequest<'_>) -> Self {
        Self { turn: Turn::new(request) }
    }
}

impl ResponseTranslator for Translator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.turn.over() || frame.data.is_empty() || frame.data == "[DONE]" {
            return Ok(());
        }
        let chunk: Chunk<'_> = frame.parse(KIND)?;
        self.turn.push(chunk, out)
    }

    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.turn.over() {
            return Ok(());
        }
        // An error that comes after the headers may stand outside the framing.
        if let Some(error) = error::stray(stray) {
            return Err(AdapterError::Upstream(error));
        }
        match self.turn.finish(out) {
            true => Ok(()),
            false => Err(AdapterError::Truncated { provider: KIND }),
        }
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        response::unary(&mut self.turn, body, out)
    }
}
