//! `[metrics]`: who may read them, and where. `[telemetry]`: where they are sent, and spans.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::config::address;

/// `[metrics]`: who may read `GET /metrics`, and where. By default whoever may call the API.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether nobody has to show a key.
    pub public: bool,
    /// Variable with a key of their own, which takes the place of the client keys; empty: none.
    pub key_env: String,
    /// A listener of their own, where they are read without a client key.
    #[serde(
        deserialize_with = "address::deserialize_optional",
        serialize_with = "address::serialize_optional"
    )]
    pub bind: Option<SocketAddr>,
}

/// `[telemetry]`: where spans and metrics are sent, by OTLP over HTTP. By default nowhere.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// URL of a collector, to which `/v1/traces` and `/v1/metrics` are added; empty: what the `OTEL_…` variables say.
    pub otlp_endpoint: String,
}
