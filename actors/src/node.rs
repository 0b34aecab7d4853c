//! What all arbiters share: providers, limits, the registry of running loops, metrics.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;
use or_adapters::Adapter;
use or_engine::{LoopLimits, ReasoningEvents};
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::event_log::EventLog;
use crate::loop_actor::LoopActor;
use crate::mcp::McpServers;
use crate::{AskEnd, Cancel, CancelReason, EndAsked, Peek, Peeked};
use or_store::Store;
use or_telemetry::Metrics;
use or_tools::Registry;

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
    /// Whether it calls MCP servers itself, and not this server.
    pub runs_mcp: bool,
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
    /// How often a background response's failed provider calls are made again.
    pub background_max_retries: u32,
    /// Longest pause before that.
    pub background_max_retry_delay: Duration,
    /// Of the turns and tool calls of one response.
    pub tools: ToolLimits,
}

/// Limits of the tool loop of one response; 0: none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ToolLimits {
    /// Turns whose calls are run; the model is then asked once more, without tools.
    pub max_turns: u32,
    /// Runs of tools.
    pub max_tool_calls: u32,
    /// Repetitions of a call that succeeded, in turns that follow each other.
    pub max_repeats: u32,
    /// Tokens of all turns, input and output.
    pub max_total_tokens: u64,
    /// Runs of tools at the same time.
    pub max_concurrent: usize,
}

impl ToolLimits {
    /// As the engine has them.
    pub(crate) fn of_loop(self) -> LoopLimits {
        let some = |limit: u32| if limit == 0 { u32::MAX } else { limit };
        LoopLimits {
            max_turns: some(self.max_turns),
            max_tool_calls: (self.max_tool_calls > 0).then_some(self.max_tool_calls),
            max_repeats: some(self.max_repeats),
            max_total_tokens: (self.max_total_tokens > 0).then_some(self.max_total_tokens),
        }
    }
}

/// A running loop.
#[derive(Clone)]
pub(crate) struct RunningLoop {
    pub(crate) address: Addr<LoopActor>,
    /// Of a background response that streams.
    pub(crate) log: Option<Arc<EventLog>>,
}

/// The server as all arbiters see it.
pub struct Node {
    /// Providers by name.
    pub providers: BTreeMap<String, Arc<ProviderSpec>>,
    /// Limits.
    pub limits: Limits,
    /// The history.
    pub store: Arc<dyn Store>,
    /// What the server runs itself.
    pub tools: Arc<Registry>,
    /// MCP servers, and the way to them.
    pub mcp: McpServers,
    /// Counters.
    pub metrics: Metrics,
    admitted: AtomicUsize,
    stopping: AtomicBool,
    running: Mutex<HashMap<ResponseId, RunningLoop>>,
    /// What the process before left to be gone on with; each supervisor takes some at its start.
    unfinished: Mutex<VecDeque<(ResponseId, String)>>,
}

impl Node {
    /// A node with nothing running.
    pub fn new(
        providers: BTreeMap<String, Arc<ProviderSpec>>,
        limits: Limits,
        store: Arc<dyn Store>,
        tools: Arc<Registry>,
        mcp: McpServers,
        metrics: Metrics,
    ) -> Self {
        let unfinished = Mutex::new(store.unfinished().into());
        Self {
            providers,
            limits,
            store,
            tools,
            mcp,
            metrics,
            admitted: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            running: Mutex::new(HashMap::new()),
            unfinished,
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

    /// Takes a place for a response that was admitted before a restart.
    pub(crate) fn admit_again(&self) {
        self.admitted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn release(&self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// Responses in progress.
    pub fn running(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, HashMap<ResponseId, RunningLoop>> {
        // A panic while the lock was held cannot have left the map half-changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: ResponseId, running: RunningLoop) {
        self.registry().insert(id, running);
    }

    /// A response that is to be gone on with; each is given out once.
    pub(crate) fn next_unfinished(&self) -> Option<(ResponseId, String)> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Whether the response is in progress.
    pub(crate) fn is_running(&self, id: &ResponseId) -> bool {
        self.registry().contains_key(id)
    }

    fn address(&self, id: &ResponseId) -> Option<Addr<LoopActor>> {
        self.registry().get(id).map(|running| running.address.clone())
    }

    /// The log of a running background response that streams.
    pub(crate) fn event_log(&self, id: &ResponseId) -> Option<Arc<EventLog>> {
        self.registry().get(id).and_then(|running| running.log.clone())
    }

    /// A response of this owner that is in progress, as it is.
    pub async fn peek(&self, id: &ResponseId, owner: &str) -> Peeked {
        match self.address(id) {
            // Its mailbox is closed: it has just ended.
            Some(address) => address.send(Peek { owner: owner.to_owned() }).await.unwrap_or(Peeked::AskStore),
            None => Peeked::AskStore,
        }
    }

    /// Ends a response of this owner that is in progress, and waits for that; `None` if it is not.
    pub async fn end(&self, id: &ResponseId, owner: &str, background_only: bool) -> Option<EndAsked> {
        let address = self.address(id)?;
        let asked = address.send(AskEnd { owner: owner.to_owned(), background_only }).await;
        // Its mailbox is closed: it has just ended.
        Some(asked.unwrap_or(EndAsked::Over))
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

    /// Leaves background responses of which nothing was shown to the next start.
    pub fn park(&self) {
        self.cancel_all(CancelReason::Park);
    }

    /// Ends every running response with a terminal event. Returns how many there were.
    pub fn stop_all(&self) -> usize {
        self.cancel_all(CancelReason::Shutdown)
    }

    fn cancel_all(&self, reason: CancelReason) -> usize {
        let addresses: Vec<_> = self.registry().values().map(|running| running.address.clone()).collect();
        for address in &addresses {
            address.do_send(Cancel(reason));
        }
        addresses.len()
    }
}
