//! What the loop does, item by item and rule by rule.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

#[path = "../support/mod.rs"]
mod support;

mod background;
mod calls;
mod context;
mod endings;
mod examples;
mod hosted;
mod items;
mod last_turn;
mod loop_limits;
mod mcp;
mod mcp_approvals;
mod mcp_bytes;
mod mcp_restart;
mod output_bytes;
mod resume;
mod server_tools;
mod tool_restart;
mod turns;
