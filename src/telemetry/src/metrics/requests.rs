//! Requests and responses, and those who make and read them.

use or_adapters::Note;
use prometheus::{Error, IntCounterVec, IntGauge};

use super::Metrics;
use super::note_field::field_label;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Requests {
    rejected: IntCounterVec,
    pub(super) running: IntGauge,
    pub(super) background_queued: IntGauge,
    resumed: IntCounterVec,
    clients_dropped: IntCounterVec,
    notes: IntCounterVec,
    approvals: IntCounterVec,
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
            rejected: register.counters(
                "open_responses_admission_rejected_total",
                "Requests refused because a bound was reached, by which.",
                &["reason"],
            )?,
            background_queued: register.gauge(
                "open_responses_background_queued",
                "Background responses of the process before that wait for a place.",
            )?,
            running: register.gauge("open_responses_running_responses", "Responses in progress.")?,
            resumed: register.counters(
                "open_responses_resumed_responses_total",
                "Background responses of the process before: gone on with, or ended because that could not be.",
                &["result"],
            )?,
            clients_dropped,
            notes: register.counters(
                "open_responses_translation_notes_total",
                "What clients asked for and a provider does not take as it is, by its kind of provider and field.",
                &["kind", "field", "action"],
            )?,
            approvals: register.counters(
                "open_responses_approvals_total",
                "Approvals of calls of MCP tools: requested of the client, approved, denied.",
                &["decision"],
            )?,
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
        self.0.models.refused(status_class(status));
    }

    /// Counts a request that was refused because a bound was reached. `bound`: a word of a closed set.
    pub fn over_limit(&self, bound: &'static str) {
        self.0.requests.rejected.with_label_values(&[bound]).inc();
    }

    /// Counts the notes of a response. `kind`: of the provider that they are about.
    pub fn notes(&self, kind: &str, notes: &[Note]) {
        for note in notes {
            let labels = [kind, field_label(&note.field), note.kind.as_str()];
            self.0.requests.notes.with_label_values(&labels).inc();
        }
    }

    /// Counts approvals of calls; `decision`: `requested`, `approved`, `denied`.
    pub fn approvals(&self, decision: &'static str, count: usize) {
        if count > 0 {
            self.0.requests.approvals.with_label_values(&[decision]).inc_by(count as u64);
        }
    }

    /// Counts a response that a process before this one left unfinished.
    pub fn resumed(&self, goes_on: bool) {
        let result = if goes_on { "continued" } else { "ended" };
        self.0.requests.resumed.with_label_values(&[result]).inc();
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
