//! Prometheus metrics: one file for the families of one matter, which has their names, makes them and counts in them.
//! Labels come from closed sets only: names in the configuration, kinds, outcomes. What it does not name is `other`.

mod counted;
mod host;
mod idempotency;
mod middleware;
mod models;
mod note_field;
mod process;
mod register;
mod requests;
mod store;
mod streams;
mod tools;
mod upstream;
mod webhooks;

use std::sync::{Arc, OnceLock};

use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, IntGauge, Registry, TextEncoder};

pub use counted::Counted;
pub(crate) use models::{ModelSeries, OTHER};
pub use requests::ClientFault;
pub use tools::ToolKind;
pub use upstream::Attempt;

use crate::trace::{GenAi, Tracer};
use host::Host;
use idempotency::Idempotency;
use middleware::Middleware;
use models::Models;
use process::Process;
use register::Register;
use requests::Requests;
use store::Store;
use streams::Streams;
use tools::Tools;
use upstream::Upstream;
use webhooks::Webhooks;

/// All metrics of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    tracer: OnceLock<Tracer>,
    gen_ai: OnceLock<GenAi>,
    requests: Requests,
    models: Models,
    streams: Streams,
    idempotency: Idempotency,
    upstream: Upstream,
    tools: Tools,
    middleware: Middleware,
    store: Store,
    process: Process,
    webhooks: Webhooks,
    host: Host,
}

/// What others count and `/metrics` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Responses in progress.
    pub running: usize,
    /// Background responses that wait for a place to be gone on with.
    pub background_queued: usize,
    /// Whether commits can succeed.
    pub store_writable: bool,
    /// Bytes in the store.
    pub store_bytes: u64,
    /// Responses in the store.
    pub store_records: u64,
    /// Bytes reserved for requests and answers.
    pub bytes_in_flight: usize,
    /// How many there may be.
    pub max_bytes_in_flight: usize,
    /// How often there was no room, since the start.
    pub bytes_refused: u64,
}

impl Metrics {
    /// Registers everything. Fails only if a name is used twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let register = Register(&registry);
        Ok(Self(Arc::new(Families {
            requests: Requests::new(&register)?,
            models: Models::new(&register)?,
            streams: Streams::new(&register)?,
            idempotency: Idempotency::new(&register)?,
            upstream: Upstream::new(&register)?,
            tools: Tools::new(&register)?,
            middleware: Middleware::new(&register)?,
            store: Store::new(&register)?,
            process: Process::new(&register)?,
            webhooks: Webhooks::new(&register)?,
            host: Host::new(&register)?,
            registry,
            tracer: OnceLock::new(),
            gen_ai: OnceLock::new(),
        })))
    }

    /// Makes the spans of all that is counted here, from now on.
    pub(crate) fn trace_by(&self, tracer: Tracer) {
        // A second one has no effect.
        let _ = self.0.tracer.set(tracer);
    }

    /// What makes spans; `None`: nobody wants them.
    pub fn tracer(&self) -> Option<&Tracer> {
        self.0.tracer.get()
    }

    /// Counts by the conventions of OpenTelemetry too, from now on.
    pub(crate) fn count_by(&self, gen_ai: GenAi) {
        // A second one has no effect.
        let _ = self.0.gen_ai.set(gen_ai);
    }

    /// Where to count by these conventions; `None`: nobody wants it.
    pub(crate) fn gen_ai(&self) -> Option<&GenAi> {
        self.0.gen_ai.get()
    }

    /// The text form for `/metrics`.
    pub fn render(&self, levels: &Levels) -> String {
        let mut out = Vec::new();
        // Writing into memory; an encoding error would mean a metric without samples.
        if TextEncoder::new().encode(&self.gather(levels), &mut out).is_err() {
            out.clear();
        }
        String::from_utf8(out).unwrap_or_default()
    }

    /// All families as they are, by name.
    pub fn gather(&self, levels: &Levels) -> Vec<MetricFamily> {
        let Families { registry, requests, store, process, host, .. } = &*self.0;
        let set = |gauge: &IntGauge, level: u64| gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
        set(&requests.running, levels.running as u64);
        set(&requests.background_queued, levels.background_queued as u64);
        store.writable.set(i64::from(levels.store_writable));
        set(&store.bytes, levels.store_bytes);
        set(&store.records, levels.store_records);
        set(&process.bytes_in_flight, levels.bytes_in_flight as u64);
        set(&process.max_bytes_in_flight, levels.max_bytes_in_flight as u64);
        process.bytes_refused.inc_by(levels.bytes_refused.saturating_sub(process.bytes_refused.get()));
        host.look();
        registry.gather()
    }
}
