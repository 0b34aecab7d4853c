//! What the repository promises beside its code: floors, names, documents, and the commands of an operator.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use or_test_support::binary::Program;

mod architecture;
mod check_config;
mod conformance_command;
mod deploy;
mod docs_actors;
mod docs_errors;
mod docs_fields;
mod keys_command;
mod metrics;
mod supply_chain;
mod transfer;

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_open-responses"));
