//! Body fields as they are decided, with the fate of those left out.

use serde_json::Value;

use super::quirks::Quirks;
use super::wire::body::FieldValue;
use crate::shared::fields::{Fate, NOT_KNOWN};
use crate::{Note, NoteList};

/// Fields of the body beside model and messages.
pub(super) struct Fields<'a, 'n> {
    pub(super) quirks: &'a Quirks,
    pub(super) list: Vec<(&'static str, FieldValue)>,
    pub(super) notes: &'n mut NoteList,
}

impl<'a, 'n> Fields<'a, 'n> {
    pub(super) fn new(quirks: &'a Quirks, notes: &'n mut NoteList) -> Self {
        Self { quirks, list: Vec::new(), notes }
    }

    pub(super) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Adds a field that the host is known to take.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<FieldValue>) {
        self.list.push((name, value.into()));
    }

    /// Puts a field, if it has a value and the host takes it.
    pub(super) fn put(&mut self, name: &'static str, value: Option<Value>) -> Fate {
        self.put_unless(None, name, value)
    }

    /// The same, with a reason not to.
    pub(super) fn put_unless(
        &mut self,
        refused: Option<&'static str>,
        name: &'static str,
        value: Option<Value>,
    ) -> Fate {
        let refused = refused.or(self.quirks.drops(name).then_some(NOT_KNOWN));
        if refused.is_none() {
            self.list.extend(value.map(|value| (name, value.into())));
        }
        Fate::sent_unless(refused)
    }
}
