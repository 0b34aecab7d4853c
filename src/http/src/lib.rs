//! The HTTP face: routes, keys, limits, and how errors and streams leave the server.
#![warn(missing_docs)]

mod auth;
mod body;
mod cancel;
mod create;
mod delete;
mod envelope;
mod input_items;
mod input_tokens;
mod models;
mod monitor;
mod retrieve;
mod server;
mod sse;

pub use auth::{ClientKey, Gate};
pub use models::{Card, ListedModel, Listing, Source};
pub use server::{AppState, HttpOptions, Pick, Picked, start};
