//! The Ollama adapter by requests and transcripts of our own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use or_adapters::{Note, NoteKind};

mod answers;
mod endings;
mod history;
mod request;
mod support;

/// Fields of the notes, with `-` before what was dropped and `~` before what was emulated.
fn note_fields(notes: &[Note]) -> Vec<String> {
    let sign = |note: &Note| if note.kind == NoteKind::Dropped { '-' } else { '~' };
    notes.iter().map(|note| format!("{}{}", sign(note), note.field)).collect()
}
