//! `[server]`: the listener, its limits and its clocks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use or_engine::ReasoningEvents;
use or_telemetry::LogFormat;
use serde::{Deserialize, Serialize};

use crate::config::address;

/// `[server]`: the listener, its limits and its clocks.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Refused by [`Config::resolve`](crate::config::Config::resolve) if it is not loopback and nobody has to show a key.
    #[serde(deserialize_with = "address::deserialize")]
    pub bind: SocketAddr,
    pub allow_unauthenticated: bool,
    /// HTTP worker threads; 0: one per core, see [`Server::worker_count`].
    pub workers: usize,
    pub max_body_bytes: usize,
    /// Of all requests together; 0: a quarter of the machine's memory.
    pub max_bytes_in_flight: usize,
    pub max_context_bytes: u64,
    pub max_concurrent_responses: usize,
    pub shutdown_grace_s: u64,
    pub keepalive_s: u64,
    pub client_write_timeout_s: u64,
    pub upload_timeout_s: u64,
    /// After a grace time of 10 s; 0: no bound.
    pub min_upload_bytes_per_s: u64,
    pub max_connections: usize,
    pub max_readers_per_response: usize,
    pub max_response_s: u64,
    /// Of the output of one response, as JSON.
    pub max_output_bytes: u64,
    pub max_upstream_bytes: usize,
    /// How long a provider's list of models is believed; 0: nobody is asked.
    pub model_discovery_s: u64,
    pub cors_allowed_origins: Vec<String>,
    pub reasoning_events: ReasoningNames,
    pub strict_translation: bool,
    pub log_format: LogFormat,
    /// Whether a changed file is taken over without a signal.
    pub watch_config: bool,
}

/// `server.reasoning_events`: how the events of a raw reasoning trace are named (rules 12.9).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningNames {
    /// As the client reads them.
    #[default]
    Auto,
    /// `response.reasoning.*`.
    Spec,
    /// `response.reasoning_text.*`.
    OpenAi,
}

impl ReasoningNames {
    /// The names for all clients; `None`: it depends on the client.
    pub fn names(self) -> Option<ReasoningEvents> {
        match self {
            Self::Auto => None,
            Self::Spec => Some(ReasoningEvents::Spec),
            Self::OpenAi => Some(ReasoningEvents::OpenAi),
        }
    }
}

impl Server {
    /// How many HTTP workers to start: `workers`, or one per core if that is 0.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_s)
    }

    pub fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_s)
    }

    pub fn client_write_timeout(&self) -> Duration {
        Duration::from_secs(self.client_write_timeout_s)
    }

    pub fn upload_timeout(&self) -> Duration {
        Duration::from_secs(self.upload_timeout_s)
    }

    pub fn max_response(&self) -> Duration {
        Duration::from_secs(self.max_response_s)
    }

    /// How long a provider's list of models is believed; `None`: nobody is asked.
    pub fn model_discovery(&self) -> Option<Duration> {
        (self.model_discovery_s > 0).then(|| Duration::from_secs(self.model_discovery_s))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            allow_unauthenticated: false,
            workers: 0,
            max_body_bytes: 32 * 1024 * 1024,
            max_bytes_in_flight: 0,
            max_context_bytes: 64 * 1024 * 1024,
            max_concurrent_responses: 10_000,
            shutdown_grace_s: 30,
            keepalive_s: 15,
            client_write_timeout_s: 60,
            upload_timeout_s: 300,
            min_upload_bytes_per_s: 1024,
            max_connections: 100_000,
            max_readers_per_response: 256,
            max_response_s: 3600,
            max_output_bytes: 32 << 20,
            max_upstream_bytes: 256 * 1024 * 1024,
            model_discovery_s: 300,
            cors_allowed_origins: Vec::new(),
            reasoning_events: ReasoningNames::Auto,
            strict_translation: false,
            log_format: LogFormat::Auto,
            watch_config: false,
        }
    }
}
