//! What Gemini wants back with the next turn: thought signatures and its own call ids.
//!
//! It travels in the envelope of reasoning items. An item stands before the things it speaks of, except
//! that a message's later signed parts are listed in an item behind the message.

use or_protocol::{Envelope, RawJson};
use serde::{Deserialize, Serialize};

use super::wire::KIND;
use crate::shared::names::fingerprint;

/// Stands in for a signature that is lost or belongs to another provider: base64 of
/// `skip_thought_signature_validator`, documented by Google.
pub(super) const PLACEHOLDER: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The sealed state of one reasoning item.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct State {
    /// The step's further calls carry ids that Gemini gave.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) ids: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) calls: Vec<CallState>,
    /// Signed parts of the message behind this item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) next: Vec<Span>,
    /// Signed parts of the message before this item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) prev: Vec<Span>,
    /// Signed parts that belong to no message: they go back word for word, in this place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<SignedPart>,
    /// Parts of the provider's own tools, of the item that holds this state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) server: Vec<ServerPart>,
    /// The item that holds this state is an image of the model's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<ImageState>,
}

/// What an image has beside itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct ImageState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sig: Option<String>,
}

/// A part of the provider's own tools.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct ServerPart {
    pub(super) part: ServerPartKind,
    pub(super) value: RawJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sig: Option<String>,
}

/// The member that such a part has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ServerPartKind {
    ExecutableCode,
    CodeExecutionResult,
    ToolCall,
    ToolResponse,
}

/// One call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct CallState {
    pub(super) call: String,
    /// Gemini's id where it is not the `call_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sig: Option<String>,
}

/// A signed part of a message's text, in bytes; `len` 0 is an empty part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) len: usize,
    /// Fingerprint of the part's text: a signature goes with exactly that text.
    pub(super) sum: String,
    pub(super) sig: String,
}

/// A signed thought, or a signed empty part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SignedPart {
    pub(super) text: String,
    #[serde(default)]
    pub(super) thought: bool,
    pub(super) sig: String,
}

impl State {
    pub(super) fn seal(&self, model: &str) -> String {
        // Strings, numbers and lists always serialise.
        Envelope::seal(KIND, model, &serde_json::to_string(self).unwrap_or_default())
    }
}

impl Span {
    pub(super) fn new(at: usize, text: &str, sig: String) -> Self {
        Self { at, len: text.len(), sum: print(text), sig }
    }

    /// The part's text inside the message's text, if it is still the same.
    pub(super) fn find<'a>(&self, text: &'a str) -> Option<&'a str> {
        let part = text.get(self.at..self.at.checked_add(self.len)?)?;
        (print(part) == self.sum).then_some(part)
    }
}

/// How the ids begin that are made here.
pub(super) const PREFIX: &str = "call_";

/// Whether an id has the form of those made here.
pub(super) fn is_made(id: &str) -> bool {
    id.strip_prefix(PREFIX).is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn print(text: &str) -> String {
    format!("{:016x}", fingerprint(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_found_only_in_the_same_text() {
        let span = Span::new(3, "ünï", "s".into());
        assert_eq!(span.find("abcünïd"), Some("ünï"));
        assert_eq!(span.find("abcuni d"), None);
        assert_eq!(span.find("ab"), None);
        assert_eq!(Span { len: usize::MAX, ..span }.find("abcünïd"), None);
    }
}
