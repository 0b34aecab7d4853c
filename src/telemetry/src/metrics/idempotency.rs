//! Requests that came again with their key.

use prometheus::{Error, IntCounterVec};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Idempotency {
    requests: IntCounterVec,
}

impl Idempotency {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        let requests = register.counters(
            "open_responses_idempotent_replays_total",
            "Requests that were answered as an earlier one with their idempotency key: while that was answered, or from the store.",
            &["source"],
        )?;
        Ok(Self { requests })
    }
}

impl Metrics {
    /// Counts a request that got the answer of an earlier one. `source`: `joined` or `stored`.
    pub fn replayed(&self, source: &'static str) {
        self.0.idempotency.requests.with_label_values(&[source]).inc();
    }
}
