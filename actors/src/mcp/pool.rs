//! The MCP servers in use, over all arbiters.

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, Arbiter};

use super::{AddressGuard, McpActor, McpServer};
use crate::metrics::Metrics;

/// The actors of all MCP servers in use. They live on a thread of their own, which is started at the first use.
pub struct McpPool {
    #[expect(dead_code, reason = "sessions come with the next commit")]
    guard: Arc<AddressGuard>,
    #[expect(dead_code, reason = "sessions come with the next commit")]
    metrics: Metrics,
    arbiter: Mutex<Option<Arbiter>>,
}

impl McpPool {
    /// An empty pool.
    pub fn new(guard: AddressGuard, metrics: Metrics) -> Self {
        Self { guard: Arc::new(guard), metrics, arbiter: Mutex::new(None) }
    }

    /// The actor for a server; made if there is none. Needs an actix system. Ask for it each time and keep no
    /// address: one that nobody uses is forgotten.
    pub fn actor(&self, server: &Arc<McpServer>) -> Addr<McpActor> {
        let mut arbiter = self.arbiter.lock().unwrap_or_else(PoisonError::into_inner);
        let arbiter = arbiter.get_or_insert_with(Arbiter::new);
        let server = Arc::clone(server);
        McpActor::start_in_arbiter(&arbiter.handle(), |_| McpActor::new(server))
    }

    /// Ends all programs at once. Called when the server stops.
    pub fn close(&self) {}
}
