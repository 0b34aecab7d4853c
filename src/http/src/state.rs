//! What all workers share, and what a worker has of its own.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::{Error, FromRequest, HttpRequest, web};
use arc_swap::ArcSwap;
use or_actors::store::StoreHandle;
use or_actors::{ClientKeys, Discovery, LiveNode, LoopSupervisor, Node};
use or_engine::ReasoningEvents;
use or_protocol::ApiError;

use crate::gate::Gate;
use crate::listing::Listing;

/// How fast a request's body must come.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// From its first byte to its last.
    pub timeout: Duration,
    /// On the average, after a grace time; 0: no bound.
    pub min_bytes_per_s: u64,
}

/// What the HTTP layer has to know.
#[derive(Clone)]
pub struct HttpOptions {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// A client that takes nothing for so long, or sends nothing of its body, loses its connection.
    pub client_write_timeout: Duration,
    /// The same for one that has more to take all the time, however much of it it takes.
    pub max_lag: Duration,
    /// How fast a body must come.
    pub upload: UploadLimits,
    /// Connections at the same time, over all workers.
    pub max_connections: usize,
    /// Origins that browsers may call from; `["*"]` for all.
    pub cors_allowed_origins: Vec<String>,
    /// Whether a dropped field is an error unless the request says otherwise.
    pub strict_translation: bool,
    /// Names of raw-reasoning events for all clients; `None`: those that each client reads.
    pub reasoning_events: Option<ReasoningEvents>,
    /// Whether clients may bring their own provider keys.
    pub client_provider_keys: bool,
    /// How long connections may go on after a stop.
    pub shutdown_timeout: Duration,
    /// Where to listen for the metrics alone; `None`: they are told where the API is.
    pub metrics_bind: Option<SocketAddr>,
    /// The same for the admin API, if there is one.
    pub admin_bind: Option<SocketAddr>,
    /// Who may call.
    pub gate: Gate,
}

/// What all workers share, as the configuration in force has it.
pub struct AppState {
    /// Providers, store, limits.
    pub node: Arc<Node>,
    /// The stored client keys.
    pub keys: Arc<ClientKeys>,
    /// Asks the providers for their models; `None`: they are not asked.
    pub discovery: Option<Arc<Discovery>>,
    /// What `/v1/models` tells, in its order.
    pub listing: Box<Listing>,
    /// Options.
    pub options: HttpOptions,
}

/// The state that requests get: that of the newest configuration, for each as a whole.
pub struct Live {
    node: LiveNode,
    state: ArcSwap<AppState>,
}

impl Live {
    /// This one, until another takes its place.
    pub fn new(state: AppState) -> Self {
        Self { node: LiveNode::new(Arc::clone(&state.node)), state: ArcSwap::from_pointee(state) }
    }

    /// That of a request that comes now.
    pub fn now(&self) -> Arc<AppState> {
        self.state.load_full()
    }

    /// The node of that state.
    pub fn node(&self) -> LiveNode {
        self.node.clone()
    }

    /// Gives all requests from now on this state.
    pub fn replace(&self, state: AppState) {
        self.node.replace(Arc::clone(&state.node));
        self.state.store(Arc::new(state));
    }
}

/// The state in force when the request came to its handler.
pub(crate) struct State(Arc<AppState>);

impl Deref for State {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}

impl State {
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let live = request.app_data::<web::Data<Live>>().ok_or_else(ApiError::internal)?;
        Ok(Self(live.now()))
    }
}

impl FromRequest for State {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).map_err(|_| ErrorInternalServerError("no state")))
    }
}

/// One worker's own: the ways to its actors.
pub(crate) struct Worker {
    pub(crate) live: LiveNode,
    pub(crate) store: StoreHandle,
    pub(crate) supervisor: Addr<LoopSupervisor>,
}

impl Worker {
    /// The node that work which begins now belongs to.
    pub(crate) fn node(&self) -> Arc<Node> {
        self.live.now()
    }
}
