//! What all arbiters share.

use std::collections::BTreeMap;
use std::sync::Arc;

use or_bounds::Budget;
use or_engine::Sealer;
use or_keys::Clients;
use or_middleware::Chain;
use or_protocol::ApiError;
use or_store::{Health, Store};
use or_telemetry::{Levels, Metrics};
use or_tools::Registry;

use crate::heavy::Heavy;
use crate::limits::Limits;
use crate::mcp::McpServers;
use crate::provider::ProviderSpec;
use crate::running::{Place, Readers, Running};

/// The server as all arbiters see it.
pub struct Node {
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<ProviderSpec>>,
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
        providers: BTreeMap<String, Arc<ProviderSpec>>,
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

    /// What is counted elsewhere and told with the metrics.
    pub fn levels(&self) -> Levels {
        let stored = self.store.total();
        Levels {
            running: self.running.count(),
            background_queued: self.running.waiting(),
            store_writable: self.store.health() == Health::Good,
            store_bytes: stored.bytes,
            store_records: stored.responses,
            bytes_in_flight: self.budget.used(),
            max_bytes_in_flight: self.budget.limit(),
            bytes_refused: self.budget.refused(),
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
