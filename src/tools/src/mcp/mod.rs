//! Clients of MCP servers.
//!
//! A [`Link`] keeps one session open and makes it anew when it is lost. A call is sent once, or again if it surely did
//! not reach the server; otherwise the model is told that nobody knows.

mod backoff;
mod called;
mod client;
mod fault;
mod guard;
mod http;
mod link;
mod list;
mod output;
mod page;
mod server;
mod session;
mod shared;
mod stdio;
#[cfg(test)]
mod tests;
mod wire;

pub use called::Called;
pub use guard::AddressGuard;
pub use link::{Compiled, InUse, Link};
pub use output::run;
pub use server::{McpCommand, McpError, McpLimits, McpPlace, McpServer, McpTool};
pub use shared::{McpBounds, Shared};
