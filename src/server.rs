//! Builds, starts and stops a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::dev::ServerHandle;
use or_actors::{ClientKeys, Limits, Node, RunningResponse};
use or_adapters::{Adapter, ProviderOptions};
use or_bounds::{Budget, usable_memory};
use or_http::{AppState, ClientKey, Gate, HttpOptions, MetricsReader, UploadLimits};
use or_keys::Clients;
use or_middleware::{Chain, Middleware};
use or_store::{Health, SledOptions, SledStore, Store};
use or_telemetry::Metrics;
use or_telemetry::otlp::{Exporter, ExporterError, OtlpOptions};
use or_tools::{AnyTool, Places, Registry, Tool};
use or_webhooks::Webhooks;
use tokio::time::Instant;

use crate::StartError;
use crate::config::{self, Resolved, SealKey};
use crate::wiring::{self, Factory};

/// After the grace time, how long loops may take to end; after their end, how long terminal events may take to
/// reach slow clients.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Between two looks whether all responses are over.
const IDLE_CHECK: Duration = Duration::from_millis(20);
/// Between two notes of when client keys were last used.
const NOTE_USES: Duration = Duration::from_secs(60);
/// Open files that many streams need: two sockets each.
const OPEN_FILES: u64 = 1 << 20;

/// Puts a server together. Must be used inside an actix system.
pub struct ServerBuilder {
    resolved: Resolved,
    factories: BTreeMap<String, Box<Factory>>,
    store: Option<Arc<dyn Store>>,
    tools: Vec<Arc<dyn Tool>>,
    middlewares: Vec<Arc<dyn Middleware>>,
}

impl ServerBuilder {
    /// A server with the built-in adapters and the configured store.
    pub fn new(resolved: Resolved) -> Self {
        let (tools, middlewares) = (Vec::new(), Vec::new());
        Self { resolved, factories: BTreeMap::new(), store: None, tools, middlewares }
    }

    /// Adds an adapter of one's own under a `kind` that provider tables can name; replaces a built-in one
    /// of that name.
    #[must_use]
    pub fn adapter(
        mut self,
        kind: &str,
        factory: impl Fn(&ProviderOptions) -> Result<Arc<dyn Adapter>, String> + Send + Sync + 'static,
    ) -> Self {
        self.factories.insert(kind.to_owned(), Box::new(factory));
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
        self.tools.push(Arc::new(tool));
        self
    }

    /// Adds a middleware of one's own, behind those of the configuration.
    #[must_use]
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middlewares.push(Arc::new(middleware));
        self
    }

    fn tools(&self) -> Result<Registry, StartError> {
        let own = self.tools.iter().map(|tool| AnyTool::Rust(Arc::clone(tool)));
        Ok(Registry::new(wiring::tools(&self.resolved)?.into_iter().chain(own))?)
    }

    /// Whether every provider that is on has a known kind and quirks that its adapter takes, and every tool a
    /// schema that compiles.
    pub fn check(&self) -> Result<(), StartError> {
        self.tools()?;
        wiring::middlewares(&self.resolved)?;
        wiring::providers(&self.resolved, &self.factories).map(drop)
    }

    /// Opens the store, binds and starts the workers.
    pub fn start(mut self) -> Result<Running, StartError> {
        raise_open_files();
        let specs = wiring::providers(&self.resolved, &self.factories)?;
        let store = match self.store.take() {
            Some(store) => store,
            None => SledStore::open(store_options(&self.resolved))?,
        };
        let several = wiring::several(&self.resolved, store.client_keys().len());
        let limits = limits(&self.resolved, several);
        let owners = Arc::clone(&limits.owners);
        let programs = Places::new(move |owner| owners.of(owner).max_tool_processes);
        let tools = Arc::new(self.tools()?.with_places(Arc::new(programs)));
        let pick = wiring::router(&self.resolved, &specs);
        let discovery = wiring::discovery(&self.resolved, &specs);
        let listing = wiring::listing(&self.resolved, &specs, now());
        let config = &self.resolved.config;
        let metrics = Metrics::new().map_err(StartError::Metrics)?;
        let webhooks = webhooks(&self.resolved, &store, &metrics)?;
        wiring::label_models(&self.resolved, &specs, &metrics);
        let mcp = wiring::mcp(&self.resolved, Arc::clone(&limits.owners), metrics.clone());
        let keys = ClientKeys::new(
            Arc::clone(&store),
            self.resolved.client_keys.iter().map(|key| key.name.clone()),
            Arc::default(),
            Arc::clone(&limits.owners),
            wiring::stored_shares(config, several),
        );
        let middlewares = wiring::middlewares(&self.resolved)?.into_iter().chain(self.middlewares);
        let middleware = Chain::new(middlewares, metrics.clone())?;
        let mut node = Node::new(specs, limits, budget(&config.server), store, tools, mcp, metrics);
        node.middleware = middleware;
        if let Some(SealKey(key)) = &self.resolved.seal_key {
            node.sealer = node.sealer.with_first(key);
        }
        node.clients = keys.clients();
        let node = Arc::new(node);
        let exporter = self.resolved.otlp.clone().map(|options| exporter(options, &node)).transpose()?;
        let grace = config.server.shutdown_grace();
        let options = http_options(&self.resolved, keys.clients());
        let address = options.bind;
        let state = Arc::new(AppState { node: Arc::clone(&node), keys, pick, discovery, listing, options });
        let (server, addresses) =
            or_http::start(Arc::clone(&state)).map_err(|source| StartError::Bind { address, source })?;
        let handle = server.handle();
        let task = actix_web::rt::spawn(server);
        let notes = actix_web::rt::spawn({
            let state = Arc::clone(&state);
            async move {
                loop {
                    tokio::time::sleep(NOTE_USES).await;
                    state.keys.note_uses().await;
                }
            }
        });
        Ok(Running { state, webhooks, handle, task, notes, addresses, grace, exporter })
    }
}

/// A server at work.
pub struct Running {
    state: Arc<AppState>,
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
        self.state.node.running.list()
    }

    /// Resolves when the store's writer is gone, which nothing but a restart mends. A write that fails makes
    /// the server not ready and is no reason to end it.
    pub async fn store_died(&self) {
        while !matches!(self.state.node.store.health(), Health::Dead(_)) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Stops: not ready, no new work, responses may finish within the grace time, the rest ends with a terminal
    /// event. Background responses of which nothing was shown are left to the next start at once.
    ///
    /// The server listens until all are over, so that who asks is told that it stops.
    pub async fn stop(self) -> std::io::Result<()> {
        self.state.node.running.begin_stop();
        self.state.node.running.park();
        let over = Instant::now() + self.grace;
        if !self.is_idle_until(over).await {
            let ended = self.state.node.running.stop_all();
            tracing::warn!(ended, "responses were ended because the grace time is over");
            self.is_idle_until(over + LAST_WORDS).await;
        }
        if let Some(webhooks) = self.webhooks {
            webhooks.stop().await;
        }
        self.notes.abort();
        // A disk that does not answer must not keep the process.
        let _ = tokio::time::timeout(LAST_WORDS, self.state.keys.note_uses()).await;
        // Nobody asks them any more, and the process does not wait for their thread.
        self.state.node.mcp.pool.close();
        // What was said has yet to reach slow clients; idle connections are closed at once.
        self.handle.stop(true).await;
        if let Some(exporter) = self.exporter {
            exporter.close().await;
        }
        self.state.node.middleware.settled(LAST_WORDS).await;
        match self.task.await {
            Ok(result) => result,
            Err(error) => Err(std::io::Error::other(error)),
        }
    }

    /// Waits for the end of all responses, but not longer than to `deadline`.
    async fn is_idle_until(&self, deadline: Instant) -> bool {
        while self.state.node.running.count() > 0 {
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

/// Sends spans and metrics for as long as there is the node.
fn exporter(options: OtlpOptions, node: &Arc<Node>) -> Result<Exporter, ExporterError> {
    let weak = Arc::downgrade(node);
    let gather = move || weak.upgrade().map(|node| node.metrics.gather(&node.levels()));
    Exporter::start(options, &node.metrics, Box::new(gather))
}

/// Unix seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or_default()
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

fn limits(resolved: &Resolved, several: bool) -> Limits {
    let config = &resolved.config;
    let config::Config { server, background, tool_limits, .. } = config;
    Limits {
        max_concurrent_responses: server.max_concurrent_responses,
        max_context_bytes: server.max_context_bytes,
        keepalive: server.keepalive(),
        max_readers_per_response: server.max_readers_per_response,
        max_response: server.max_response(),
        max_output_bytes: server.max_output_bytes,
        background_max_retries: background.max_retries,
        background_max_retry_delay: background.max_retry_delay(),
        tools: *tool_limits,
        max_background: wiring::max_background(config),
        owners: Arc::new(wiring::owners(resolved, several)),
    }
}

/// The bytes that all requests together may hold. Where the machine does not say how much memory it has, as for one
/// of 4 GiB.
fn budget(server: &config::Server) -> Budget {
    Budget::new(match server.max_bytes_in_flight {
        0 => usable_memory().unwrap_or(4 << 30) / 4,
        bytes => bytes,
    })
}

fn http_options(resolved: &Resolved, stored: Arc<Clients>) -> HttpOptions {
    let server = &resolved.config.server;
    let keys = resolved.client_keys.iter();
    let metrics = match &resolved.metrics_key {
        Some(key) => MetricsReader::Key(key.expose().into()),
        None if resolved.config.metrics.public => MetricsReader::Anybody,
        None => MetricsReader::Client,
    };
    let gate = Gate::new(
        keys.map(|k| ClientKey { name: k.name.clone(), key: k.key.expose().into() }).collect(),
        metrics,
        server.bind.ip().to_canonical().is_loopback(),
    )
    .with_stored(stored, resolved.config.auth.require_key);
    let gate = match &resolved.admin_key {
        Some(key) => gate.with_admin(key.expose()),
        None => gate,
    };
    HttpOptions {
        bind: server.bind,
        workers: server.worker_count(),
        max_body_bytes: server.max_body_bytes,
        client_write_timeout: server.client_write_timeout(),
        max_lag: server.max_response().max(server.client_write_timeout()),
        upload: UploadLimits {
            timeout: server.upload_timeout(),
            min_bytes_per_s: server.min_upload_bytes_per_s,
        },
        max_connections: server.max_connections,
        cors_allowed_origins: server.cors_allowed_origins.clone(),
        strict_translation: server.strict_translation,
        reasoning_events: server.reasoning_events.names(),
        client_provider_keys: resolved.config.auth.client_provider_keys == config::ClientProviderKeys::Allow,
        shutdown_timeout: LAST_WORDS,
        metrics_bind: resolved.config.metrics.bind,
        admin_bind: resolved.config.admin.bind,
        gate,
    }
}
