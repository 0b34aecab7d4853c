//! The store through its public face, on a real folder.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod approvals;
mod bounds;
mod formats;
#[cfg(unix)]
mod full;
#[cfg(unix)]
mod kill;
mod outbox;
mod records;
mod transfer;
