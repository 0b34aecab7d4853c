//! The envelope of provider-private state (design D11): `or1.` and base64url of a checksum and JSON.
//!
//! It hides nothing, and its checksum finds damage only: what clients get is sealed once more, by the engine.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// How an envelope's text begins.
pub const ENVELOPE_PREFIX: &str = "or1.";
/// How the text of a sealed envelope begins, which the engine opens.
pub const SEAL_PREFIX: &str = "or2.";

/// What a provider wants back unchanged, and where it came from.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Envelope {
    /// Adapter kind that made it, such as `anthropic`.
    #[serde(rename = "k")]
    pub kind: String,
    /// Upstream model that made it.
    #[serde(rename = "m")]
    pub model: String,
    /// The state, in whatever form the adapter chose; returned byte for byte.
    #[serde(rename = "b")]
    pub blob: String,
}

/// Why a sealed text could not be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EnvelopeError {
    /// The text is not one of our envelopes (a provider's raw blob, say).
    #[error("not an envelope of this server")]
    Foreign,
    /// One of ours, damaged on its way.
    #[error("the encrypted content is damaged")]
    Damaged,
}

impl Envelope {
    /// Makes the text form.
    pub fn seal(kind: &str, model: &str, blob: &str) -> String {
        let envelope = Self { kind: kind.into(), model: model.into(), blob: blob.into() };
        // Three strings always serialise; an empty payload would be refused at opening.
        let json = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut bytes = crc32fast::hash(&json).to_be_bytes().to_vec();
        bytes.extend_from_slice(&json);
        format!("{ENVELOPE_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads the text form.
    pub fn open(text: &str) -> Result<Self, EnvelopeError> {
        let body = match text.strip_prefix(ENVELOPE_PREFIX) {
            Some(body) => body,
            // It could not be opened: it was altered, or belongs to another owner or server.
            None if text.starts_with(SEAL_PREFIX) => return Err(EnvelopeError::Damaged),
            None => return Err(EnvelopeError::Foreign),
        };
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| EnvelopeError::Damaged)?;
        let (sum, json) = bytes.split_at_checked(4).ok_or(EnvelopeError::Damaged)?;
        if sum != crc32fast::hash(json).to_be_bytes() {
            return Err(EnvelopeError::Damaged);
        }
        serde_json::from_slice(json).map_err(|_| EnvelopeError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_comes_back_byte_for_byte() {
        let blob = "sig==\u{0}\n\"ünï\"";
        let open = Envelope::open(&Envelope::seal("anthropic", "claude", blob)).unwrap();
        assert_eq!(open, Envelope { kind: "anthropic".into(), model: "claude".into(), blob: blob.into() });
    }

    #[test]
    fn damage_and_foreign_blobs_are_told_apart() {
        let sealed = Envelope::seal("gemini", "m", "x");
        let cut = &sealed[..sealed.len() - 2];
        assert_eq!(Envelope::open(cut), Err(EnvelopeError::Damaged));
        assert_eq!(Envelope::open("gAAAAABo"), Err(EnvelopeError::Foreign));
        assert_eq!(Envelope::open("or1."), Err(EnvelopeError::Damaged));
        assert_eq!(Envelope::open("or2.x"), Err(EnvelopeError::Damaged));
    }
}
