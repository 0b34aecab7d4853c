//! What is told of fields that a provider cannot take as they are.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How a field fared that the provider cannot take as it is (design D13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoteKind {
    /// Carried out by other means.
    Emulated,
    /// Not carried out. Refused in strict mode.
    Dropped,
    /// Nobody knows the member, so it is not carried out. Refused in strict mode.
    Unknown,
}

impl NoteKind {
    /// The word in records and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
            Self::Unknown => "unknown",
        }
    }

    /// The kind that a record names; `None` for a word of a later version.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Emulated, Self::Dropped, Self::Unknown].into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether something is not carried out, which strict mode refuses.
    pub fn loses(self) -> bool {
        match self {
            Self::Emulated => false,
            Self::Dropped | Self::Unknown => true,
        }
    }
}

/// A translation note: nothing is dropped in silence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// Request field or item, as a path where possible: `temperature`, `input[3]`.
    pub field: String,
    /// What became of it.
    pub kind: NoteKind,
    /// Why, in a few words without secrets; one line, ASCII.
    pub why: String,
}

impl Note {
    /// The field was left out.
    pub fn dropped(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), kind: NoteKind::Dropped, why: why.into() }
    }

    /// A member that nobody knows was left out; `place` is what it is of, with a dot, or empty.
    pub(crate) fn unknown(place: &str, member: &str) -> Self {
        let why = "neither this server nor this provider knows such a member";
        Self { field: format!("{place}{}", plain_name(member)), kind: NoteKind::Unknown, why: why.into() }
    }

    /// The same of a member of a provider's answer.
    pub(crate) fn unknown_answer(member: &str) -> Self {
        let why = "a member of the provider's answer that this server does not know";
        Self { field: format!("response.{}", plain_name(member)), kind: NoteKind::Unknown, why: why.into() }
    }

    /// The field was carried out by other means.
    pub fn emulated(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), kind: NoteKind::Emulated, why: why.into() }
    }
}

/// Most notes of one request; there are some forty reasons for one.
const MAX_NOTES: usize = 100;
/// Longest field and longest reason of a note, in bytes.
const MAX_FIELD: usize = 200;
const MAX_WHY: usize = 600;

/// Notes of one request, few however many tools and items it has: those that differ in an index only are one note
/// with a number, and what is above the bound is counted.
#[derive(Debug, Default)]
pub struct NoteList {
    list: Vec<Note>,
    /// Place and number of further ones of a note, by what it says.
    known: HashMap<u64, (usize, usize)>,
    drops: bool,
    left_out: usize,
}

impl NoteList {
    /// Takes a note in, unless it says nothing new.
    pub fn push(&mut self, note: Note) {
        let key = meaning(&note);
        if let Some((place, more)) = self.known.get_mut(&key) {
            let same = self.list.get(*place).is_none_or(|first| first.field == note.field);
            *more += usize::from(!same);
            return;
        }
        // Strict mode looks for one that was dropped, so the first of those is always there.
        let drops = note.kind.loses();
        if self.list.len() >= MAX_NOTES && (self.drops || !drops) {
            self.left_out += 1;
            return;
        }
        self.drops |= drops;
        self.known.insert(key, (self.list.len(), 0));
        self.list.push(Note { field: cut(note.field, MAX_FIELD), why: cut(note.why, MAX_WHY), ..note });
    }

    /// Those that are there, without numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Note> {
        self.list.iter()
    }

    /// All of them, with the numbers of those that are like them.
    pub fn into_vec(mut self) -> Vec<Note> {
        for (place, more) in self.known.into_values().filter(|(_, more)| *more > 0) {
            if let Some(note) = self.list.get_mut(place) {
                note.why.push_str(&format!(" (and {more} more)"));
            }
        }
        if self.left_out > 0 {
            let why = format!("{} further notes are not listed", self.left_out);
            self.list.push(Note::emulated("notes", why));
        }
        self.list
    }
}

impl Extend<Note> for NoteList {
    fn extend<T: IntoIterator<Item = Note>>(&mut self, notes: T) {
        notes.into_iter().for_each(|note| self.push(note));
    }
}

/// What a note says, whatever the index in its field: `tools[3]` is told like `tools[4]`.
fn meaning(note: &Note) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut inside = false;
    for byte in note.field.bytes() {
        inside = (inside || byte == b'[') && byte != b']';
        if !(inside && byte.is_ascii_digit()) {
            hasher.write_u8(byte);
        }
    }
    (note.kind.as_str(), &note.why).hash(&mut hasher);
    hasher.finish()
}

/// At most so many bytes, cut between two characters.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

/// Collects notes: one per field, however many items have it.
#[derive(Debug, Default)]
pub(crate) struct Notes(NoteList);

impl Notes {
    pub(crate) fn dropped(&mut self, field: &str, why: &str) {
        self.add(field, || Note::dropped(field, why));
    }

    pub(crate) fn emulated(&mut self, field: &str, why: &str) {
        self.add(field, || Note::emulated(field, why));
    }

    fn add(&mut self, field: &str, note: impl FnOnce() -> Note) {
        if !self.0.iter().any(|n| n.field == field) {
            self.0.push(note());
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Note> {
        self.0.into_vec()
    }
}

/// One line of ASCII, as notes want it.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .take(300)
        .map(|c| match c {
            ' '..='~' => c,
            _ if c.is_whitespace() => ' ',
            _ => '?',
        })
        .collect()
}

/// A client's name of a member as it may be the field of a note, which separators part from its reason.
fn plain_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$');
    name.chars().map(|c| if plain(c) { c } else { '?' }).take(64).collect()
}

/// A client's word as it may stand in a note: short, one line, ASCII.
pub(crate) fn plain_word(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(40).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn told(notes: NoteList) -> Vec<String> {
        notes.into_vec().into_iter().map(|note| format!("{}: {}", note.field, note.why)).collect()
    }

    #[test]
    fn notes_that_differ_in_an_index_are_one_with_a_number() {
        let mut notes = NoteList::default();
        for index in 0..1000 {
            notes.push(Note::dropped(format!("tools[{index}]"), "why"));
            notes.push(Note::dropped("input.reasoning", "why"));
        }
        notes.push(Note::emulated("tools[1000]", "why"));
        notes.push(Note::dropped("tools[0]", "another"));
        let want =
            ["tools[0]: why (and 999 more)", "input.reasoning: why", "tools[1000]: why", "tools[0]: another"];
        assert_eq!(told(notes), want);
    }

    #[test]
    fn there_are_few_and_the_first_that_was_dropped_is_among_them() {
        let mut notes = NoteList::default();
        for index in 0..100_000 {
            notes.push(Note::emulated(format!("input.x:{index}"), "y".repeat(1000)));
        }
        notes.push(Note::dropped("a", "b"));
        notes.push(Note::dropped("c", "d"));
        let told = told(notes);
        assert_eq!(told.len(), MAX_NOTES + 2);
        assert_eq!(told[MAX_NOTES..], ["a: b", "notes: 99901 further notes are not listed"]);
        assert!(told[0].len() < MAX_WHY + 20);
    }
}
