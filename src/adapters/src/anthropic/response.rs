//! A unary answer: the same blocks as a stream's, each of them whole.

use serde_json::Value;
use serde_json::value::RawValue;

use super::KIND;
use super::stream::{MessageTranslator, upstream};
use super::wire::{AnswerBlock, MessageBody};
use crate::{AdapterError, ModelEvent};

/// Translates a whole body.
pub(super) fn unary(
    translator: &mut MessageTranslator,
    body: &[u8],
    out: &mut Vec<ModelEvent>,
) -> Result<(), AdapterError> {
    let body: MessageBody<'_> = serde_json::from_slice(body).map_err(|e| bad(&e))?;
    if let Some(error) = body.error {
        return Err(upstream(error.get()));
    }
    let Some(content) = body.content else {
        return Err(AdapterError::BadFrame { provider: KIND, what: "no `content`".into() });
    };
    for (index, raw) in (0..).zip(content) {
        translator.start(index, block(raw)?, out);
        translator.stop(index, out);
    }
    if let Some(usage) = body.usage {
        translator.count(usage, out);
    }
    translator.reason(body.stop_reason, body.stop_details);
    translator.end(out);
    Ok(())
}

/// Reads one content block.
pub(super) fn block(raw: &RawValue) -> Result<AnswerBlock<'_>, AdapterError> {
    let block: AnswerBlock<'_> = serde_json::from_str(raw.get()).map_err(|e| bad(&e))?;
    if block.kind == "tool_use" && block.name.as_ref().is_none_or(|name| name.is_empty()) {
        return Err(AdapterError::BadFrame { provider: KIND, what: "a call without a name".into() });
    }
    Ok(block)
}

/// An error body behind a stream that has no end.
pub(super) fn stray_error(stray: &[u8]) -> Option<AdapterError> {
    let value: Value = serde_json::from_slice(stray).ok()?;
    value.get("error").map(|error| upstream(&error.to_string()))
}

fn bad(error: &serde_json::Error) -> AdapterError {
    AdapterError::BadFrame { provider: KIND, what: error.to_string() }
}
