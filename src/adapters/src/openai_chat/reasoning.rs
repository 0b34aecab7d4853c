//! `reasoning_details`: joined over the pieces of a stream, sealed, and opened again for the way back.

use or_protocol::{Envelope, EnvelopeError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::wire::KIND;
use crate::shared::lenient;

/// The readable part of one entry.
#[derive(Debug, PartialEq)]
pub(super) enum DetailText {
    /// `reasoning.text`: raw thinking.
    Raw(String),
    /// `reasoning.summary`: the provider's digest.
    Summary(String),
}

/// All entries of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Details {
    list: Vec<Value>,
    /// The list as one text, if it came in one piece: it goes back byte for byte.
    exact: Option<String>,
    /// Something came that a text cannot hold (a signature, encrypted data, an id).
    opaque: bool,
    unsealed: bool,
}

impl Details {
    /// Takes a piece in; gives the readable texts in it, each with the index of its entry.
    pub(super) fn push(&mut self, raw: &RawValue) -> Vec<(Option<u64>, DetailText)> {
        let Some(Value::Array(pieces)) = lenient::owned::<Value>(raw.get()) else { return Vec::new() };
        if pieces.is_empty() {
            return Vec::new();
        }
        self.exact = if self.list.is_empty() { Some(raw.get().to_owned()) } else { None };
        let mut texts = Vec::new();
        for piece in pieces {
            let Value::Object(piece) = piece else { continue };
            self.opaque |= ["signature", "data", "id"].iter().any(|k| piece.get(*k).is_some_and(holds));
            let index = piece.get("index").and_then(Value::as_u64);
            let read = |key: &str| piece.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
            texts.extend(match piece.get("type").and_then(Value::as_str) {
                Some("reasoning.summary") => read("summary").map(|t| (index, DetailText::Summary(t.into()))),
                Some("reasoning.text") => read("text").map(|t| (index, DetailText::Raw(t.into()))),
                _ => None,
            });
            self.join(piece);
        }
        self.unsealed = true;
        texts
    }

    /// A readable piece continues the last entry if kind and index are the same; all else is a new entry.
    fn join(&mut self, piece: Map<String, Value>) {
        let field = match piece.get("type").and_then(Value::as_str) {
            Some("reasoning.text") => Some("text"),
            Some("reasoning.summary") => Some("summary"),
            _ => None,
        };
        if let (Some(field), Some(Value::Object(last))) = (field, self.list.last_mut())
            && ["type", "index"].iter().all(|k| last.get(*k) == piece.get(*k))
        {
            for (key, value) in piece {
                match (last.get_mut(&key), value) {
                    (Some(Value::String(text)), Value::String(more)) if key == field => text.push_str(&more),
                    (_, Value::Null) => {}
                    (_, value) => {
                        last.insert(key, value);
                    }
                }
            }
        } else {
            self.list.push(Value::Object(piece));
        }
    }

    /// Whether something is to be sealed that was not yet.
    pub(super) fn pending(&self) -> bool {
        self.opaque && self.unsealed
    }

    /// Seals everything so far. `host` goes with it, for no other host can read it.
    pub(super) fn seal(&mut self, host: &str, model: &str) -> String {
        self.unsealed = false;
        let list = match &self.exact {
            Some(exact) => exact.clone(),
            None => Value::Array(self.list.clone()).to_string(),
        };
        Envelope::seal(KIND, model, &format!("{host}\n{list}"))
    }
}

fn holds(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// What became of a sealed text on its way back.
#[derive(Debug)]
pub(super) enum Opened {
    /// Details of this very host.
    Own(Box<RawValue>),
    /// Of another provider.
    Foreign,
    Damaged,
}

/// Opens an item's `encrypted_content`.
pub(super) fn open(sealed: &str, host: &str) -> Opened {
    let envelope = match Envelope::open(sealed) {
        Ok(envelope) if envelope.kind == KIND => envelope,
        Ok(_) | Err(EnvelopeError::Foreign) => return Opened::Foreign,
        Err(EnvelopeError::Damaged) => return Opened::Damaged,
    };
    match envelope.blob.split_once('\n') {
        Some((origin, _)) if origin != host => Opened::Foreign,
        Some((_, list)) => RawValue::from_string(list.to_owned()).map_or(Opened::Damaged, Opened::Own),
        None => Opened::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[track_caller]
    fn check(pieces: &[&str], want: &str) {
        let mut details = Details::default();
        for piece in pieces {
            details.push(&raw(piece));
        }
        let sealed = details.seal("host", "m");
        let Opened::Own(list) = open(&sealed, "host") else { panic!("not ours") };
        assert_eq!(list.get(), want);
        assert!(matches!(open(&sealed, "other"), Opened::Foreign));
    }

    #[test]
    fn one_piece_goes_back_byte_for_byte() {
        let text = r#"[ {"type":"reasoning.text", "text":"a\u00e9", "signature":"x/=="} ]"#;
        check(&[text], text);
    }

    #[test]
    fn pieces_of_an_entry_are_joined_and_a_late_signature_is_put_in() {
        check(
            &[
                r#"[{"type":"reasoning.text","text":"a","index":0}]"#,
                r#"[{"type":"reasoning.text","text":"b","index":0,"signature":null}]"#,
                r#"[{"type":"reasoning.text","text":"","index":0,"signature":"s"}]"#,
                r#"[{"type":"reasoning.encrypted","data":"d","index":1}]"#,
            ],
            r#"[{"type":"reasoning.text","text":"ab","index":0,"signature":"s"},{"type":"reasoning.encrypted","data":"d","index":1}]"#,
        );
    }

    #[test]
    fn plain_text_needs_no_seal() {
        let mut details = Details::default();
        let texts = details.push(&raw(r#"[{"type":"reasoning.text","text":"a","format":"unknown"}]"#));
        assert_eq!(texts, vec![(None, DetailText::Raw("a".into()))]);
        assert!(!details.pending());
    }
}
