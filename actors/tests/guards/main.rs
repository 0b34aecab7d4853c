//! Actors that everybody shares: one request's fault is no other's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod store;
mod tools;
