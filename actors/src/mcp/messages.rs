//! What an `McpActor` is asked.

use std::sync::Arc;

use actix::Message;
use or_tools::mcp::{McpError, McpTool};
use or_tools::{ToolContext, ToolRun};
use tokio::sync::oneshot;

/// Asks for the tools of an MCP server. Sent by a `LoopActor` to the server's `McpActor`.
///
/// The reply is what the actor has of it already, if that is not too old.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Vec<McpTool>>, McpError>")]
pub struct ListMcpTools {
    /// Resolves when the loop is gone.
    pub gone: oneshot::Receiver<()>,
}

/// Calls a tool of an MCP server. Sent by a `LoopActor` to the server's `McpActor`.
///
/// The reply always has a result for the model; what went wrong is said there. Dropping the other end of `gone`
/// cancels the call at any time, and the server is told.
#[derive(Debug, Message)]
#[rtype(result = "ToolRun")]
pub struct CallMcpTool {
    /// As the server calls it.
    pub tool: String,
    /// As the model wrote them; they need not be JSON.
    pub arguments: String,
    /// Of the call; the server's reports of progress go there.
    pub context: ToolContext,
    /// Resolves when the loop is gone.
    pub gone: oneshot::Receiver<()>,
}
