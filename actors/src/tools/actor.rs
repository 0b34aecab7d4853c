//! Runs tools: one actor for each arbiter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;

use crate::tools::RunTool;
use or_telemetry::{Metrics, Runner, ToolSpan};
use or_tools::{Failure, Registry, ToolRun, client, finished, run};
use or_wire::Client;

/// Owns the arbiter's HTTP client for tools.
///
/// One serves all tools: a tool has no state that needs an actor of its own, and its limits hold over all arbiters.
pub struct ToolActor {
    tools: Arc<Registry>,
    metrics: Metrics,
    http: Client,
}

impl ToolActor {
    /// An actor for the arbiter it is started on.
    pub fn new(tools: Arc<Registry>, metrics: Metrics) -> Self {
        Self { tools, metrics, http: client() }
    }
}

impl Actor for ToolActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Runs of a response are bounded, and so are the responses.
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<RunTool> for ToolActor {
    type Result = ResponseFuture<ToolRun>;

    /// The work has its own panic guard: one call must not take the tools from the others.
    fn handle(&mut self, message: RunTool, _: &mut Self::Context) -> Self::Result {
        let (tools, http) = (Arc::clone(&self.tools), self.http.clone());
        let RunTool(mut request) = message;
        let name = request.name.clone();
        let (response_id, call_id) = (request.context.response_id.clone(), request.context.call_id.clone());
        let runner = Runner::Server { tool: name.clone(), kind: tools.kind(&name) };
        let parent = request.context.trace.take();
        let mut span = ToolSpan::new(&self.metrics, runner, response_id, call_id, parent.as_ref());
        request.context.trace = span.trace();
        Box::pin(async move {
            let work = AssertUnwindSafe(run(&tools, &http, request)).catch_unwind().await;
            let run = work.unwrap_or_else(|_| finished(&name, Err(Failure::Panicked), span.elapsed()));
            span.end(run.result, run.took);
            run
        })
    }
}
