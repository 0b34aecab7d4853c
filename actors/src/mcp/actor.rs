//! One MCP server, for all requests that use it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;

use super::messages::{CallMcpTool, ListMcpTools};
use or_telemetry::{Metrics, Runner, ToolSpan};
use or_tools::mcp::{Link, run};
use or_tools::mcp::{McpError, McpTool};
use or_tools::{Failure, ToolRun};

/// One MCP server with one credential. Ends when nobody has its address any more.
pub struct McpActor {
    link: Arc<Link>,
    metrics: Metrics,
}

impl McpActor {
    pub(super) fn new(link: Arc<Link>, metrics: Metrics) -> Self {
        Self { link, metrics }
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

    /// The work is a task of its own: others may wait for it when this client leaves, and a panic ends nothing else.
    fn handle(&mut self, message: ListMcpTools, _: &mut Self::Context) -> Self::Result {
        let (link, metrics) = (Arc::clone(&self.link), self.metrics.clone());
        let in_use = link.in_use();
        let work = tokio::spawn(async move {
            let _in_use = in_use;
            link.tools().await
        });
        Box::pin(async move {
            tokio::select! {
                biased;
                _ = message.gone => Err(McpError::Gone),
                done = work => done.unwrap_or_else(|error| {
                    if error.is_panic() {
                        metrics.panicked();
                    }
                    Err(McpError::Internal)
                }),
            }
        })
    }
}

impl Handler<CallMcpTool> for McpActor {
    type Result = ResponseFuture<ToolRun>;

    /// The work has its own panic guard: one call must not take the server from the others.
    fn handle(&mut self, message: CallMcpTool, _: &mut Self::Context) -> Self::Result {
        let link = Arc::clone(&self.link);
        let in_use = link.in_use();
        let CallMcpTool { tool, arguments, mut context, gone } = message;
        let server = link.server();
        let (label, configured) = (server.label.clone(), server.trusted);
        let runner = Runner::Mcp { tool: tool.clone(), label, configured };
        let (response_id, call_id) = (context.response_id.clone(), context.call_id.clone());
        let parent = context.trace.take();
        let mut span = ToolSpan::new(&self.metrics, runner, response_id, call_id, parent.as_ref());
        context.trace = span.trace();
        Box::pin(async move {
            let _in_use = in_use;
            let work = async {
                let called = tokio::select! {
                    biased;
                    _ = gone => Err(Failure::Cancelled),
                    () = context.cancelled.cancelled() => Err(Failure::Cancelled),
                    called = link.call(&tool, &arguments, &context) => called,
                };
                run(&tool, called, link.server().limits.max_output_bytes, span.elapsed())
            };
            let done = AssertUnwindSafe(work).catch_unwind().await;
            let done = done.unwrap_or_else(|_| run(&tool, Err(Failure::Panicked), 0, span.elapsed()));
            span.end(done.result, done.took);
            done
        })
    }
}
