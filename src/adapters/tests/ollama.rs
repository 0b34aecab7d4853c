//! The Ollama adapter by requests and transcripts of our own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "ollama/answers.rs"]
mod answers;
#[path = "ollama/endings.rs"]
mod endings;
#[path = "ollama/history.rs"]
mod history;
#[path = "ollama/request.rs"]
mod request;
#[path = "ollama/support.rs"]
mod support;
