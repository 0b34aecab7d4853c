//! Middlewares.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use prometheus::{Error, IntCounter, IntCounterVec};

use super::register::Register;
use super::{Metrics, OTHER};

/// Clients that have a label.
const MAX_CLIENTS: usize = 1000;

#[derive(Debug)]
pub(super) struct Middleware {
    stops: IntCounterVec,
    audit_lines_lost: IntCounter,
    rate_limited: IntCounterVec,
    /// Clients with a label of their own.
    clients: Mutex<HashSet<String>>,
}

impl Middleware {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            stops: register.counters(
                "open_responses_middleware_stops_total",
                "Hooks of middlewares that halted their response (halted) or could not do their work (failed, timeout, panic).",
                &["middleware", "hook", "outcome"],
            )?,
            rate_limited: register.counters(
                "open_responses_rate_limited_total",
                "Requests that were refused by a rate limit, by client key and what was used up.",
                &["client", "kind"],
            )?,
            clients: Mutex::default(),
            audit_lines_lost: register.counter(
                "open_responses_audit_lines_lost_total",
                "Lines of audit logs that could not be written.",
            )?,
        })
    }
}

impl Metrics {
    /// Counts a line of an audit log that could not be written.
    pub fn audit_line_lost(&self) {
        self.0.middleware.audit_lines_lost.inc();
    }

    /// Counts a request that a rate limit refused; `kind`: `requests`, `tokens`. The first 1,000 clients have labels of their
    /// own.
    pub fn rate_limited(&self, client: &str, kind: &str) {
        let Middleware { clients, rate_limited, .. } = &self.0.middleware;
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() < MAX_CLIENTS && !clients.contains(client) {
            clients.insert(client.to_owned());
        }
        let client = if clients.contains(client) { client } else { OTHER };
        rate_limited.with_label_values(&[client, kind]).inc();
    }

    /// Counts a hook of a middleware that did not let things go on.
    pub fn middleware_stop(&self, middleware: &str, hook: &str, outcome: &str) {
        self.0.middleware.stops.with_label_values(&[middleware, hook, outcome]).inc();
    }
}
