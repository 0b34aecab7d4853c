//! A key that cannot be printed by accident.

use std::fmt;
use std::sync::Arc;

/// A key or header value from the environment. `Debug` and `Display` print `***`.
///
/// Cloning is cheap. There is no `PartialEq`: whoever compares keys must do it
/// in constant time, on [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Headers or variables as they are sent.
    pub(crate) fn expose_all(named: &[(String, Self)]) -> Vec<(String, String)> {
        named.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
    }
}

/// Bytes from which several servers make the same key.
#[derive(Clone)]
pub struct SealKey(pub [u8; 32]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("sk-very-secret");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
    }

    #[test]
    fn a_secret_exposes_its_value_when_asked() {
        assert_eq!(Secret::new("sk-1").expose(), "sk-1");
    }
}
