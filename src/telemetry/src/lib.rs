//! What the server tells whoever runs it: metrics and the log.
#![warn(missing_docs)]

mod json_line;
mod log;
pub mod metrics;
mod one_line;
pub mod otlp;
mod span;
pub mod trace;

pub use log::{LogFormat, init_log};
pub use metrics::{Attempt, ClientFault, Counted, Levels, Metrics, ToolKind};
pub use span::{Asked, LIFECYCLE, ResponseFacts, ResponseSpan, Runner, SampleSpan, ToolSpan};

use std::time::Duration;

/// Milliseconds for a log line, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
