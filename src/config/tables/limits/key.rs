//! `[key_limits]`: what one client key may take of the server.

use or_keys::OwnLimits;
use serde::{Deserialize, Serialize};

/// Shares of every client key; 0: the share that follows from the whole, see the reference.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyLimits {
    /// Responses in progress.
    pub max_concurrent: usize,
    /// Background responses in progress.
    pub max_background: usize,
    /// Readers of stored event logs.
    pub max_readers: usize,
    /// Programs of tools and MCP servers.
    pub max_tool_processes: usize,
    pub max_mcp_sessions: usize,
    pub max_stored_bytes: u64,
    pub max_stored_responses: u64,
}

impl KeyLimits {
    /// With what one key has of its own in its place.
    pub fn under(&self, own: &OwnLimits) -> Self {
        Self {
            max_concurrent: own.max_concurrent.unwrap_or(self.max_concurrent),
            max_background: own.max_background.unwrap_or(self.max_background),
            max_readers: own.max_readers.unwrap_or(self.max_readers),
            max_tool_processes: own.max_tool_processes.unwrap_or(self.max_tool_processes),
            max_mcp_sessions: own.max_mcp_sessions.unwrap_or(self.max_mcp_sessions),
            max_stored_bytes: own.max_stored_bytes.unwrap_or(self.max_stored_bytes),
            max_stored_responses: own.max_stored_responses.unwrap_or(self.max_stored_responses),
        }
    }
}
