//! The history on disk.

use prometheus::{Error, IntCounterVec, IntGauge};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Store {
    pub(super) writable: IntGauge,
    commits: IntCounterVec,
    deletions: IntCounterVec,
}

impl Store {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            writable: register.gauge(
                "open_responses_store_writable",
                "1 if responses can be stored, 0 while the store cannot write.",
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
    /// Counts a commit.
    pub fn store_commit(&self, good: bool) {
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
