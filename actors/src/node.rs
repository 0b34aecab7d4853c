//! What all arbiters share.

use std::sync::Arc;

use arc_swap::ArcSwap;
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
use crate::provider::Providers;
use crate::running::{Place, Readers, Running};

/// The server as all arbiters see it. A clone shares all that counts and all that waits.
///
/// A new configuration makes another node of this one, in [`LiveNode`]; what has begun keeps the node that it began with.
#[derive(Clone)]
pub struct Node {
    /// Providers, and the way to them.
    pub providers: Arc<Providers>,
    /// Limits.
    pub limits: Limits,
    /// Bytes that all requests together may hold.
    pub budget: Budget,
    /// Places for work that is too large for an arbiter.
    pub heavy: Heavy,
    /// The history.
    pub store: Arc<dyn Store>,
    /// What stands between requests and models.
    pub middleware: Arc<Chain>,
    /// What the server runs itself.
    pub tools: Arc<Registry>,
    /// MCP servers, and the way to them.
    pub mcp: Arc<McpServers>,
    /// Closes what clients get of the providers' state.
    pub sealer: Sealer,
    /// The stored client keys.
    pub clients: Arc<Clients>,
    /// Counters.
    pub metrics: Metrics,
    /// The responses in progress.
    pub running: Arc<Running>,
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
        let running = Arc::new(Running::new(&limits, store.unfinished()));
        let heavy = Heavy::new(metrics.clone());
        let readers = Readers::default();
        let sealer = Sealer::of(&store.approval_key());
        let middleware = Arc::new(Chain::none(metrics.clone()));
        let clients = Arc::default();
        Self {
            providers: Arc::new(providers),
            limits,
            budget,
            heavy,
            store,
            middleware,
            tools,
            mcp: Arc::new(mcp),
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

/// The node that new work gets.
#[derive(Clone)]
pub struct LiveNode(Arc<ArcSwap<Node>>);

impl LiveNode {
    /// This one, until another takes its place.
    pub fn new(node: Arc<Node>) -> Self {
        Self(Arc::new(ArcSwap::new(node)))
    }

    /// The one that work which begins now belongs to.
    pub fn now(&self) -> Arc<Node> {
        self.0.load_full()
    }

    /// Gives all work that begins from now on this node. It must be made of the one before, so that the two share what runs.
    pub fn replace(&self, node: Arc<Node>) {
        node.running.set_limits(&node.limits);
        self.0.store(node);
    }
}
