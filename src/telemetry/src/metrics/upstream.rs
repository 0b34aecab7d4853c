//! Calls of providers, and what follows when they fail.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Upstream {
    requests: IntCounterVec,
    duration: HistogramVec,
    errors: IntCounterVec,
    retries: IntCounterVec,
    fallbacks: IntCounterVec,
    breakers: IntGaugeVec,
    token_counts: IntCounterVec,
    model_lists: IntCounterVec,
}

impl Upstream {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            requests: register.counters(
                "open_responses_upstream_requests_total",
                "Calls of models, by the class of the HTTP status (none: there was none) and why the call was made.",
                &["provider", "status", "attempt"],
            )?,
            duration: register.seconds_by(
                "open_responses_upstream_duration_seconds",
                "Calls of models, from the question to the end of the answer.",
                &["provider"],
            )?,
            errors: register.counters(
                "open_responses_upstream_errors_total",
                "Failed provider calls.",
                &["provider", "reason"],
            )?,
            retries: register.counters(
                "open_responses_retries_total",
                "Provider calls that were made again at the same target.",
                &["provider"],
            )?,
            fallbacks: register.counters(
                "open_responses_fallbacks_total",
                "Turns that went from one provider to another.",
                &["from", "to"],
            )?,
            breakers: register.gauges(
                "open_responses_breaker_state",
                "Whether a target is asked (0), tried again (1) or left alone (2).",
                &["provider", "model"],
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

/// Why a provider is called.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Attempt {
    /// The turn begins with it.
    #[default]
    First,
    /// A call of the same provider failed.
    Retry,
    /// A call of another target failed.
    Fallback,
    /// A call of another target has not begun to answer.
    Hedge,
}

impl Attempt {
    fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Hedge => "hedge",
        }
    }
}

impl Metrics {
    /// Counts a call of a model that is over. `status`: of the provider's HTTP answer, if there was one.
    pub(crate) fn upstream(&self, provider: &str, status: Option<u16>, attempt: Attempt, took: Duration) {
        let class = match status {
            None => "none",
            Some(..300) => "2xx",
            Some(300..400) => "3xx",
            Some(400..500) => "4xx",
            Some(500..) => "5xx",
        };
        self.0.upstream.requests.with_label_values(&[provider, class, attempt.as_str()]).inc();
        self.0.upstream.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
    }

    /// Counts a failed provider call.
    pub fn upstream_error(&self, provider: &str, reason: &str) {
        self.0.upstream.errors.with_label_values(&[provider, reason]).inc();
    }

    /// Counts a provider call that is made again.
    pub fn retried(&self, provider: &str) {
        self.0.upstream.retries.with_label_values(&[provider]).inc();
    }

    /// Counts a turn that goes to another provider.
    pub fn fell_back(&self, from: &str, to: &str) {
        self.0.upstream.fallbacks.with_label_values(&[from, to]).inc();
    }

    /// Says whether a target is left alone: 0 it is asked, 1 it is tried again, 2 it is left alone. `model`: of a closed
    /// set, as the provider knows it.
    pub fn breaker(&self, provider: &str, model: &str, state: i64) {
        self.0.upstream.breakers.with_label_values(&[provider, model]).set(state);
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
