//! The events that clients are told.

use prometheus::{Error, IntCounterVec, IntGauge};

use super::Metrics;
use super::counted::Counted;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Streams {
    events: IntCounterVec,
    readers: IntGauge,
}

impl Streams {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            events: register.counters(
                "open_responses_stream_events_total",
                "Events of streams, by type; counted at the end of a turn or a round of tools.",
                &["type"],
            )?,
            readers: register.gauge("open_responses_stream_readers", "Clients that read an event log.")?,
        })
    }
}

impl Metrics {
    /// Counts events of streams, by their types: names of the specification, or `other`.
    pub fn stream_events(&self, counts: &[(&'static str, u64)]) {
        for (name, count) in counts {
            self.0.streams.events.with_label_values(&[name]).inc_by(*count);
        }
    }

    /// Counts a client that reads an event log.
    pub fn reader(&self) -> Counted {
        Counted::new(&self.0.streams.readers)
    }
}
