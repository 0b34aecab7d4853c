//! What all arbiters share.

use std::collections::BTreeMap;
use std::sync::Arc;

use or_bounds::Budget;
use or_store::Store;
use or_telemetry::Metrics;
use or_tools::Registry;

use crate::limits::Limits;
use crate::mcp::McpServers;
use crate::provider::ProviderSpec;
use crate::running::{Readers, Running};

/// The server as all arbiters see it.
pub struct Node {
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<ProviderSpec>>,
    /// Limits.
    pub limits: Limits,
    /// Bytes that all requests together may hold.
    pub budget: Budget,
    /// The history.
    pub store: Arc<dyn Store>,
    /// What the server runs itself.
    pub tools: Arc<Registry>,
    /// MCP servers, and the way to them.
    pub mcp: McpServers,
    /// Counters.
    pub metrics: Metrics,
    /// The responses in progress.
    pub running: Running,
    /// Who reads event logs.
    pub readers: Readers,
}

impl Node {
    /// A node with nothing running.
    pub fn new(
        providers: BTreeMap<String, Arc<ProviderSpec>>,
        limits: Limits,
        budget: Budget,
        store: Arc<dyn Store>,
        tools: Arc<Registry>,
        mcp: McpServers,
        metrics: Metrics,
    ) -> Self {
        let running = Running::new(limits.max_concurrent_responses, store.unfinished());
        let readers = Readers::default();
        Self { providers, limits, budget, store, tools, mcp, metrics, running, readers }
    }
}
