//! Body fields as they are decided, with the fate of those left out.

use serde_json::Value;

use super::quirks::Quirks;
use crate::Note;
use crate::note::add_once;
use crate::shared::fields::{Fate, NOT_KNOWN};

/// Fields of the body beside model and messages.
pub(super) struct Fields<'a, 'n> {
    pub(super) quirks: &'a Quirks,
    pub(super) list: Vec<(&'static str, Value)>,
    pub(super) notes: &'n mut Vec<Note>,
}

impl<'a, 'n> Fields<'a, 'n> {
    pub(super) fn new(quirks: &'a Quirks, notes: &'n mut Vec<Note>) -> Self {
        Self { quirks, list: Vec::new(), notes }
    }

    pub(super) fn note(&mut self, note: Note) {
        add_once(self.notes, note);
    }

    /// Adds a field that the host is known to take.
    pub(super) fn add(&mut self, name: &'static str, value: Value) {
        self.list.push((name, value));
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
            self.list.extend(value.map(|value| (name, value)));
        }
        Fate::sent_unless(refused)
    }
}
