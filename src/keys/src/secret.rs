//! The secret that a client shows, and what is kept of it.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::KeyError;

/// How every secret of a stored key begins, so that people and scanners know one when they see it.
const PREFIX: &str = "or_";

/// What is kept of a secret: its SHA-256.
///
/// A slow or salted hash is for what people make up. A secret has 256 random bits, so nobody finds it by trying, whatever a
/// try costs, and no two are the same; and each request pays for the hash.
pub type Hash = [u8; 32];

/// The hash of what a client shows.
pub fn hash(shown: &str) -> Hash {
    Sha256::digest(shown.as_bytes()).into()
}

/// Tells a key from all others, for good: its secrets have it in them, and a name may come to another key.
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// How an id begins where it is shown.
    pub const PREFIX: &'static str = "key_";

    pub(crate) fn random() -> Result<Self, KeyError> {
        random().map(Self)
    }

    /// Reads `key_` and 16 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(Self::PREFIX)?;
        (hex.len() == 16).then(|| unhex(hex)).flatten().map(Self)
    }

    /// The id in what a client shows; `None` if it is no secret of a stored key.
    pub fn of_shown(shown: &str) -> Option<Self> {
        let (id, _) = shown.strip_prefix(PREFIX)?.split_at_checked(16)?;
        unhex(id).map(Self)
    }

    /// Its 16 hex digits.
    pub fn digits(self) -> String {
        hex(&self.0)
    }

    /// How its secrets begin.
    pub fn secret_prefix(self) -> String {
        format!("{PREFIX}{}", self.digits())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.digits())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for KeyId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("it is not the id of a client key")
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// A secret that was just made; nobody can tell it again. `Debug` prints `***`.
pub struct NewSecret(String);

impl NewSecret {
    /// `or_`, 16 hex digits of the id, `_`, 64 random ones.
    pub(crate) fn random(id: KeyId) -> Result<Self, KeyError> {
        let bits: [u8; 32] = random()?;
        Ok(Self(format!("{}_{}", id.secret_prefix(), hex(&bits))))
    }

    /// The secret itself, for the one place that tells it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> Hash {
        hash(&self.0)
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| KeyError::Random(e.to_string()))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bytes of as many pairs of lower-case hex digits.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A hash as hex digits, for records.
pub(crate) mod as_hex {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Hash, hex, unhex};

    pub(crate) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(hash))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(from)?;
        unhex(&text).ok_or_else(|| serde::de::Error::custom("a hash has 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_secret_names_its_key_and_prints_as_stars() {
        let id = KeyId::random().unwrap();
        let (one, two) = (NewSecret::random(id).unwrap(), NewSecret::random(id).unwrap());
        assert_ne!(one.expose(), two.expose());
        assert_eq!((one.expose().len(), &one.expose()[..3]), (3 + 16 + 1 + 64, "or_"));
        assert_eq!(KeyId::of_shown(one.expose()), Some(id));
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(format!("{one:?}"), "***");
    }

    #[test]
    fn what_is_no_secret_names_no_key() {
        for shown in
            ["", "or_", "or_0123456789abcde", "or_0123456789ABCDEF_x", "sk-0123456789abcdef", "or_ééééééééé"]
        {
            assert_eq!(KeyId::of_shown(shown), None, "{shown}");
        }
    }
}
