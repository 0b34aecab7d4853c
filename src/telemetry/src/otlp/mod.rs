//! OTLP over HTTP: to a collector, from a thread of its own.

mod encode;
mod exporter;
mod options;
mod protobuf;

pub use exporter::{Exporter, ExporterError, Gather};
pub use options::{OtlpError, OtlpOptions};
