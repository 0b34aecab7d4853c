//! Strict translation (design D13).

use or_adapters::{Note, NoteKind};
use or_protocol::ApiError;

/// Refuses what would be dropped.
pub(crate) fn check(notes: &[Note]) -> Result<(), ApiError> {
    let Some(note) = notes.iter().find(|note| note.kind == NoteKind::Dropped) else { return Ok(()) };
    let text =
        format!("Strict translation: '{}' cannot be carried out on this model: {}.", note.field, note.why);
    Err(ApiError::invalid("unsupported_parameter", note.field.clone(), text))
}
