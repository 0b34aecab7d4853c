//! What is told of fields that a provider cannot take as they are.

/// How a field fared that the provider cannot take as it is (design D13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoteKind {
    /// Carried out by other means.
    Emulated,
    /// Not carried out. Refused in strict mode.
    Dropped,
}

impl NoteKind {
    /// The word in records and headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Dropped => "dropped",
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

    /// The field was carried out by other means.
    pub fn emulated(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), kind: NoteKind::Emulated, why: why.into() }
    }
}

/// Collects notes: one per field, however many items have it.
#[derive(Debug, Default)]
pub(crate) struct Notes(Vec<Note>);

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
        self.0
    }
}

/// Adds a note unless the same one is there.
pub(crate) fn add_once(notes: &mut Vec<Note>, note: Note) {
    if !notes.contains(&note) {
        notes.push(note);
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

/// A client's word as it may stand in a note: short, one line, ASCII.
pub(crate) fn plain_word(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(40).collect()
}
