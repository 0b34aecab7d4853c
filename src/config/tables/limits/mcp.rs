//! `[mcp_limits]`: bounds on MCP servers and on what requests may do with them.

use serde::{Deserialize, Serialize};

/// What MCP servers may cost. The first six are about servers that a request names by URL; those of the
/// configuration have keys of their own. The others hold for all.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpLimits {
    /// False: requests can only name servers of the configuration.
    pub request_urls: bool,
    pub connect_timeout_s: u64,
    /// Of one call.
    pub timeout_s: u64,
    pub max_output_bytes: usize,
    /// Of one message, which holds a whole result.
    pub max_message_bytes: usize,
    /// 0: no limit.
    pub max_concurrent: usize,
    /// To the whole list of tools.
    pub list_timeout_s: u64,
    /// How long a list is believed.
    pub list_max_age_s: u64,
    pub max_tools: usize,
    /// Of one tool.
    pub max_definition_bytes: usize,
    pub max_sessions: usize,
    /// A session that nobody uses for so long is closed.
    pub idle_timeout_s: u64,
}

impl Default for McpLimits {
    fn default() -> Self {
        Self {
            request_urls: true,
            connect_timeout_s: 10,
            timeout_s: 60,
            max_output_bytes: 256 * 1024,
            max_message_bytes: 2 * 1024 * 1024,
            max_concurrent: 0,
            list_timeout_s: 10,
            list_max_age_s: 300,
            max_tools: 512,
            max_definition_bytes: 64 * 1024,
            max_sessions: 256,
            idle_timeout_s: 300,
        }
    }
}
