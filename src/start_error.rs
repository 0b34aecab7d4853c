//! Why a server could not start.

use std::net::SocketAddr;

use or_middleware::ChainError;
use or_store::StoreOpenError;
use or_telemetry::otlp::ExporterError;
use or_tools::RegistryError;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A provider's table is wrong.
    #[error("provider `{name}`: {reason}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong, naming the key.
        reason: String,
    },
    /// A tool's table is wrong.
    #[error("tool `{name}`: {reason}")]
    ToolTable {
        /// Its name.
        name: String,
        /// What is wrong, naming the key.
        reason: String,
    },
    /// A tool is wrong, or two have the same name.
    #[error(transparent)]
    Tool(#[from] RegistryError),
    /// A middleware's table is wrong.
    #[error("middleware[{index}] ({kind}): {reason}")]
    MiddlewareTable {
        /// Its place in the list, from 0.
        index: usize,
        /// Of which kind.
        kind: &'static str,
        /// What is wrong, naming the key.
        reason: String,
    },
    /// A middleware is wrong.
    #[error(transparent)]
    Middleware(#[from] ChainError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The history cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// There are webhooks, and the store that was given keeps no events for them.
    #[error("webhooks are configured, and the store has no outbox for their events")]
    NoOutbox,
    /// The thread that sends webhook events could not be started.
    #[error("the sending of webhook events could not be started")]
    Webhooks(#[source] std::io::Error),
    /// A metric could not be registered.
    #[error("the metrics could not be set up")]
    Metrics(#[source] prometheus::Error),
    /// What sends telemetry could not be started.
    #[error(transparent)]
    Exporter(#[from] ExporterError),
}
