//! Notes on the context: one per field, however many items have it.

use crate::Note;

/// Collects notes.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn dropped(&mut self, field: &str, why: &str) {
        self.add(field, || Note::dropped(field, why));
    }

    pub(super) fn emulated(&mut self, field: &str, why: &str) {
        self.add(field, || Note::emulated(field, why));
    }

    fn add(&mut self, field: &str, note: impl FnOnce() -> Note) {
        if !self.0.iter().any(|n| n.field == field) {
            self.0.push(note());
        }
    }

    pub(super) fn into_vec(self) -> Vec<Note> {
        self.0
    }
}
