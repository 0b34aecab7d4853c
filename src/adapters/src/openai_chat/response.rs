//! Unary answers: the same members as a stream's deltas, all at once.

use super::answer::Answer;
use super::wire::{Chunk, Delta};
use super::{KIND, error, stream};
use crate::framing::lossy;
use crate::{AdapterError, ModelEvent};

/// Translates a whole body.
pub(super) fn translate(
    answer: &mut Answer,
    body: &[u8],
    out: &mut Vec<ModelEvent>,
) -> Result<(), AdapterError> {
    let bad = |what: String| AdapterError::BadFrame { provider: KIND, what };
    let text = lossy(body);
    let chunk: Chunk<'_> = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if stream::failed(&chunk) {
        return Err(error::in_answer(&text));
    }
    let Some(choice) = chunk.choices.0 else {
        return Err(error::flat(&text).unwrap_or(bad("no choices".into())));
    };
    answer.service_tier(chunk.service_tier, out);
    let message: Delta<'_> = match choice.message {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|e| bad(e.to_string()))?,
        None => choice.delta.unwrap_or_default(),
    };
    answer.delta(numbered(message), choice.logprobs, out);
    if chunk.citations.0 {
        answer.note("citations", "the provider's list of sources is not carried", out);
    }
    if let Some(usage) = chunk.usage.or(choice.usage) {
        answer.usage(usage, out);
    }
    answer.finish(choice.finish_reason.as_str(), out)
}

/// In a whole message every entry is a call of its own, whatever its index says.
pub(super) fn numbered(mut message: Delta<'_>) -> Delta<'_> {
    for (index, call) in (0..).zip(message.tool_calls.iter_mut().flatten()) {
        call.index = Some(index);
    }
    message
}
