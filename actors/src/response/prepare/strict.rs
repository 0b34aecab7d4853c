//! Strict translation (design D13).

use or_adapters::{Note, NoteKind};
use or_protocol::ApiError;

/// Refuses what would be dropped, and what nobody knows.
pub(crate) fn check(notes: &[Note]) -> Result<(), ApiError> {
    let Some(note) = notes.iter().find(|note| note.kind.loses()) else { return Ok(()) };
    let code = match note.kind {
        NoteKind::Unknown => "unknown_parameter",
        NoteKind::Dropped | NoteKind::Emulated => "unsupported_parameter",
    };
    let text =
        format!("Strict translation: '{}' cannot be carried out on this model: {}.", note.field, note.why);
    Err(ApiError::invalid(code, note.field.clone(), text))
}
