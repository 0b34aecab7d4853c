//! Body fields as they are decided, with the notes of those left out.

use serde_json::Value;

use super::quirks::Quirks;
use crate::Note;
use crate::note::add_once;

/// Fields of the body beside model and messages.
pub(super) struct Fields<'a, 'n> {
    quirks: &'a Quirks,
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

    /// Puts a field, if it has a value and the host takes it. `asked` is the request's name for it.
    pub(super) fn put(&mut self, name: &'static str, asked: &str, value: Option<Value>) {
        self.put_unless(None, name, asked, value);
    }

    /// The same, with a reason not to.
    pub(super) fn put_unless(
        &mut self,
        refused: Option<&str>,
        name: &'static str,
        asked: &str,
        value: Option<Value>,
    ) {
        let Some(value) = value else { return };
        let dropped = self.quirks.drops(name).then_some("not known to this provider");
        match refused.or(dropped) {
            Some(why) => self.note(Note::dropped(asked, why)),
            None => self.list.push((name, value)),
        }
    }
}
