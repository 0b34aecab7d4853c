//! The unary answer: one object that is a stream's only line.

use super::KIND;
use super::stream::Turn;
use super::wire::Line;
use crate::{AdapterError, ModelEvent};

/// Translates a whole body. A server that streams unasked sends several objects.
pub(super) fn unary(turn: &mut Turn, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
    for line in serde_json::Deserializer::from_slice(body).into_iter::<Line<'_>>() {
        let line = line.map_err(|e| AdapterError::BadFrame { provider: KIND, what: e.to_string() })?;
        turn.line(line, out)?;
        if turn.is_over() {
            return Ok(());
        }
    }
    Err(AdapterError::Truncated { provider: KIND })
}
