//! Webhook events on their way. Endpoints are those of the configuration.

use prometheus::{Error, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Webhooks {
    waiting: IntGauge,
    attempts: IntCounterVec,
    given_up: IntCounterVec,
    refused: IntCounter,
}

impl Webhooks {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            waiting: register
                .gauge("open_responses_webhooks_waiting", "Deliveries of webhook events that wait.")?,
            attempts: register.counters(
                "open_responses_webhooks_attempts_total",
                "Webhook events that were sent, by what came of it.",
                &["endpoint", "result"],
            )?,
            given_up: register.counters(
                "open_responses_webhooks_given_up_total",
                "Webhook events that an endpoint will never get.",
                &["endpoint", "reason"],
            )?,
            refused: register.counter(
                "open_responses_webhooks_refused_total",
                "Deliveries that were dropped at once, because too many of their client key waited.",
            )?,
        })
    }
}

impl Metrics {
    /// Sets how many deliveries wait, and how many were refused since the start.
    pub fn webhooks(&self, waiting: u64, refused: u64) {
        let webhooks = &self.0.webhooks;
        webhooks.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        webhooks.refused.inc_by(refused.saturating_sub(webhooks.refused.get()));
    }

    /// Counts an event that was sent.
    pub fn webhook_attempt(&self, endpoint: &str, result: &str) {
        self.0.webhooks.attempts.with_label_values(&[endpoint, result]).inc();
    }

    /// Counts an event that is not sent any more.
    pub fn webhook_given_up(&self, endpoint: &str, reason: &str) {
        self.0.webhooks.given_up.with_label_values(&[endpoint, reason]).inc();
    }
}
