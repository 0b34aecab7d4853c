//! The history on disk.

use std::time::Duration;

use prometheus::{Error, Histogram, IntCounterVec, IntGauge};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Store {
    pub(super) writable: IntGauge,
    pub(super) bytes: IntGauge,
    pub(super) records: IntGauge,
    commits: IntCounterVec,
    commit_time: Histogram,
    deletions: IntCounterVec,
}

impl Store {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            writable: register.gauge(
                "open_responses_store_writable",
                "1 if responses can be stored, 0 while the store cannot write.",
            )?,
            bytes: register.gauge(
                "open_responses_store_bytes",
                "Bytes of records and event logs, as they count for the keys that made them.",
            )?,
            records: register.gauge("open_responses_store_records", "Responses in the store.")?,
            commit_time: register.fractions(
                "open_responses_store_commit_seconds",
                "How long a response waited for the disk.",
            )?,
            commits: register.counters(
                "open_responses_store_commits_total",
                "Records written.",
                &["result"],
            )?,
            deletions: register.counters(
                "open_responses_store_deletions_total",
                "Requests to delete a response, whether or not it was there.",
                &["result"],
            )?,
        })
    }
}

impl Metrics {
    /// Counts a commit, and how long it took.
    pub fn store_commit(&self, good: bool, took: Duration) {
        self.0.store.commit_time.observe(took.as_secs_f64());
        self.0.store.commits.with_label_values(&[result(good)]).inc();
    }

    /// Counts a request to delete a response.
    pub fn store_deletion(&self, good: bool) {
        self.0.store.deletions.with_label_values(&[result(good)]).inc();
    }
}

fn result(good: bool) -> &'static str {
    if good { "ok" } else { "error" }
}
