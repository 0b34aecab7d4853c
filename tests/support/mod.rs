//! Independent checks for the integration tests.
//!
//! Nothing here uses a crate of ours: events, responses and recordings are read as plain
//! [`serde_json::Value`]s, so a mistake in our types cannot hide itself. Each test target says
//! `mod support;`.
#![allow(dead_code, reason = "every test target compiles all of this and uses a part")]
#![expect(unreachable_pub, reason = "`pub` marks what tests may call; there is no crate to export to")]

pub mod order;
pub mod recording;
pub mod schema;
pub mod shared;
pub mod transcript;

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
