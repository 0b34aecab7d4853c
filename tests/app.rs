//! The whole server over real sockets: clients on one side, scripted providers on the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]
#![allow(dead_code, reason = "the support has more than each area uses")]

#[path = "support/app.rs"]
mod app;
#[path = "support/client.rs"]
mod client;
#[path = "support/fake.rs"]
mod fake;
mod support;
#[path = "support/wire.rs"]
mod wire;

#[path = "app/create.rs"]
mod create;
#[path = "app/history.rs"]
mod history;
#[path = "app/provider_errors.rs"]
mod provider_errors;
#[path = "app/request_errors.rs"]
mod request_errors;
