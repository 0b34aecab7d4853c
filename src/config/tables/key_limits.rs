//! `[key_limits]`: what one client key may take of the server.

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

/// The same for one of `[[auth.keys]]`; what is not given is as `[key_limits]` has it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct OwnLimits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_background: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_readers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_processes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mcp_sessions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stored_responses: Option<u64>,
}

impl OwnLimits {
    /// With what `usual` says where nothing is given.
    pub fn over(&self, usual: &KeyLimits) -> KeyLimits {
        KeyLimits {
            max_concurrent: self.max_concurrent.unwrap_or(usual.max_concurrent),
            max_background: self.max_background.unwrap_or(usual.max_background),
            max_readers: self.max_readers.unwrap_or(usual.max_readers),
            max_tool_processes: self.max_tool_processes.unwrap_or(usual.max_tool_processes),
            max_mcp_sessions: self.max_mcp_sessions.unwrap_or(usual.max_mcp_sessions),
            max_stored_bytes: self.max_stored_bytes.unwrap_or(usual.max_stored_bytes),
            max_stored_responses: self.max_stored_responses.unwrap_or(usual.max_stored_responses),
        }
    }
}
