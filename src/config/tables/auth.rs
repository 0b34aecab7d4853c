//! `[auth]`: who may call the server.

use or_keys::OwnLimits;
use serde::{Deserialize, Serialize};

/// `[auth]`: who may call the server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Variable with comma-separated keys, named `key-1`, `key-2`, …; empty: none.
    pub client_keys_env: String,
    pub client_provider_keys: ClientProviderKeys,
    /// Whether a key has to be shown while there is none, neither here nor in the store.
    pub require_key: bool,
    pub keys: Vec<AuthKey>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            client_keys_env: String::new(),
            client_provider_keys: ClientProviderKeys::Allow,
            require_key: false,
            keys: Vec::new(),
        }
    }
}

/// Whether a request may bring its own provider key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientProviderKeys {
    Allow,
    Deny,
}

/// `[[auth.keys]]`: one client key, with the name that stored responses belong to.
///
/// Unknown keys are refused before this is made, because serde cannot do so beside a flattened field.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AuthKey {
    pub name: String,
    /// The variable that holds the key.
    pub key_env: String,
    #[serde(flatten)]
    pub limits: OwnLimits,
}
