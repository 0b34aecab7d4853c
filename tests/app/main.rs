//! The whole server over real sockets: clients on one side, scripted providers on the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use or_test_support::binary::Program;

mod answer_members;
mod background;
mod codex;
mod context;
mod create;
mod delete;
mod door;
mod failures;
mod history;
mod hosted;
mod hostile_providers;
mod idempotency;
mod input_items;
mod input_tokens;
mod keys;
mod lifecycle;
mod limits;
mod log;
mod mcp;
mod metrics;
mod middleware;
mod model_discovery;
mod models;
mod owners;
mod prompt_caching;
mod readers;
mod records;
mod reload;
mod resilience;
mod running;
mod sealed;
mod secrets;
mod shares;
mod stage;
mod stored_keys;
mod tools;
mod traces;
mod webhooks;

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_open-responses"));
