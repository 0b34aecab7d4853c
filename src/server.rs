//! Builds, starts and stops a server.

mod reload;
mod setup;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use or_actors::RunningResponse;
use or_adapters::{Adapter, ProviderOptions};
use or_http::Live;
use or_middleware::Middleware;
use or_store::{Health, SledOptions, SledStore, Store};
use or_telemetry::Metrics;
use or_telemetry::otlp::{Exporter, ExporterError, OtlpOptions};
use or_tools::Tool;
use or_webhooks::Webhooks;
use tokio::time::Instant;

pub use reload::ReloadError;
use setup::{Brought, LAST_WORDS, Setup};

use crate::StartError;
use crate::config::{ConfigError, Resolved};
use crate::wiring;

/// Between two looks whether all responses are over.
const IDLE_CHECK: Duration = Duration::from_millis(20);
/// Between two notes of when client keys were last used.
const NOTE_USES: Duration = Duration::from_secs(60);
/// Open files that many streams need: two sockets each.
const OPEN_FILES: u64 = 1 << 20;

/// Puts a server together. Must be used inside an actix system.
pub struct ServerBuilder {
    resolved: Resolved,
    store: Option<Arc<dyn Store>>,
    brought: Brought,
}

impl ServerBuilder {
    /// A server with the built-in adapters and the configured store.
    pub fn new(resolved: Resolved) -> Self {
        Self { resolved, store: None, brought: Brought::default() }
    }

    /// Adds an adapter of one's own under a `kind` that provider tables can name; replaces a built-in one
    /// of that name.
    #[must_use]
    pub fn adapter(
        mut self,
        kind: &str,
        factory: impl Fn(&ProviderOptions) -> Result<Arc<dyn Adapter>, String> + Send + Sync + 'static,
    ) -> Self {
        self.brought.factories.insert(kind.to_owned(), Box::new(factory));
        self
    }

    /// Keeps the history in another store.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Adds a tool of one's own, which the server runs.
    #[must_use]
    pub fn tool(mut self, tool: impl Tool) -> Self {
        self.brought.tools.push(Arc::new(tool));
        self
    }

    /// Adds a middleware of one's own, behind those of the configuration.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.brought.middlewares.push(Arc::new(middleware));
        self
    }

    /// Whether every provider that is on has a known kind and quirks that its adapter takes, and every tool a
    /// schema that compiles.
    pub fn check(&self) -> Result<(), StartError> {
        self.brought.tools(&self.resolved)?;
        wiring::middlewares(&self.resolved)?;
        wiring::providers(&self.resolved, &self.brought.factories).map(drop)
    }

    /// Opens the store, binds and starts the workers.
    pub fn start(self) -> Result<Running, StartError> {
        raise_open_files();
        let Self { resolved, store, brought } = self;
        // What is wrong with it is said before the store is opened.
        let providers = wiring::providers(&resolved, &brought.factories)?;
        let store = match store {
            Some(store) => store,
            None => SledStore::open(store_options(&resolved))?,
        };
        let metrics = Metrics::new().map_err(StartError::Metrics)?;
        let webhooks = webhooks(&resolved, &store, &metrics)?;
        let (state, setup) = Setup::first(resolved, brought, providers, store, metrics)?;
        let config = &setup.resolved.config;
        let (address, grace) = (config.server.bind, config.server.shutdown_grace());
        let live = Arc::new(Live::new(state));
        let exporter = setup.resolved.otlp.clone().map(|options| exporter(options, &live)).transpose()?;
        let (server, addresses) =
            or_http::start(Arc::clone(&live)).map_err(|source| StartError::Bind { address, source })?;
        let handle = server.handle();
        let task = actix_web::rt::spawn(server);
        let keys = Arc::clone(&live.now().keys);
        let notes = actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(NOTE_USES).await;
                keys.note_uses().await;
            }
        });
        Ok(Running { live, setup, webhooks, handle, task, notes, addresses, grace, exporter })
    }
}

/// A server at work.
pub struct Running {
    live: Arc<Live>,
    /// What the configuration in force made.
    setup: Setup,
    webhooks: Option<Webhooks>,
    handle: ServerHandle,
    task: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
    /// Notes from time to time when keys were used.
    notes: actix_web::rt::task::JoinHandle<()>,
    addresses: Vec<SocketAddr>,
    grace: Duration,
    exporter: Option<Exporter>,
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The responses in progress, the oldest first: what each does at this moment, for whom, and since when.
    pub fn responses(&self) -> Vec<RunningResponse> {
        self.live.now().node.running.list()
    }

    /// Puts a configuration in force in place of the one before, as a whole or not at all: for every request that comes from
    /// then on. Responses in progress keep what they began with. What the new configuration says as the old one did goes on:
    /// connections, sessions with MCP servers, states of middlewares.
    ///
    /// Returns the keys whose new values want a restart, and are not in force. The outcome is in log and metrics.
    ///
    /// # Errors
    /// Where the configuration is refused; the one before stays.
    pub async fn reload(
        &mut self,
        loaded: Result<Resolved, ConfigError>,
    ) -> Result<Vec<String>, ReloadError> {
        let outcome = reload::reload(&self.live, &mut self.setup, loaded).await;
        self.grace = self.setup.resolved.config.server.shutdown_grace();
        outcome
    }

    /// Resolves when the store's writer is gone, which nothing but a restart mends. A write that fails makes
    /// the server not ready and is no reason to end it.
    pub async fn store_died(&self) {
        let store = Arc::clone(&self.live.now().node.store);
        while !matches!(store.health(), Health::Dead(_)) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Stops: not ready, no new work, responses may finish within the grace time, the rest ends with a terminal
    /// event. Background responses of which nothing was shown are left to the next start at once.
    ///
    /// The server listens until all are over, so that who asks is told that it stops.
    pub async fn stop(self) -> std::io::Result<()> {
        let state = self.live.now();
        state.node.running.begin_stop();
        state.node.running.park();
        let over = Instant::now() + self.grace;
        if !self.is_idle_until(over).await {
            let ended = state.node.running.stop_all();
            tracing::warn!(ended, "responses were ended because the grace time is over");
            self.is_idle_until(over + LAST_WORDS).await;
        }
        if let Some(webhooks) = self.webhooks {
            webhooks.stop().await;
        }
        self.notes.abort();
        // A disk that does not answer must not keep the process.
        let _ = tokio::time::timeout(LAST_WORDS, state.keys.note_uses()).await;
        // Nobody asks them any more, and the process does not wait for their thread.
        state.node.mcp.pool.close();
        // What was said has yet to reach slow clients; idle connections are closed at once.
        self.handle.stop(true).await;
        if let Some(exporter) = self.exporter {
            exporter.close().await;
        }
        state.node.middleware.settled(LAST_WORDS).await;
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    /// Waits for the end of all responses, but not longer than to `deadline`.
    async fn is_idle_until(&self, deadline: Instant) -> bool {
        let running = Arc::clone(&self.live.now().node.running);
        while running.count() > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(IDLE_CHECK).await;
        }
        true
    }
}

/// Begins to send what the store has to tell; `None` if nobody is to be told.
fn webhooks(
    resolved: &Resolved,
    store: &Arc<dyn Store>,
    metrics: &Metrics,
) -> Result<Option<Webhooks>, StartError> {
    let (endpoints, limits) = wiring::webhooks(resolved);
    if endpoints.is_empty() {
        return Ok(None);
    }
    if store.outbox().is_none() {
        return Err(StartError::NoOutbox);
    }
    let started = Webhooks::start(endpoints, limits, Arc::clone(store), metrics.clone());
    started.map(Some).map_err(StartError::Webhooks)
}

/// Sends spans and metrics for as long as there is a state.
fn exporter(options: OtlpOptions, live: &Arc<Live>) -> Result<Exporter, ExporterError> {
    let weak = Arc::downgrade(live);
    let gather = move || {
        let node = Arc::clone(&weak.upgrade()?.now().node);
        Some(node.metrics.gather(&node.levels()))
    };
    Exporter::start(options, &live.now().node.metrics, Box::new(gather))
}

fn raise_open_files() {
    match rlimit::increase_nofile_limit(OPEN_FILES) {
        Ok(limit) => tracing::debug!(limit, "open-files limit"),
        Err(error) => tracing::warn!(%error, "the open-files limit could not be raised"),
    }
}

fn store_options(resolved: &Resolved) -> SledOptions {
    let store = &resolved.config.store;
    SledOptions {
        max_record_bytes: store.max_record_bytes,
        several_owners: wiring::several(resolved, 0),
        on_corruption: store.on_corruption,
        retention: store.retention(),
        power_loss_safe: store.power_loss_safe,
        old_owners: resolved.old_owners(),
        subscriptions: wiring::subscriptions(resolved),
        ..SledOptions::new(PathBuf::from(&store.path))
    }
}
