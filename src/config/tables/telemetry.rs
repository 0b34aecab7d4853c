//! `[telemetry]`: where spans and metrics are sent.

use serde::{Deserialize, Serialize};

/// `[telemetry]`: where spans and metrics are sent, by OTLP over HTTP. By default nowhere.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// URL of a collector, to which `/v1/traces` and `/v1/metrics` are added; empty: what the `OTEL_…` variables say.
    pub otlp_endpoint: String,
}
