//! What all arbiters share: providers, limits, the registry of running loops, metrics.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Recipient;
use or_adapters::Adapter;
use or_engine::ReasoningEvents;
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::metrics::Metrics;
use crate::store::Store;
use crate::{Cancel, CancelReason};

/// How a provider is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// HTTP to the base URL.
    Http,
    /// The built-in demo, in this process.
    Demo,
}

/// One configured provider that is on.
pub struct ProviderSpec {
    /// Name in the configuration; also a metrics label.
    pub name: String,
    /// Its wire.
    pub adapter: Arc<dyn Adapter>,
    /// How it is reached.
    pub transport: Transport,
    /// Without trailing slash.
    pub base_url: String,
    /// The server's key for it.
    pub key: Option<Arc<str>>,
    /// Static headers.
    pub headers: Vec<(String, String)>,
    /// To make a connection.
    pub connect_timeout: Duration,
    /// To the first byte of the answer's body.
    pub first_byte_timeout: Duration,
    /// Between two reads.
    pub idle_timeout: Duration,
    /// Calls at the same time over all workers; 0: no limit.
    pub max_concurrent: usize,
    /// Calls running now.
    pub running: AtomicUsize,
}

impl fmt::Debug for ProviderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys and header values stay out of every log.
        f.debug_struct("ProviderSpec")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// Limits of the loops.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Responses at the same time over all workers.
    pub max_concurrent_responses: usize,
    /// SSE comment after so much silence; also how long a stream's head waits for the provider.
    pub keepalive: Duration,
    /// A client that takes nothing for so long is dropped.
    pub client_write_timeout: Duration,
    /// A whole response.
    pub max_response: Duration,
    /// Names of raw-reasoning events.
    pub reasoning_events: ReasoningEvents,
}

/// The server as all arbiters see it.
pub struct Node {
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<ProviderSpec>>,
    /// Limits.
    pub limits: Limits,
    /// The history.
    pub store: Arc<dyn Store>,
    /// Counters.
    pub metrics: Metrics,
    admitted: AtomicUsize,
    stopping: AtomicBool,
    running: Mutex<HashMap<ResponseId, Recipient<Cancel>>>,
}

impl Node {
    /// A node with nothing running.
    pub fn new(
        providers: BTreeMap<String, Arc<ProviderSpec>>,
        limits: Limits,
        store: Arc<dyn Store>,
        metrics: Metrics,
    ) -> Self {
        Self {
            providers,
            limits,
            store,
            metrics,
            admitted: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            running: Mutex::new(HashMap::new()),
        }
    }

    /// Takes a place among the running responses, or says why there is none.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        if self.stopping() {
            let text = "The server is shutting down. Please try again later.";
            let error = ApiError::new(ErrorKind::Unavailable, text).with_code("shutting_down");
            return Err(ApiError { retry_after_s: Some(5), ..error });
        }
        if self.admitted.fetch_add(1, Ordering::Relaxed) >= self.limits.max_concurrent_responses {
            self.admitted.fetch_sub(1, Ordering::Relaxed);
            let text = "Too many responses are in progress on this server. Please try again later.";
            let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("rate_limit_exceeded");
            return Err(ApiError { retry_after_s: Some(1), ..error });
        }
        Ok(())
    }

    pub(crate) fn release(&self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// Responses in progress.
    pub fn running(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, HashMap<ResponseId, Recipient<Cancel>>> {
        // A panic while the lock was held cannot have left the map half-changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: ResponseId, address: Recipient<Cancel>) {
        self.registry().insert(id, address);
    }

    pub(crate) fn unregister(&self, id: &ResponseId) {
        self.registry().remove(id);
    }

    /// Takes no new work from now on.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether `begin_stop` was called.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Ends every running response with a terminal event. Returns how many there were.
    pub fn stop_all(&self) -> usize {
        let addresses: Vec<_> = self.registry().values().cloned().collect();
        for address in &addresses {
            address.do_send(Cancel(CancelReason::Shutdown));
        }
        addresses.len()
    }
}
