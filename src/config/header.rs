//! Extra headers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The value of an extra header: as written, or from a variable.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HeaderValue {
    Text(String),
    Env { env: String },
}

impl fmt::Debug for HeaderValue {
    /// Hides a literal, which people do use for keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::Env { env } => write!(f, "{{ env = {env:?} }}"),
        }
    }
}
