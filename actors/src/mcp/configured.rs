//! The MCP servers of the configuration, and the way to all others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use or_protocol::McpApproval;

use super::pool::McpPool;
use or_tools::Offer;
use or_tools::mcp::{McpLimits, McpServer};

/// An MCP server that the operator has named.
#[derive(Clone, Debug)]
pub struct ConfiguredMcp {
    /// Where it is, and as whom.
    pub server: Arc<McpServer>,
    /// For the model, in front of the description of each of its tools; empty: nothing.
    pub description: String,
    /// Which of its tools may be used; empty: all.
    pub allowed_tools: Vec<String>,
    /// Which calls the operator wants to be approved; `None`: as the request says.
    pub require_approval: Option<McpApproval>,
    /// Which headers a request may bring; names in lower case.
    pub client_headers: Vec<String>,
    /// Which requests get it.
    pub offer: Offer,
}

/// All MCP servers that requests may use.
pub struct McpServers {
    /// Clients.
    pub pool: McpPool,
    /// Limits of a server that a request names by URL; `None`: none may.
    pub(super) by_url: Option<McpLimits>,
    configured: BTreeMap<String, ConfiguredMcp>,
}

impl McpServers {
    /// `configured`: by label. `by_url`: limits of a server that a request names by URL; `None`: none may.
    pub fn new(
        pool: McpPool,
        configured: BTreeMap<String, ConfiguredMcp>,
        by_url: Option<McpLimits>,
    ) -> Self {
        Self { pool, configured, by_url }
    }

    /// The operator's server of that label.
    pub fn configured(&self, label: &str) -> Option<&ConfiguredMcp> {
        self.configured.get(label)
    }

    /// Whether there are any that every request gets.
    pub(crate) fn has_always(&self) -> bool {
        self.always().next().is_some()
    }

    /// Those that every request gets, by label.
    pub(super) fn always(&self) -> impl Iterator<Item = (&str, &ConfiguredMcp)> {
        let always = self.configured.iter().filter(|(_, one)| one.offer == Offer::Always);
        always.map(|(label, one)| (label.as_str(), one))
    }
}

impl fmt::Debug for McpServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.configured.keys()).finish()
    }
}
