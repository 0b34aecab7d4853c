//! The whole server over real sockets: clients on one side, scripted providers on the other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]
#![allow(dead_code, reason = "the support has more than each area uses")]

#[path = "support/app.rs"]
mod app;
#[path = "support/binary.rs"]
mod binary;
#[path = "support/client.rs"]
mod client;
#[path = "support/fake.rs"]
mod fake;
#[path = "support/mcp_bench.rs"]
mod mcp_bench;
#[path = "support/mcp_server.rs"]
mod mcp_server;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/slow_store.rs"]
mod slow_store;
mod support;
#[path = "support/wire.rs"]
mod wire;

#[path = "app/background.rs"]
mod background;
#[path = "app/background_races.rs"]
mod background_races;
#[path = "app/crash.rs"]
mod crash;
#[path = "app/create.rs"]
mod create;
#[path = "app/delete.rs"]
mod delete;
#[path = "app/disconnect.rs"]
mod disconnect;
#[path = "app/history.rs"]
mod history;
#[path = "app/input_items.rs"]
mod input_items;
#[path = "app/input_tokens.rs"]
mod input_tokens;
#[path = "app/keys.rs"]
mod keys;
#[path = "app/limits.rs"]
mod limits;
#[path = "app/mcp.rs"]
mod mcp;
#[path = "app/mcp_addresses.rs"]
mod mcp_addresses;
#[path = "app/mcp_approval_faults.rs"]
mod mcp_approval_faults;
#[path = "app/mcp_approvals.rs"]
mod mcp_approvals;
#[path = "app/mcp_configured.rs"]
mod mcp_configured;
#[path = "app/mcp_errors.rs"]
mod mcp_errors;
#[path = "app/mcp_loops.rs"]
mod mcp_loops;
#[path = "app/mcp_members.rs"]
mod mcp_members;
#[path = "app/mcp_provider.rs"]
mod mcp_provider;
#[path = "app/mcp_restart.rs"]
mod mcp_restart;
#[path = "app/mcp_secrets.rs"]
mod mcp_secrets;
#[path = "app/metrics.rs"]
mod metrics;
#[path = "app/model_discovery.rs"]
mod model_discovery;
#[path = "app/models.rs"]
mod models;
#[path = "app/provider_errors.rs"]
mod provider_errors;
#[path = "app/readers.rs"]
mod readers;
#[path = "app/recovery.rs"]
mod recovery;
#[path = "app/request_errors.rs"]
mod request_errors;
#[path = "app/restart.rs"]
mod restart;
#[path = "app/secrets.rs"]
mod secrets;
#[path = "app/shutdown.rs"]
mod shutdown;
#[cfg(target_os = "linux")]
#[path = "app/survival.rs"]
mod survival;
#[path = "app/tool_faults.rs"]
mod tool_faults;
#[path = "app/tool_restart.rs"]
mod tool_restart;
#[path = "app/tool_results.rs"]
mod tool_results;
#[path = "app/tools.rs"]
mod tools;
