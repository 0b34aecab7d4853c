//! What the integration tests of all crates share: independent checks, scripted neighbours, a client.
//!
//! Nothing here uses a crate of the server's: events, responses and recordings are read as plain
//! [`serde_json::Value`]s, so a mistake in our types cannot hide itself; and a crate's tests can use this
//! without waiting for the crates on its right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

pub mod binary;
pub mod client;
pub mod mcp;
pub mod provider;
pub mod recording;
pub mod schema;
pub mod shared;
pub mod transcript;
pub mod wire;

pub use or_conformance::{Options, order};
