//! The Open Responses server as a library: configuration, wiring, and a builder for embedding it with
//! adapters, tools, middlewares or a store of one's own.

pub mod config;
mod server;
mod start_error;
mod wiring;

pub use or_actors::{Phase, RunningResponse};
pub use or_adapters as adapters;
pub use or_keys as keys;
pub use or_middleware as middleware;
pub use or_protocol as protocol;
pub use or_store as store;
pub use or_telemetry::{init_log, metrics};
pub use or_tools as tools;
pub use server::{ReloadError, Running, ServerBuilder};
pub use start_error::StartError;
