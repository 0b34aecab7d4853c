//! Checks any server of the Open Responses API, ours or another.
//!
//! [`order`] checks one stream: the order of its events, their fields and numbers, and that deltas, `done` events and
//! the last snapshot say the same. [`cases`] are whole exchanges with a server; [`run`] carries them out over a
//! [`Transport`], which the caller brings, and gives a [`Report`]. Everything is read as plain JSON, and nothing here
//! uses a crate of the server's, so a mistake in its types cannot hide itself.

mod cases;
mod exchange;
pub mod order;
mod report;

pub use cases::{Case, Target, cases, run};
pub use exchange::{Answer, Key, Request, Transport};
pub use report::{Outcome, Report, Verdict};

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
