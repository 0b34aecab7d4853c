//! `[security]`: what URLs in a request may reach, and what seals the state that clients carry.

use serde::{Deserialize, Serialize};

/// `[security]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// `host:port` of private targets that are allowed all the same.
    pub allow_private_hosts: Vec<String>,
    /// Variable with 32 bytes in base64, for servers that stand for each other; empty: a key of the store's own.
    pub seal_key_env: String,
}
