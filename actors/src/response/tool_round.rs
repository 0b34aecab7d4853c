//! One round of tools that the server runs: several at a time, each result to the engine as it comes.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{Stream, StreamExt as _};
use or_engine::{Input, Output as EngineOutput, ToolCall, ToolResult};
use or_protocol::ResponseId;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::mcp::{CallMcpTool, Runners};
use crate::node::Node;
use crate::response::attend::{Interrupt, interrupted};
use crate::response::driver::{Driver, Step, unix_now};
use crate::response::prepare::approvals;
use crate::response::turn::begun;
use crate::running::CancelReason;
use crate::store::StoreHandle;
use crate::tools::{RunTool, ToolActor};
use or_tools::mcp::McpServer;
use or_tools::{ToolContext, ToolRequest, ToolRun};

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

/// What came of waiting for a result.
enum Waited {
    Result(Option<(usize, ToolResult)>),
    Interrupted(Interrupt),
    Progress(String),
    Begun,
    Silence,
}

impl Driver {
    /// Runs the calls that the engine asks for, to the end of the round.
    pub(crate) async fn run_tools(&mut self) -> Step {
        // An approved call comes before the provider's first answer, and the client shall see it run.
        if self.request.stream && !self.request.background {
            self.sink.open(&self.notes);
        }
        let calls = self.engine.as_ref().map(or_engine::ResponseLoop::tool_calls).unwrap_or_default();
        if self.request.background && !self.note_starts(&calls).await {
            return Step::Park;
        }
        let (report, mut reports) = mpsc::channel(REPORTS);
        let mut results = self.results(calls, report);
        let keepalive = self.neighbours.node.limits.keepalive;
        let mut tick = interval_at(Instant::now() + keepalive, keepalive);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mailbox = Rc::clone(&self.neighbours.mailbox);
            let waited = tokio::select! {
                biased;
                // Before the result, since it was said before.
                Some(text) = reports.recv() => Waited::Progress(text),
                result = results.next() => Waited::Result(result),
                why = interrupted(self.sink.left(), &mailbox, self.deadline) => Waited::Interrupted(why),
                () = begun(self.begun_at) => Waited::Begun,
                _ = tick.tick() => Waited::Silence,
            };
            let next = match waited {
                Waited::Result(Some((index, result))) => self.tool_done(index, result).await,
                // All were told; the engine has said what is next by then.
                Waited::Result(None) => return Step::More,
                // What is running may have an effect: it is better ended than left.
                Waited::Interrupted(Interrupt::Cancelled(CancelReason::Park)) => {
                    mailbox.decline_to_park();
                    Step::More
                }
                Waited::Interrupted(why) => self.interrupt(why).await.unwrap_or(Step::More),
                Waited::Progress(text) => {
                    let patience = self.neighbours.node.limits.client_write_timeout;
                    if self.sink.progress(&text, patience).await { Step::More } else { self.lost() }
                }
                Waited::Begun => {
                    self.note_beginning();
                    Step::More
                }
                Waited::Silence => self.keep_alive().await,
            };
            if !matches!(next, Step::More) {
                return next;
            }
        }
    }

    /// Writes down which calls are about to run, so that a restart does not run them again. Only a background
    /// response goes on after one.
    async fn note_starts(&mut self, calls: &[ToolCall]) -> bool {
        for call in calls {
            self.feed(Input::ToolStarted { index: call.index }).await;
        }
        self.checkpoint(Vec::new()).await
    }

    /// The results of these calls as they come; dropping them ends what is running.
    fn results(&self, calls: Vec<ToolCall>, report: mpsc::Sender<String>) -> Results {
        let owner: Arc<str> = self.request.owner.as_str().into();
        let metadata = self.engine.as_ref().map(|engine| metadata(engine.settings())).unwrap_or_default();
        let registry = Arc::clone(&self.neighbours.node.tools);
        let id = self.id().clone();
        let runner = self.runner();
        let runs = calls.into_iter().map(move |call| {
            let idempotent = call.mcp.is_none() && registry.is_idempotent(&call.name);
            let unknown = call.interrupted && !idempotent;
            let context = ToolContext::new(
                id.clone(),
                call.call_id.clone(),
                call.iteration,
                &*owner,
                Arc::clone(&metadata),
            )
            .with_progress(report.clone());
            let runner = runner.clone();
            async move {
                let result =
                    if unknown { ToolResult::failed(UNKNOWN) } else { runner.run(&call, context).await };
                (call.index, result)
            }
        });
        match self.neighbours.node.limits.tools.max_concurrent {
            0 => Box::pin(runs.collect::<FuturesUnordered<_>>()),
            limit => Box::pin(stream::iter(runs).buffer_unordered(limit)),
        }
    }

    fn runner(&self) -> Runner {
        Runner {
            id: self.id().clone(),
            node: Arc::clone(&self.neighbours.node),
            tools: self.neighbours.tools.clone(),
            store: self.neighbours.store.clone(),
            servers: self.runners.clone(),
        }
    }

    async fn tool_done(&mut self, index: usize, result: ToolResult) -> Step {
        let mut out = EngineOutput::default();
        let Some(engine) = &mut self.engine else { return Step::End(None) };
        engine.handle(Input::ToolDone { index, result }, unix_now(), &mut out);
        if self.request.background && out.next.is_none() {
            return if self.checkpoint(out.frames).await { Step::More } else { Step::Park };
        }
        self.carry_out(out).await
    }
}

/// Whoever runs a call, and what that takes.
#[derive(Clone)]
struct Runner {
    id: ResponseId,
    node: Arc<Node>,
    tools: Addr<ToolActor>,
    store: StoreHandle,
    servers: Runners,
}

impl Runner {
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
        match approvals::take(&self.store, &self.id, approval).await {
            Ok(approval) => {
                let result = self.ask_server(server, &call.name, &call.arguments, context).await;
                approvals::done(&self.store, &self.id, approval).await;
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
        let actor = self.node.mcp.pool.actor(server);
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

fn metadata(settings: &or_protocol::Settings) -> Arc<Map<String, Value>> {
    match serde_json::to_value(&settings.metadata) {
        Ok(Value::Object(map)) => Arc::new(map),
        _ => Arc::default(),
    }
}
