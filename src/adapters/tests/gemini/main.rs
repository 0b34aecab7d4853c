//! The Gemini adapter by requests and answers of our own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod hosted;
mod requests;
mod support;
