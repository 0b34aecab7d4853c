//! The HTTP face: routes, keys, limits, and how errors and streams leave the server.
#![warn(missing_docs)]

mod admin;
mod auth;
mod body;
mod connection;
mod dialect;
mod gate;
mod headers;
mod idempotency;
mod listing;
mod request;
mod respond;
mod routes;
mod server;
mod sse;
mod state;
mod stored;
mod whole;

pub use gate::{ClientKey, Gate, MetricsReader};
pub use listing::{Card, ListedModel, Listing, Source};
pub use server::start;
pub use state::{AppState, HttpOptions, Live, UploadLimits};
