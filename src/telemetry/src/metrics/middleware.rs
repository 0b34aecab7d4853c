//! Middlewares.

use prometheus::{Error, IntCounter, IntCounterVec};

use super::Metrics;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Middleware {
    stops: IntCounterVec,
    audit_lines_lost: IntCounter,
}

impl Middleware {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            stops: register.counters(
                "open_responses_middleware_stops_total",
                "Hooks of middlewares that halted their response (halted) or could not do their work (failed, timeout, panic).",
                &["middleware", "hook", "outcome"],
            )?,
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

    /// Counts a hook of a middleware that did not let things go on.
    pub fn middleware_stop(&self, middleware: &str, hook: &str, outcome: &str) {
        self.0.middleware.stops.with_label_values(&[middleware, hook, outcome]).inc();
    }
}
