//! What all MCP servers share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use or_telemetry::Metrics;
use tokio::sync::Semaphore;

use super::{AddressGuard, McpPlace, McpServer};
use crate::process::Group;

/// How much the pool keeps.
#[derive(Clone, Copy)]
pub struct McpBounds {
    /// A session that nobody uses for so long is closed. Default: 5 minutes.
    pub idle: Duration,
    /// Servers; above, those that were not used for longest are forgotten, unless they are in use. Default: 256.
    pub servers: usize,
    /// A list of tools is asked for again after so long, whether or not the server would say that it changed: its
    /// word can get lost, and servers without sessions cannot give it. Default: 5 minutes.
    pub list_age: Duration,
}

impl Default for McpBounds {
    fn default() -> Self {
        let minutes = Duration::from_secs(5 * 60);
        Self { idle: minutes, servers: 256, list_age: minutes }
    }
}

/// What all servers share.
pub struct Shared {
    pub(super) guard: Arc<AddressGuard>,
    pub(super) metrics: Metrics,
    pub(super) bounds: McpBounds,
    /// The programs that run.
    programs: Mutex<Vec<Weak<Group>>>,
    /// For calls, by server and how many it takes: its limit holds over all its sessions.
    places: Mutex<HashMap<(McpPlace, usize), Weak<Semaphore>>>,
}

impl Shared {
    /// Nothing runs yet.
    pub fn new(guard: AddressGuard, metrics: Metrics, bounds: McpBounds) -> Self {
        let (programs, places) = Default::default();
        Self { guard: Arc::new(guard), metrics, bounds, programs, places }
    }

    /// Where calls of a server wait for each other; `None`: nowhere.
    pub(super) fn places(&self, server: &McpServer) -> Option<Arc<Semaphore>> {
        let count = Some(server.limits.max_concurrent).filter(|count| *count > 0)?;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (server.place.clone(), count);
        if let Some(known) = places.get(&key).and_then(Weak::upgrade) {
            return Some(known);
        }
        places.retain(|_, places| places.strong_count() > 0);
        let made = Arc::new(Semaphore::new(count));
        places.insert(key, Arc::downgrade(&made));
        Some(made)
    }

    /// What is counted of them.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How much is kept of them.
    pub fn bounds(&self) -> McpBounds {
        self.bounds
    }

    /// Kills all programs at once. For the end of the process, which would not wait for their threads.
    pub fn close(&self) {
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        for program in programs.iter().filter_map(Weak::upgrade) {
            program.kill();
        }
    }

    /// Keeps a program in mind until it ends.
    pub(super) fn remember(&self, program: &Arc<Group>) {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.retain(|program| program.strong_count() > 0);
        programs.push(Arc::downgrade(program));
    }
}
