//! MCP servers: one [`McpActor`] for each server and credential, kept in an [`McpPool`].

mod actor;
mod configured;
mod plan;
mod pool;
mod resolve;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod redirect_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod stdio_tests;

pub use actor::McpActor;
pub use configured::{ConfiguredMcp, McpServers};
pub(crate) use plan::{Asked, Plan, Runners, plan};
pub use pool::McpPool;
