//! MCP servers: one [`McpActor`] for each server and credential, kept in an [`McpPool`].

mod actor;
mod configured;
mod messages;
mod plan;
mod pool;
mod resolve;

#[cfg(test)]
mod tests;

pub use actor::McpActor;
pub use configured::{ConfiguredMcp, McpServers};
pub use messages::{CallMcpTool, ListMcpTools};
pub(crate) use plan::{Plan, PlanBasis, Runners, plan};
pub use pool::McpPool;
