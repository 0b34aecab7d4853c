//! Prometheus metrics: one file for the families of one matter, which has their names, makes them and counts in them.
//! Labels come from closed sets only: names in the configuration, kinds, outcomes.

mod counted;
mod idempotency;
mod middleware;
mod process;
mod register;
mod requests;
mod resilience;
mod store;
mod tools;
mod upstream;

use std::sync::Arc;

use prometheus::{Encoder as _, IntGauge, Registry, TextEncoder};

pub use counted::Counted;
pub use requests::ClientFault;
pub use resilience::Attempt;

use idempotency::Idempotency;
use middleware::Middleware;
use process::Process;
use register::Register;
use requests::Requests;
use resilience::Resilience;
use store::Store;
use tools::Tools;
use upstream::Upstream;

/// All metrics of the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    requests: Requests,
    idempotency: Idempotency,
    upstream: Upstream,
    resilience: Resilience,
    tools: Tools,
    middleware: Middleware,
    store: Store,
    process: Process,
}

/// What others count and `/metrics` shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    /// Responses in progress.
    pub running: usize,
    /// Whether commits can succeed.
    pub store_writable: bool,
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
            idempotency: Idempotency::new(&register)?,
            upstream: Upstream::new(&register)?,
            resilience: Resilience::new(&register)?,
            tools: Tools::new(&register)?,
            middleware: Middleware::new(&register)?,
            store: Store::new(&register)?,
            process: Process::new(&register)?,
            registry,
        })))
    }

    /// The text form for `/metrics`.
    pub fn render(&self, levels: &Levels) -> String {
        let Families { registry, requests, store, process, .. } = &*self.0;
        let set = |gauge: &IntGauge, level: usize| gauge.set(i64::try_from(level).unwrap_or(i64::MAX));
        set(&requests.running, levels.running);
        store.writable.set(i64::from(levels.store_writable));
        set(&process.bytes_in_flight, levels.bytes_in_flight);
        set(&process.max_bytes_in_flight, levels.max_bytes_in_flight);
        process.bytes_refused.inc_by(levels.bytes_refused.saturating_sub(process.bytes_refused.get()));
        let mut out = Vec::new();
        // Writing into memory; an encoding error would mean a metric without samples.
        if TextEncoder::new().encode(&registry.gather(), &mut out).is_err() {
            out.clear();
        }
        String::from_utf8(out).unwrap_or_default()
    }
}
