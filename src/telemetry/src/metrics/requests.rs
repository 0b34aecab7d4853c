//! Requests and responses, and those who make and read them.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGauge};

use super::Metrics;
use super::counted::Counted;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Requests {
    requests: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    tokens: IntCounterVec,
    over_limit: IntCounterVec,
    pub(super) running: IntGauge,
    resumed: IntCounterVec,
    readers: IntGauge,
    clients_dropped: IntCounterVec,
}

impl Requests {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        let clients_dropped = register.counters(
            "open_responses_clients_dropped_total",
            "Connections closed because their client does not read or does not send, by what it did.",
            &["reason"],
        )?;
        for fault in ClientFault::ALL {
            clients_dropped.with_label_values(&[fault.as_str()]);
        }
        Ok(Self {
            requests: register.counters(
                "open_responses_requests_total",
                "Requests to the API, by provider (empty when none was chosen) and HTTP status or outcome.",
                &["provider", "outcome"],
            )?,
            duration: register.seconds_by(
                "open_responses_response_duration_seconds",
                "From request to the end of the answer.",
                &["provider"],
            )?,
            first_token: register.seconds_by(
                "open_responses_time_to_first_token_seconds",
                "From request to the first model output.",
                &["provider"],
            )?,
            tokens: register.counters(
                "open_responses_tokens_total",
                "Tokens as the providers count them.",
                &["provider", "direction"],
            )?,
            over_limit: register.counters(
                "open_responses_over_limit_total",
                "Requests refused because a bound was reached, by which.",
                &["bound"],
            )?,
            running: register.gauge("open_responses_running_responses", "Responses in progress.")?,
            resumed: register.counters(
                "open_responses_resumed_responses_total",
                "Background responses of the process before: gone on with, or ended because that could not be.",
                &["result"],
            )?,
            readers: register
                .gauge("open_responses_stream_readers", "Clients that read an event log.")?,
            clients_dropped,
        })
    }
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

impl Metrics {
    /// Counts a request that ended without a loop.
    pub fn refused(&self, status: u16) {
        self.0.requests.requests.with_label_values(&["", status_class(status)]).inc();
    }

    /// Counts a request that was refused because a bound was reached. `bound`: a word of a closed set.
    pub fn over_limit(&self, bound: &'static str) {
        self.0.requests.over_limit.with_label_values(&[bound]).inc();
    }

    /// Counts the end of a loop.
    pub fn ended(&self, provider: &str, outcome: &str, took: Duration) {
        self.0.requests.requests.with_label_values(&[provider, outcome]).inc();
        self.0.requests.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
    }

    /// Notes the first output of a model.
    pub fn first_token(&self, provider: &str, after: Duration) {
        self.0.requests.first_token.with_label_values(&[provider]).observe(after.as_secs_f64());
    }

    /// Adds token counts.
    pub fn tokens(&self, provider: &str, input: u64, output: u64) {
        self.0.requests.tokens.with_label_values(&[provider, "input"]).inc_by(input);
        self.0.requests.tokens.with_label_values(&[provider, "output"]).inc_by(output);
    }

    /// Counts a response that a process before this one left unfinished.
    pub fn resumed(&self, goes_on: bool) {
        let result = if goes_on { "continued" } else { "ended" };
        self.0.requests.resumed.with_label_values(&[result]).inc();
    }

    /// Counts a client that reads an event log.
    pub fn reader(&self) -> Counted {
        Counted::new(&self.0.requests.readers)
    }

    /// Counts a connection that was closed on its client.
    pub fn client_dropped(&self, fault: ClientFault) {
        self.0.requests.clients_dropped.with_label_values(&[fault.as_str()]).inc();
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
