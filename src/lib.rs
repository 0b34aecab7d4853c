//! The Open Responses server as a library: configuration, wiring, and a builder for embedding it with
//! adapters, tools or a store of one's own.

pub mod config;
mod log;
mod server;
mod start_error;
mod wiring;

pub use log::init_log;
pub use or_actors::{metrics, store, tools};
pub use or_adapters as adapters;
pub use or_protocol as protocol;
pub use server::{Running, ServerBuilder};
pub use start_error::StartError;
