//! One MCP server, for all requests that use it.

use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};

use super::{McpError, McpServer, McpTool};
use crate::tools::ToolRun;
use crate::{CallMcpTool, ListMcpTools};

/// One MCP server with one credential.
pub struct McpActor {
    #[expect(dead_code, reason = "sessions come with the next commit")]
    server: Arc<McpServer>,
}

impl McpActor {
    pub(super) fn new(server: Arc<McpServer>) -> Self {
        Self { server }
    }
}

impl Actor for McpActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Requests are bounded, and so are their calls.
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<ListMcpTools> for McpActor {
    type Result = ResponseFuture<Result<Arc<Vec<McpTool>>, McpError>>;

    fn handle(&mut self, _: ListMcpTools, _: &mut Self::Context) -> Self::Result {
        Box::pin(async { Err(McpError::Unreachable("there is no client yet".into())) })
    }
}

impl Handler<CallMcpTool> for McpActor {
    type Result = ResponseFuture<ToolRun>;

    fn handle(&mut self, message: CallMcpTool, _: &mut Self::Context) -> Self::Result {
        let text = format!("Error: '{}' failed: there is no client yet", message.tool);
        Box::pin(async {
            let output = or_protocol::Output::Text(text);
            ToolRun { output, failed: true, took: std::time::Duration::ZERO, result: "error" }
        })
    }
}
