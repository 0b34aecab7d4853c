//! The HTTP face: routes, keys, limits, and how errors and streams leave the server.
#![warn(missing_docs)]

mod auth;
mod body;
mod create;
mod envelope;
mod monitor;
mod retrieve;
mod server;
mod sse;

pub use auth::{ClientKey, Gate};
pub use server::{AppState, HttpOptions, Pick, Picked, start};
