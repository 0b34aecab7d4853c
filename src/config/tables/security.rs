//! `[security]`: what URLs in a request may reach.

use serde::{Deserialize, Serialize};

/// `[security]`: what URLs in a request may reach.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// `host:port` of private targets that are allowed all the same.
    pub allow_private_hosts: Vec<String>,
}
