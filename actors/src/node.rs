//! What all arbiters share.

use std::sync::Arc;

use or_bounds::Budget;
use or_engine::Sealer;
use or_keys::Clients;
use or_middleware::Chain;
use or_protocol::ApiError;
use or_store::Store;
use or_telemetry::Metrics;
use or_tools::Registry;

use crate::heavy::Heavy;
use crate::limits::Limits;
use crate::mcp::McpServers;
use crate::provider::Providers;
use crate::running::{Place, Readers, Running};

/// The server as all arbiters see it.
pub struct Node {
    /// Providers, and the way to them.
    pub providers: Providers,
    /// Limits.
    pub limits: Limits,
    /// Bytes that all requests together may hold.
    pub budget: Budget,
    /// Places for work that is too large for an arbiter.
    pub heavy: Heavy,
    /// The history.
    pub store: Arc<dyn Store>,
    /// What stands between requests and models.
    pub middleware: Chain,
    /// What the server runs itself.
    pub tools: Arc<Registry>,
    /// MCP servers, and the way to them.
    pub mcp: McpServers,
    /// Closes what clients get of the providers' state.
    pub sealer: Sealer,
    /// The stored client keys.
    pub clients: Arc<Clients>,
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
        providers: Providers,
        limits: Limits,
        budget: Budget,
        store: Arc<dyn Store>,
        tools: Arc<Registry>,
        mcp: McpServers,
        metrics: Metrics,
    ) -> Self {
        let running = Running::new(&limits, store.unfinished());
        let heavy = Heavy::new(metrics.clone());
        let readers = Readers::default();
        let sealer = Sealer::of(&store.approval_key());
        let middleware = Chain::none(metrics.clone());
        let clients = Arc::default();
        Self {
            providers,
            limits,
            budget,
            heavy,
            store,
            middleware,
            tools,
            mcp,
            sealer,
            clients,
            metrics,
            running,
            readers,
        }
    }

    /// Takes a place for this owner, or says why there is none.
    pub(crate) fn admit(&self, owner: &str, background: bool) -> Result<Place, ApiError> {
        self.running.admit(owner, background).map_err(|full| {
            if let Some(bound) = full.bound() {
                self.metrics.over_limit(bound);
            }
            full.to_api()
        })
    }
}
