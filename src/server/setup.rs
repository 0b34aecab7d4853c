//! What a configuration makes of a server, and what another one puts in its place while the server runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use or_actors::{ClientKeys, Limits, Node, Owners, ProviderSpec, Providers};
use or_bounds::{Budget, usable_memory};
use or_http::{AppState, ClientKey, Gate, HttpOptions, MetricsReader, UploadLimits};
use or_keys::Clients;
use or_middleware::{Chain, Middleware};
use or_store::Store;
use or_telemetry::Metrics;
use or_tools::{AnyTool, Places, Registry, Tool};

use crate::StartError;
use crate::config::{self, Config, Resolved, SealKey};
use crate::wiring::{self, Factory};

/// After the grace time, how long loops may take to end; after their end, how long terminal events may take to
/// reach slow clients.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(3);

/// What the program brings along that embeds the server.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) factories: BTreeMap<String, Box<Factory>>,
    pub(super) tools: Vec<Arc<dyn Tool>>,
    pub(super) middlewares: Vec<Arc<dyn Middleware>>,
}

impl Brought {
    /// The tools of the configuration and those brought along.
    pub(super) fn tools(&self, resolved: &Resolved) -> Result<Registry, StartError> {
        let own = self.tools.iter().map(|tool| AnyTool::Rust(Arc::clone(tool)));
        Ok(Registry::new(wiring::tools(resolved)?.into_iter().chain(own))?)
    }

    /// All middlewares: those of the configuration, then those brought along.
    fn chain<'a>(
        &'a self,
        configured: &'a [Arc<dyn Middleware>],
    ) -> impl Iterator<Item = Arc<dyn Middleware>> + 'a {
        configured.iter().chain(&self.middlewares).cloned()
    }
}

/// What the configuration in force made, as far as the next one may keep it.
pub(super) struct Setup {
    pub(super) resolved: Resolved,
    brought: Brought,
    /// Places for programs of tools.
    places: Arc<Places>,
    /// Of the configuration, in its order.
    middlewares: Vec<Arc<dyn Middleware>>,
    /// Unix seconds of the start.
    started: i64,
}

impl Setup {
    /// For a server that starts.
    pub(super) fn first(
        resolved: Resolved,
        brought: Brought,
        providers: BTreeMap<String, Arc<ProviderSpec>>,
        store: Arc<dyn Store>,
        metrics: Metrics,
    ) -> Result<(AppState, Self), StartError> {
        let config = &resolved.config;
        let several = wiring::several(&resolved, store.client_keys().len());
        let owners = Arc::new(wiring::owners(&resolved, several));
        let of_programs = Arc::clone(&owners);
        let places = Arc::new(Places::new(move |owner| of_programs.of(owner).max_tool_processes));
        let tools = Arc::new(brought.tools(&resolved)?.with_places(Arc::clone(&places)));
        let mcp = wiring::mcp(&resolved, Arc::clone(&owners), metrics.clone());
        let keys = Arc::new(ClientKeys::new(
            Arc::clone(&store),
            key_names(&resolved),
            Arc::default(),
            Arc::clone(&owners),
            wiring::stored_shares(config, several),
        ));
        let middlewares = wiring::middlewares(&resolved)?;
        let chain = Chain::new(brought.chain(&middlewares), metrics.clone())?;
        let limits = limits(config, owners);
        let providers = providers_of(&resolved, providers);
        let mut node = Node::new(providers, limits, budget(&config.server), store, tools, mcp, metrics);
        node.middleware = Arc::new(chain);
        if let Some(SealKey(key)) = &resolved.seal_key {
            node.sealer = node.sealer.with_first(key);
        }
        node.clients = keys.clients();
        let started = now();
        let options = http_options(&resolved, keys.clients());
        let state = state(&resolved, node, keys, options, started);
        Ok((state, Self { resolved, brought, places, middlewares, started }))
    }

    /// For a server that runs as `before` says: what is as it was is kept, with all that it has counted and all that it has
    /// open. Nothing is in force before the returned state is.
    pub(super) fn next(&self, resolved: Resolved, before: &AppState) -> Result<(AppState, Next), StartError> {
        let (old, new) = (&self.resolved.config, &resolved.config);
        let node = &before.node;
        let several = wiring::several(&resolved, node.store.client_keys().len());
        let providers = self.providers(&resolved, node.providers.named())?;
        let providers = Arc::new(providers_of(&resolved, providers));
        let tools = self.tools(&resolved, &node.tools)?;
        let middlewares = self.middlewares(&resolved)?;
        let same = new.middleware == old.middleware;
        let middleware = if same {
            Arc::clone(&node.middleware)
        } else {
            Arc::new(node.middleware.next(self.brought.chain(&middlewares))?)
        };
        let mcp = if (&new.mcp, &new.mcp_limits, &new.security) == (&old.mcp, &old.mcp_limits, &old.security)
        {
            Arc::clone(&node.mcp)
        } else {
            Arc::new(wiring::mcp(&resolved, Arc::clone(&node.limits.owners), node.metrics.clone()))
        };
        let limits = limits(new, Arc::clone(&node.limits.owners));
        let node = Node { providers, limits, tools, mcp, middleware, ..Node::clone(node) };
        let mut options = http_options(&resolved, before.keys.clients());
        options.gate = options.gate.in_place_of(&before.options.gate);
        let state = state(&resolved, node, Arc::clone(&before.keys), options, self.started);
        Ok((state, Next { resolved, middlewares, several }))
    }

    /// Takes over the configuration whose state is in force now.
    pub(super) async fn take_over(&mut self, next: Next, state: &AppState) {
        let Next { resolved, middlewares, several } = next;
        state.node.limits.owners.reconfigure(&wiring::owners(&resolved, several));
        state.keys.reconfigure(key_names(&resolved), wiring::stored_shares(&resolved.config, several)).await;
        (self.resolved, self.middlewares) = (resolved, middlewares);
    }

    /// A provider whose table is as it was goes on with its connections, and with what it counts.
    fn providers(
        &self,
        resolved: &Resolved,
        before: &BTreeMap<String, Arc<ProviderSpec>>,
    ) -> Result<BTreeMap<String, Arc<ProviderSpec>>, StartError> {
        let (old, new) = (&self.resolved.config, &resolved.config);
        let mut specs = wiring::providers(resolved, &self.brought.factories)?;
        // The models that routes lead to have breakers.
        let same_bounds = (old.server.max_upstream_bytes, &old.resilience, &old.routes)
            == (new.server.max_upstream_bytes, &new.resilience, &new.routes);
        for (name, spec) in &mut specs {
            let same = same_bounds && old.providers.get(name) == new.providers.get(name);
            if let Some(kept) = before.get(name).filter(|_| same) {
                *spec = Arc::clone(kept);
            }
        }
        Ok(specs)
    }

    /// Those that are as they were go on counting their runs. A file with a schema may have changed without its table.
    fn tools(&self, resolved: &Resolved, before: &Arc<Registry>) -> Result<Arc<Registry>, StartError> {
        let (old, new) = (&self.resolved.config.tools, &resolved.config.tools);
        if old == new && new.values().all(|tool| tool.parameters_file.as_os_str().is_empty()) {
            return Ok(Arc::clone(before));
        }
        Ok(Arc::new(self.brought.tools(resolved)?.with_places(Arc::clone(&self.places))))
    }

    /// A middleware whose table is as it was goes on with its state.
    fn middlewares(&self, resolved: &Resolved) -> Result<Vec<Arc<dyn Middleware>>, StartError> {
        let mut before: Vec<_> = self.resolved.config.middleware.iter().zip(&self.middlewares).collect();
        let mut middlewares = wiring::middlewares(resolved)?;
        for (table, middleware) in resolved.config.middleware.iter().zip(&mut middlewares) {
            if let Some(same) = before.iter().position(|(old, _)| *old == table) {
                *middleware = Arc::clone(before.remove(same).1);
            }
        }
        Ok(middlewares)
    }
}

/// A configuration on its way to be in force.
pub(super) struct Next {
    pub(super) resolved: Resolved,
    middlewares: Vec<Arc<dyn Middleware>>,
    several: bool,
}

fn key_names(resolved: &Resolved) -> Vec<String> {
    resolved.client_keys.iter().map(|key| key.name.clone()).collect()
}

fn providers_of(resolved: &Resolved, specs: BTreeMap<String, Arc<ProviderSpec>>) -> Providers {
    let pick = wiring::router(resolved, &specs);
    Providers::new(specs, pick)
}

fn state(
    resolved: &Resolved,
    node: Node,
    keys: Arc<ClientKeys>,
    options: HttpOptions,
    started: i64,
) -> AppState {
    let specs = node.providers.named();
    wiring::label_models(resolved, specs, &node.metrics);
    AppState {
        discovery: wiring::discovery(resolved, specs),
        listing: wiring::listing(resolved, specs, started),
        node: Arc::new(node),
        keys,
        options,
    }
}

/// Unix seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or_default()
}

fn limits(config: &Config, owners: Arc<Owners>) -> Limits {
    let Config { server, background, tool_limits, .. } = config;
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
        owners,
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
