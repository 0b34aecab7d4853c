//! Calls of providers.

use prometheus::{Error, IntCounterVec};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Upstream {
    errors: IntCounterVec,
    token_counts: IntCounterVec,
    model_lists: IntCounterVec,
}

impl Upstream {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            errors: register.counters(
                "open_responses_upstream_errors_total",
                "Failed provider calls.",
                &["provider", "reason"],
            )?,
            token_counts: register.counters(
                "open_responses_token_counts_total",
                "Inputs counted without an answer, by who counted.",
                &["provider", "method"],
            )?,
            model_lists: register.counters(
                "open_responses_model_lists_total",
                "Times a provider was asked for its models.",
                &["provider", "result"],
            )?,
        })
    }
}

impl Metrics {
    /// Counts a failed provider call.
    pub fn upstream_error(&self, provider: &str, reason: &str) {
        self.0.upstream.errors.with_label_values(&[provider, reason]).inc();
    }

    /// Counts an input that was counted; `method`: `provider`, `estimate`, `error`.
    pub fn token_count(&self, provider: &str, method: &str) {
        self.0.upstream.token_counts.with_label_values(&[provider, method]).inc();
    }

    /// Counts a question for a provider's models.
    pub fn model_list(&self, provider: &str, good: bool) {
        let result = if good { "ok" } else { "error" };
        self.0.upstream.model_lists.with_label_values(&[provider, result]).inc();
    }
}
