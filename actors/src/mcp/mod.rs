//! Clients of MCP servers: one [`McpActor`] for each server and credential, kept in an [`McpPool`].
//!
//! An actor keeps one session open and makes it anew when it is lost. A call is sent once, or again if it surely did
//! not reach the server; otherwise the model is told that nobody knows.

mod actor;
mod backoff;
mod client;
mod configured;
mod events;
mod fault;
mod guard;
mod http;
mod link;
mod list;
mod output;
mod plan;
mod pool;
mod resolve;
mod server;
mod session;
mod stdio;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod guard_tests;
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
pub use guard::AddressGuard;
pub(crate) use plan::{Asked, Plan, Runners, plan};
pub use pool::{McpBounds, McpPool};
pub use server::{McpCommand, McpError, McpLimits, McpPlace, McpServer, McpTool};
