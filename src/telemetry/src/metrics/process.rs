//! The server as a process: its memory, its cores, its panics.

use std::time::Duration;

use prometheus::{Error, Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;
use super::counted::Counted;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Process {
    pub(super) bytes_in_flight: IntGauge,
    pub(super) max_bytes_in_flight: IntGauge,
    pub(super) bytes_refused: IntCounter,
    heavy_waiting: IntGauge,
    heavy_wait: Histogram,
    panics: IntCounter,
    config_reloads: IntCounterVec,
    otlp_dropped: IntCounterVec,
}

impl Process {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            bytes_in_flight: register.gauge(
                "open_responses_bytes_in_flight",
                "Bytes reserved for requests and answers at the moment.",
            )?,
            max_bytes_in_flight: register
                .gauge("open_responses_max_bytes_in_flight", "How many there may be.")?,
            bytes_refused: register.counter(
                "open_responses_bytes_refused_total",
                "Times that something was refused because the bytes in flight had no room for it.",
            )?,
            heavy_waiting: register.gauge(
                "open_responses_heavy_work_waiting",
                "Pieces of work on large requests that wait for a core.",
            )?,
            heavy_wait: register
                .seconds("open_responses_heavy_work_wait_seconds", "How long those waited.")?,
            otlp_dropped: register.counters(
                "open_responses_otlp_dropped_total",
                "Spans, and requests with metrics, that no collector took.",
                &["signal"],
            )?,
            config_reloads: register.counters(
                "open_responses_config_reloads_total",
                "Configurations that were read while the server ran.",
                &["outcome"],
            )?,
            panics: register.counter("open_responses_panics_total", "Panics that were caught.")?,
        })
    }
}

impl Metrics {
    /// Counts a piece of heavy work that waits for its place.
    pub fn heavy_waiting(&self) -> Counted {
        Counted::new(&self.0.process.heavy_waiting)
    }

    /// Notes how long such a piece waited.
    pub fn heavy_waited(&self, took: Duration) {
        self.0.process.heavy_wait.observe(took.as_secs_f64());
    }

    /// Counts what no collector took; `signal`: `spans`, `metrics`.
    pub(crate) fn otlp_dropped(&self, signal: &str) -> IntCounter {
        self.0.process.otlp_dropped.with_label_values(&[signal])
    }

    /// Counts a configuration that was read while the server ran, and is in force now, or was refused.
    pub fn config_reloaded(&self, applied: bool) {
        let outcome = if applied { "applied" } else { "refused" };
        self.0.process.config_reloads.with_label_values(&[outcome]).inc();
    }

    /// Counts a caught panic.
    pub fn panicked(&self) {
        self.0.process.panics.inc();
    }
}
