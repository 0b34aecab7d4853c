//! One round of tools that the server runs: several at a time, each result to the engine as it comes.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{Stream, StreamExt as _};
use or_engine::{ToolCall, ToolResult};
use or_protocol::Settings;
use or_telemetry::trace::TraceContext;
use or_tools::mcp::McpServer;
use or_tools::{ToolContext, ToolRequest, ToolRun};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use crate::mcp::{CallMcpTool, Runners};
use crate::node::Node;
use crate::response::prepare::approvals;
use crate::response::request::{Neighbours, Request};
use crate::store::StoreHandle;
use crate::tools::{RunTool, ToolActor};

/// What the model is told of a call of which nobody knows whether it had its effect.
const UNKNOWN: &str = "Error: the server was restarted while this tool was running. Whether it took effect is unknown; \
it was not run again.";
/// What the model is told if the actor that ran the tool is gone.
const LOST: &str = "Error: the tool could not be run because of a fault of the server.";

/// What the model is told of a call whose server the request does not name any more.
const NO_SERVER: &str = "Error: the MCP server of this tool is not part of the request.";

/// Reports of progress that may wait; what finds no room is lost.
const REPORTS: usize = 16;

type Results = Pin<Box<dyn Stream<Item = (usize, ToolResult)>>>;

/// Calls that are running. Dropping it ends them.
pub(crate) struct Round {
    results: Results,
    reports: mpsc::Receiver<String>,
}

/// What is heard of them.
pub(crate) enum News {
    /// How far one is, in its own words.
    Progress(String),
    /// One is done: its output index, and what came of it.
    Done(usize, ToolResult),
    /// All are done.
    Over,
}

impl Round {
    /// The next news. Nothing is lost if this is dropped while it waits.
    pub(crate) async fn next(&mut self) -> News {
        tokio::select! {
            biased;
            // Before the result, since it was said before.
            Some(text) = self.reports.recv() => News::Progress(text),
            done = self.results.next() => match done {
                Some((index, result)) => News::Done(index, result),
                None => News::Over,
            },
        }
    }
}

/// Runs the calls of one response.
#[derive(Clone)]
pub(crate) struct ToolRunner {
    request: Rc<Request>,
    node: Arc<Node>,
    tools: Addr<ToolActor>,
    store: StoreHandle,
    /// The MCP servers of the request.
    servers: Runners,
}

impl ToolRunner {
    pub(crate) fn new(request: Rc<Request>, neighbours: &Neighbours, servers: Runners) -> Self {
        let (node, tools) = (Arc::clone(&neighbours.node), neighbours.tools.clone());
        Self { request, node, tools, store: neighbours.store.clone(), servers }
    }

    /// Begins to run these calls. `settings`: of the request; `trace`: the span that they belong to.
    pub(crate) fn begin(
        &self,
        calls: Vec<ToolCall>,
        settings: &Settings,
        trace: Option<TraceContext>,
    ) -> Round {
        let (report, reports) = mpsc::channel(REPORTS);
        let owner: Arc<str> = self.request.facts.owner.as_str().into();
        let metadata = metadata(settings);
        let runner = self.clone();
        let runs = calls.into_iter().map(move |call| {
            let idempotent = call.mcp.is_none() && runner.node.tools.is_idempotent(&call.name);
            let unknown = call.interrupted && !idempotent;
            let (id, call_id) = (runner.request.facts.id.clone(), call.call_id.clone());
            let context = ToolContext::new(id, call_id, call.iteration, &*owner, Arc::clone(&metadata))
                .with_progress(report.clone())
                .with_trace(trace.clone());
            let runner = runner.clone();
            async move {
                let result =
                    if unknown { ToolResult::failed(UNKNOWN) } else { runner.run(&call, context).await };
                (call.index, result)
            }
        });
        let results: Results = match self.node.limits.tools.max_concurrent_per_response {
            0 => Box::pin(runs.collect::<FuturesUnordered<_>>()),
            limit => Box::pin(stream::iter(runs).buffer_unordered(limit)),
        };
        Round { results, reports }
    }

    async fn run(&self, call: &ToolCall, context: ToolContext) -> ToolResult {
        match &call.mcp {
            Some(mcp) => match self.servers.server(&mcp.label) {
                Some(server) => self.approved(server, call, mcp.approval.as_deref(), context).await,
                None => ToolResult::failed(NO_SERVER),
            },
            None => match self.servers.function(&call.name) {
                Some((server, tool)) => self.ask_server(server, tool, &call.arguments, context).await,
                None => self.run_tool(call, context).await,
            },
        }
    }

    /// Calls a server; with an approval at most once, whatever happens meanwhile.
    async fn approved(
        &self,
        server: &Arc<McpServer>,
        call: &ToolCall,
        approval: Option<&str>,
        context: ToolContext,
    ) -> ToolResult {
        let Some(approval) = approval else {
            return self.ask_server(server, &call.name, &call.arguments, context).await;
        };
        // Written down before the call: a crash between the two loses a call, and never makes one twice.
        match approvals::take(&self.store, &self.request.facts.id, approval).await {
            Ok(approval) => {
                let result = self.ask_server(server, &call.name, &call.arguments, context).await;
                approvals::done(&self.store, &self.request.facts.id, approval).await;
                result
            }
            Err(why) => ToolResult::failed(why),
        }
    }

    async fn ask_server(
        &self,
        server: &Arc<McpServer>,
        tool: &str,
        arguments: &str,
        context: ToolContext,
    ) -> ToolResult {
        // Held while the tool runs; dropping it cancels the call.
        let (_here, gone) = oneshot::channel();
        let (tool, arguments) = (tool.to_owned(), arguments.to_owned());
        let actor = match self.node.mcp.pool.actor(server, &self.request.facts.owner) {
            Ok(actor) => actor,
            Err(error) => return ToolResult::failed(format!("Error: '{tool}' failed: {error}")),
        };
        told(actor.send(CallMcpTool { tool, arguments, context, gone }).await.ok())
    }

    async fn run_tool(&self, call: &ToolCall, context: ToolContext) -> ToolResult {
        // Held while the tool runs; dropping it ends the tool.
        let (_here, gone) = oneshot::channel();
        let (name, arguments) = (call.name.clone(), call.arguments.clone());
        told(self.tools.send(RunTool(ToolRequest { name, arguments, context, gone })).await.ok())
    }
}

/// `None`: the actor that ran the tool is gone.
fn told(run: Option<ToolRun>) -> ToolResult {
    run.map_or_else(
        || ToolResult::failed(LOST),
        |run| ToolResult { output: run.output, failed: run.failed, fault: run.fault },
    )
}

fn metadata(settings: &Settings) -> Arc<Map<String, Value>> {
    match serde_json::to_value(&settings.metadata) {
        Ok(Value::Object(map)) => Arc::new(map),
        _ => Arc::default(),
    }
}
