//! The `idempotency-key` of a request: what was asked with it, and the response that came of it.

use or_protocol::ResponseId;
use sha2::{Digest as _, Sha256};

/// A client's key for one request. Two requests with the same key and body ask for the same response.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct IdempotencyKey {
    /// SHA-256 of the owner and the key, so that one client's keys say nothing of another's.
    pub name: [u8; 32],
    /// SHA-256 of the request's body.
    pub body: [u8; 32],
}

/// What a key was used for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// The response that was made.
    pub id: ResponseId,
    /// SHA-256 of the body that it was made of.
    pub body: [u8; 32],
}

impl IdempotencyKey {
    /// The key `key` of `owner` with this body.
    pub fn new(owner: &str, key: &str, body: &[u8]) -> Self {
        let mut name = Sha256::new();
        // The length keeps owner and key apart.
        name.update((owner.len() as u64).to_be_bytes());
        name.update(owner);
        name.update(key);
        Self { name: name.finalize().into(), body: Sha256::digest(body).into() }
    }
}

impl KeyUse {
    /// The stored form: the hash of the body, then the id.
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.body.as_slice(), self.id.as_str().as_bytes()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, id) = bytes.split_first_chunk()?;
        Some(Self { id: ResponseId::parse(std::str::from_utf8(id).ok()?)?, body: *body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_read_as_it_was_written() {
        let body = IdempotencyKey::new("a", "k", b"{}").body;
        let written = KeyUse { id: ResponseId::new(), body };
        assert_eq!(KeyUse::decode(&written.encode()), Some(written));
        assert_eq!(KeyUse::decode(b"short"), None);
    }

    #[test]
    fn owner_key_and_body_are_told_apart() {
        let of = IdempotencyKey::new;
        assert_eq!(of("a", "bc", b"{}"), of("a", "bc", b"{}"));
        assert_ne!(of("a", "bc", b"{}").name, of("ab", "c", b"{}").name);
        assert_ne!(of("a", "bc", b"{}").body, of("a", "bc", b"{ }").body);
    }
}
