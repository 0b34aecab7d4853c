//! Prometheus metrics. Labels come from closed sets only: provider names, kinds, outcomes.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};

/// Seconds: from a cached answer to a long agentic run.
const DURATION_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// All metrics of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    tokens: IntCounterVec,
    token_counts: IntCounterVec,
    model_lists: IntCounterVec,
    upstream_errors: IntCounterVec,
    over_limit: IntCounterVec,
    running: IntGauge,
    store_writable: IntGauge,
    bytes_in_flight: IntGauge,
    max_bytes_in_flight: IntGauge,
    bytes_refused: IntCounter,
    heavy_waiting: IntGauge,
    heavy_wait: Histogram,
    store_commits: IntCounterVec,
    store_deletions: IntCounterVec,
    panics: IntCounter,
    retries: IntCounterVec,
    resumed: IntCounterVec,
    readers: IntGauge,
    clients_dropped: IntCounterVec,
    tool_runs: IntCounterVec,
    tool_duration: HistogramVec,
    mcp_sessions: IntGauge,
    mcp_connect_errors: IntCounterVec,
}

/// Why a connection was closed on its client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientFault {
    /// It takes nothing of what is there for it, or is behind for too long.
    SlowReader,
    /// Its body does not come, or comes too slowly.
    SlowUpload,
    /// The head of its next request does not come, or the rest of a body that nobody wants does not end.
    SlowRequest,
}

impl ClientFault {
    const ALL: [Self; 3] = [Self::SlowReader, Self::SlowUpload, Self::SlowRequest];

    /// For metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SlowReader => "slow_reader",
            Self::SlowUpload => "slow_upload",
            Self::SlowRequest => "slow_request",
        }
    }
}

/// What others count and `/metrics` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Responses in progress.
    pub running: usize,
    /// Whether commits can succeed.
    pub store_writable: bool,
    /// Bytes reserved for requests and answers.
    pub bytes_in_flight: usize,
    /// How many there may be.
    pub max_bytes_in_flight: usize,
    /// How often there was no room, since the start.
    pub bytes_refused: u64,
}

/// A place in a gauge; counted until it is dropped.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers everything. Fails only if a name is used twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let seconds = |name: &str, help: &str, label: &str| -> Result<HistogramVec, prometheus::Error> {
            let options = HistogramOpts::new(name, help).buckets(DURATION_BUCKETS.to_vec());
            let metric = HistogramVec::new(options, &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let requests = counter(
            "openresponses_requests_total",
            "Requests to the API, by provider (empty when none was chosen) and HTTP status or outcome.",
            &["provider", "outcome"],
        )?;
        let duration = seconds(
            "openresponses_response_duration_seconds",
            "From request to the end of the answer.",
            "provider",
        )?;
        let first_token = seconds(
            "openresponses_time_to_first_token_seconds",
            "From request to the first model output.",
            "provider",
        )?;
        let tokens = counter(
            "openresponses_tokens_total",
            "Tokens as the providers count them.",
            &["provider", "direction"],
        )?;
        let token_counts = counter(
            "openresponses_token_counts_total",
            "Inputs counted without an answer, by who counted.",
            &["provider", "method"],
        )?;
        let model_lists = counter(
            "openresponses_model_lists_total",
            "Times a provider was asked for its models.",
            &["provider", "result"],
        )?;
        let upstream_errors = counter(
            "openresponses_upstream_errors_total",
            "Failed provider calls.",
            &["provider", "reason"],
        )?;
        let store_commits = counter("openresponses_store_commits_total", "Records written.", &["result"])?;
        let store_deletions = counter(
            "openresponses_store_deletions_total",
            "Requests to delete a response, whether or not it was there.",
            &["result"],
        )?;
        let over_limit = counter(
            "openresponses_over_limit_total",
            "Requests refused because a bound was reached, by which.",
            &["bound"],
        )?;
        let running = IntGauge::new("openresponses_running_responses", "Responses in progress.")?;
        registry.register(Box::new(running.clone()))?;
        let store_writable = IntGauge::new(
            "openresponses_store_writable",
            "1 if responses can be stored, 0 while the store cannot write.",
        )?;
        registry.register(Box::new(store_writable.clone()))?;
        let bytes_in_flight = IntGauge::new(
            "openresponses_bytes_in_flight",
            "Bytes reserved for requests and answers at the moment.",
        )?;
        registry.register(Box::new(bytes_in_flight.clone()))?;
        let max_bytes_in_flight =
            IntGauge::new("openresponses_max_bytes_in_flight", "How many there may be.")?;
        registry.register(Box::new(max_bytes_in_flight.clone()))?;
        let bytes_refused = IntCounter::new(
            "openresponses_bytes_refused_total",
            "Times that something was refused because the bytes in flight had no room for it.",
        )?;
        registry.register(Box::new(bytes_refused.clone()))?;
        let heavy_waiting = IntGauge::new(
            "openresponses_heavy_work_waiting",
            "Pieces of work on large requests that wait for a core.",
        )?;
        registry.register(Box::new(heavy_waiting.clone()))?;
        let options = HistogramOpts::new("openresponses_heavy_work_wait_seconds", "How long those waited.");
        let heavy_wait = Histogram::with_opts(options.buckets(DURATION_BUCKETS.to_vec()))?;
        registry.register(Box::new(heavy_wait.clone()))?;
        let panics = IntCounter::new("openresponses_panics_total", "Panics that were caught.")?;
        registry.register(Box::new(panics.clone()))?;
        let retries = counter(
            "openresponses_upstream_retries_total",
            "Provider calls of background responses that were made again.",
            &["provider"],
        )?;
        let resumed = counter(
            "openresponses_resumed_responses_total",
            "Background responses of the process before: gone on with, or ended because that could not be.",
            &["result"],
        )?;
        let readers = IntGauge::new("openresponses_stream_readers", "Clients that read an event log.")?;
        registry.register(Box::new(readers.clone()))?;
        let clients_dropped = counter(
            "openresponses_clients_dropped_total",
            "Connections closed because their client does not read or does not send, by what it did.",
            &["reason"],
        )?;
        for fault in ClientFault::ALL {
            clients_dropped.with_label_values(&[fault.as_str()]);
        }
        let tool_runs = counter(
            "openresponses_tool_runs_total",
            "Runs of the server's tools, by what came of them.",
            &["tool", "result"],
        )?;
        let tool_duration =
            seconds("openresponses_tool_duration_seconds", "Runs of the server's tools.", "tool")?;
        let mcp_sessions = IntGauge::new("openresponses_mcp_sessions", "Open sessions with MCP servers.")?;
        registry.register(Box::new(mcp_sessions.clone()))?;
        let mcp_connect_errors = counter(
            "openresponses_mcp_connect_errors_total",
            "Sessions with MCP servers that could not be opened.",
            &["reason"],
        )?;
        Ok(Self(Arc::new(Families {
            registry,
            requests,
            duration,
            first_token,
            tokens,
            token_counts,
            model_lists,
            upstream_errors,
            over_limit,
            running,
            store_writable,
            bytes_in_flight,
            max_bytes_in_flight,
            bytes_refused,
            heavy_waiting,
            heavy_wait,
            store_commits,
            store_deletions,
            panics,
            retries,
            resumed,
            readers,
            clients_dropped,
            tool_runs,
            tool_duration,
            mcp_sessions,
            mcp_connect_errors,
        })))
    }

    /// Counts a request that ended without a loop.
    pub fn refused(&self, status: u16) {
        self.0.requests.with_label_values(&["", status_class(status)]).inc();
    }

    /// Counts a request that was refused because a bound was reached. `bound`: a word of a closed set.
    pub fn over_limit(&self, bound: &'static str) {
        self.0.over_limit.with_label_values(&[bound]).inc();
    }

    /// Counts the end of a loop.
    pub fn ended(&self, provider: &str, outcome: &str, took: Duration) {
        self.0.requests.with_label_values(&[provider, outcome]).inc();
        self.0.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
    }

    /// Notes the first output of a model.
    pub fn first_token(&self, provider: &str, after: Duration) {
        self.0.first_token.with_label_values(&[provider]).observe(after.as_secs_f64());
    }

    /// Adds token counts.
    pub fn tokens(&self, provider: &str, input: u64, output: u64) {
        self.0.tokens.with_label_values(&[provider, "input"]).inc_by(input);
        self.0.tokens.with_label_values(&[provider, "output"]).inc_by(output);
    }

    /// Counts an input that was counted; `method`: `provider`, `estimate`, `error`.
    pub fn token_count(&self, provider: &str, method: &str) {
        self.0.token_counts.with_label_values(&[provider, method]).inc();
    }

    /// Counts a question for a provider's models.
    pub fn model_list(&self, provider: &str, good: bool) {
        self.0.model_lists.with_label_values(&[provider, if good { "ok" } else { "error" }]).inc();
    }

    /// Counts a failed provider call.
    pub fn upstream_error(&self, provider: &str, reason: &str) {
        self.0.upstream_errors.with_label_values(&[provider, reason]).inc();
    }

    /// Counts a commit.
    pub fn store_commit(&self, good: bool) {
        self.0.store_commits.with_label_values(&[if good { "ok" } else { "error" }]).inc();
    }

    /// Counts a request to delete a response.
    pub fn store_deletion(&self, good: bool) {
        self.0.store_deletions.with_label_values(&[if good { "ok" } else { "error" }]).inc();
    }

    /// Counts a provider call that is made again.
    pub fn retried(&self, provider: &str) {
        self.0.retries.with_label_values(&[provider]).inc();
    }

    /// Counts a response that a process before this one left unfinished.
    pub fn resumed(&self, goes_on: bool) {
        self.0.resumed.with_label_values(&[if goes_on { "continued" } else { "ended" }]).inc();
    }

    /// Counts a run of one of the server's tools.
    pub fn tool_run(&self, tool: &str, result: &str, took: Duration) {
        self.0.tool_runs.with_label_values(&[tool, result]).inc();
        self.0.tool_duration.with_label_values(&[tool]).observe(took.as_secs_f64());
    }

    /// Counts a client that reads an event log.
    pub fn reader(&self) -> Counted {
        Counted::new(&self.0.readers)
    }

    /// Counts a connection that was closed on its client.
    pub fn client_dropped(&self, fault: ClientFault) {
        self.0.clients_dropped.with_label_values(&[fault.as_str()]).inc();
    }

    /// Counts an open session with an MCP server.
    pub fn mcp_session(&self) -> Counted {
        Counted::new(&self.0.mcp_sessions)
    }

    /// Counts a session that could not be opened.
    pub fn mcp_connect_error(&self, reason: &str) {
        self.0.mcp_connect_errors.with_label_values(&[reason]).inc();
    }

    /// Counts a piece of heavy work that waits for its place.
    pub fn heavy_waiting(&self) -> Counted {
        Counted::new(&self.0.heavy_waiting)
    }

    /// Notes how long such a piece waited.
    pub fn heavy_waited(&self, took: Duration) {
        self.0.heavy_wait.observe(took.as_secs_f64());
    }

    /// Counts a caught panic.
    pub fn panicked(&self) {
        self.0.panics.inc();
    }

    /// The text form for `/metrics`.
    pub fn render(&self, levels: &Levels) -> String {
        let set = |gauge: &IntGauge, level: usize| gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
        set(&self.0.running, levels.running);
        self.0.store_writable.set(i64::from(levels.store_writable));
        set(&self.0.bytes_in_flight, levels.bytes_in_flight);
        set(&self.0.max_bytes_in_flight, levels.max_bytes_in_flight);
        self.0.bytes_refused.inc_by(levels.bytes_refused.saturating_sub(self.0.bytes_refused.get()));
        let mut out = Vec::new();
        // Writing into memory; an encoding error would mean a metric without samples.
        if TextEncoder::new().encode(&self.0.registry.gather(), &mut out).is_err() {
            out.clear();
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

/// A closed set: the codes we send, and a class for all others.
fn status_class(status: u16) -> &'static str {
    const KNOWN: &[(u16, &str)] = &[
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (413, "413"),
        (415, "415"),
        (429, "429"),
        (503, "503"),
    ];
    let known = KNOWN.iter().find(|(code, _)| *code == status).map(|(_, word)| *word);
    known.unwrap_or(if status < 500 { "4xx" } else { "5xx" })
}
