//! `[admin]`: the admin API.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::address;

/// `[admin]`: who may use the admin API, and where. By default there is none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Variable with the admin key; empty: there is no admin API.
    pub key_env: String,
    /// A listener for it alone.
    #[serde(
        deserialize_with = "address::deserialize_optional",
        serialize_with = "address::serialize_optional"
    )]
    pub bind: Option<SocketAddr>,
}
