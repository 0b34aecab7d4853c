//! Traces: what belongs together, across the servers that had a part in it.

mod context;
mod gen_ai;
pub(crate) mod names;
mod sampler;
mod span;
mod tracer;

pub use context::{TRACEPARENT, TRACESTATE, TraceContext};
pub(crate) use gen_ai::GenAi;
pub use sampler::Sampler;
pub(crate) use span::{Kind, SpanData, Value};
pub(crate) use tracer::Told;
pub use tracer::{OpenSpan, Tracer};
