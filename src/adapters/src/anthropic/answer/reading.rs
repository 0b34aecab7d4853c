//! Content blocks, however they are written.

use serde_json::value::RawValue;

use crate::AdapterError;
use crate::anthropic::wire::{AnswerBlock, KIND};
use crate::shared::lenient::{self, Word};

/// The blocks of a whole message. What is no list is a single block.
pub(super) fn blocks<'a>(
    content: &'a RawValue,
    mended: &'a mut String,
) -> Result<Vec<&'a RawValue>, AdapterError> {
    match content.get().starts_with('[') {
        true => lenient::read(KIND, content.get(), mended),
        false => Ok(vec![content]),
    }
}

/// Reads one content block; a mere text is one of text.
pub(super) fn block<'a>(raw: &'a RawValue, mended: &'a mut String) -> Result<AnswerBlock<'a>, AdapterError> {
    if !raw.get().starts_with('{') {
        let text = lenient::read(KIND, raw.get(), mended)?;
        return Ok(AnswerBlock { kind: Word("text".into()), text, ..AnswerBlock::default() });
    }
    let mut block: AnswerBlock<'_> = lenient::read(KIND, raw.get(), mended)?;
    if block.kind.as_str() == "tool_use" && block.name.is_empty() {
        return Err(AdapterError::BadFrame { provider: KIND, what: "a call without a name".into() });
    }
    block.whole = Some(raw);
    Ok(block)
}
