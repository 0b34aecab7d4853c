//! The HTTP face: routes, keys, limits, and how errors and streams leave the server.
#![warn(missing_docs)]

mod auth;
mod body;
mod respond;
mod routes;
mod server;
mod sse;

pub use auth::{ClientKey, Gate};
pub use routes::models::{Card, ListedModel, Listing, Source};
pub use server::{AppState, HttpOptions, Pick, Picked, start};
