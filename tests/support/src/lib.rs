//! What the integration tests of all crates share: independent checks, scripted neighbours, a client.
//!
//! Nothing here uses a crate of ours: events, responses and recordings are read as plain
//! [`serde_json::Value`]s, so a mistake in our types cannot hide itself; and a crate's tests can use this
//! without waiting for the crates on its right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

pub mod binary;
pub mod client;
pub mod mcp;
pub mod order;
pub mod provider;
pub mod recording;
pub mod schema;
pub mod shared;
pub mod transcript;
pub mod wire;

/// What a check tolerates beyond the released specification.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Items, events and tools outside the official unions (`acme:…`, `mcp_call`, …). Only a test whose
    /// request asked for such a tool sets this.
    pub allow_hosted: bool,
}

impl Options {
    /// Standard items and events only.
    pub const STRICT: Self = Self { allow_hosted: false };
    /// Hosted and extension items and events too.
    pub const HOSTED: Self = Self { allow_hosted: true };
}
