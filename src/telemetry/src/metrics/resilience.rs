//! What follows when providers fail: calls made again, other targets, providers that are left alone.

use prometheus::{Error, IntCounterVec, IntGaugeVec};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Resilience {
    requests: IntCounterVec,
    retries: IntCounterVec,
    fallbacks: IntCounterVec,
    breakers: IntGaugeVec,
}

/// Why a call of a provider was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Attempt {
    /// A turn begins with it.
    #[default]
    First,
    /// The one before it failed at the same target.
    Retry,
    /// The one before it failed at another target.
    Fallback,
    /// The one before it has not begun to answer.
    Hedge,
}

impl Attempt {
    /// For metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Hedge => "hedge",
        }
    }
}

impl Resilience {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            requests: register.counters(
                "open_responses_upstream_requests_total",
                "Calls of providers, by the class of the status (`none`: no answer came) and why they were made.",
                &["provider", "status", "attempt"],
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
                "Whether a provider is asked (0), tried again (1) or left alone (2).",
                &["provider"],
            )?,
        })
    }
}

impl Metrics {
    /// Counts a call of a provider. `status`: of its answer, if one came.
    pub fn upstream_request(&self, provider: &str, status: Option<u16>, attempt: Attempt) {
        let class = match status {
            Some(200..=299) => "2xx",
            Some(400..=499) => "4xx",
            Some(500..=599) => "5xx",
            Some(_) => "other",
            None => "none",
        };
        self.0.resilience.requests.with_label_values(&[provider, class, attempt.as_str()]).inc();
    }

    /// Counts a provider call that is made again.
    pub fn retried(&self, provider: &str) {
        self.0.resilience.retries.with_label_values(&[provider]).inc();
    }

    /// Counts a turn that goes to another provider.
    pub fn fell_back(&self, from: &str, to: &str) {
        self.0.resilience.fallbacks.with_label_values(&[from, to]).inc();
    }

    /// Says whether a provider is left alone: 0 it is asked, 1 it is tried again, 2 it is left alone.
    pub fn breaker(&self, provider: &str, state: i64) {
        self.0.resilience.breakers.with_label_values(&[provider]).set(state);
    }
}
