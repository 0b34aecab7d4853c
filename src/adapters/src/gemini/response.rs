//! Unary answers, and streams that came as one JSON array.

use super::KIND;
use super::turn::Turn;
use super::wire::Chunk;
use crate::framing::lossy;
use crate::{AdapterError, ModelEvent};

/// Translates a whole body.
pub(super) fn unary(turn: &mut Turn, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
    if turn.over() {
        return Ok(());
    }
    let bad = |what: String| AdapterError::BadFrame { provider: KIND, what };
    let text = lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('[') {
        let chunks: Vec<Chunk<'_>> = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        for chunk in chunks {
            turn.push(chunk, out)?;
        }
    } else {
        let chunk: Chunk<'_> = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        turn.push(chunk, out)?;
    }
    match turn.finish(out) {
        true => Ok(()),
        false => Err(bad("no candidate that has a finish reason".into())),
    }
}
