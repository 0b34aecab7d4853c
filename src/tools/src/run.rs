//! One run of a tool: arguments, a place, the time, the result, and everything that can go wrong.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_engine::McpFault;
use or_protocol::Output;
use or_wire::Client;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{MAX_ERROR, head, limited};
use crate::http::Answer;
use crate::registry::{AnyTool, Entry};
use crate::{Place, Places, Registry, ToolContext, ToolError, ToolOutput};

/// How many faults of the arguments the model is told of.
const MAX_FAULTS: usize = 5;

/// What came of one call. A failure is a text for the model as well.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRun {
    /// For the `function_call_output` item.
    pub output: Output,
    /// Whether `output` says why there is no result.
    pub failed: bool,
    /// How long the tool worked, the wait for a place included.
    pub took: Duration,
    /// A closed word for logs and metrics: `ok`, `cut`, `error`, `timeout`, `panic`, `bad_arguments`,
    /// `cancelled`, `unknown`.
    pub result: &'static str,
    /// Who failed, where that was an MCP server and not its tool.
    pub fault: Option<McpFault>,
}

/// A call to run.
#[derive(Debug)]
pub struct ToolRequest {
    /// Of which tool.
    pub name: String,
    /// As the model wrote them; they need not be JSON.
    pub arguments: String,
    /// What the tool is told of the call.
    pub context: ToolContext,
    /// Resolves when whoever asked is gone.
    pub gone: oneshot::Receiver<()>,
}

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// There is no such tool.
    Unknown,
    /// They do not fit the schema, and why.
    BadArguments(String),
    /// The tool said so.
    Failed(ToolError),
    /// An MCP server did not run it.
    Refused(ToolError, McpFault),
    /// It took longer than this.
    TimedOut(Duration),
    /// No place became free in this time.
    NoPlace(Duration),
    /// A bug in the tool.
    Panicked,
    /// Nobody waits for it any more.
    Cancelled,
}

impl Failure {
    fn fault(&self) -> Option<McpFault> {
        match self {
            Self::Refused(_, fault) => Some(*fault),
            Self::Unknown
            | Self::BadArguments(_)
            | Self::Failed(_)
            | Self::TimedOut(_)
            | Self::NoPlace(_)
            | Self::Panicked
            | Self::Cancelled => None,
        }
    }

    fn result(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::BadArguments(_) => "bad_arguments",
            Self::Failed(_) | Self::Refused(..) => "error",
            Self::TimedOut(_) | Self::NoPlace(_) => "timeout",
            Self::Panicked => "panic",
            Self::Cancelled => "cancelled",
        }
    }

    /// For the model, which can do better at its next call.
    fn text(&self, name: &str) -> String {
        match self {
            Self::Unknown => format!("Error: there is no tool '{name}'."),
            Self::BadArguments(why) => {
                format!("Error: the arguments of the call are wrong and '{name}' was not run: {why}")
            }
            Self::Failed(error) | Self::Refused(error, _) => {
                let text = error.to_string();
                let text = head(text.trim(), MAX_ERROR);
                format!("Error: '{name}' failed: {text}")
            }
            Self::TimedOut(after) => {
                format!("Error: '{name}' was stopped after {} s without a result.", after.as_secs_f64())
            }
            Self::NoPlace(after) => {
                let waited = after.as_secs_f64();
                format!("Error: '{name}' was not run: too many calls were before it for {waited} s.")
            }
            Self::Panicked => format!("Error: '{name}' failed with an internal error."),
            Self::Cancelled => format!("Error: '{name}' was cancelled."),
        }
    }
}

/// Runs one call. Dropping the future, or the other end of `gone`, ends the tool. It is boxed so that its code is made in
/// this crate and not where it is awaited.
pub fn run<'a>(
    registry: &'a Registry,
    http: &'a Client,
    request: ToolRequest,
) -> Pin<Box<dyn Future<Output = ToolRun> + 'a>> {
    Box::pin(ran(registry, http, request))
}

async fn ran(registry: &Registry, http: &Client, request: ToolRequest) -> ToolRun {
    let started = Instant::now();
    let ToolRequest { name, arguments, mut context, gone } = request;
    // However this ends, work that the tool left elsewhere is told, and nobody else.
    context.cancelled = context.cancelled.child_token();
    let _over = context.cancelled.clone().drop_guard();
    let work = async {
        let (entry, threads) = registry.get(&name).ok_or(Failure::Unknown)?;
        work(registry.owners(), entry, threads, http, arguments, context).await
    };
    let done = tokio::select! {
        biased;
        _ = gone => Err(Failure::Cancelled),
        done = work => done,
    };
    finished(&name, done, started.elapsed())
}

/// What a run amounts to.
pub fn finished(name: &str, done: Result<(Output, bool), Failure>, took: Duration) -> ToolRun {
    match done {
        Ok((output, cut)) => {
            let result = if cut { "cut" } else { "ok" };
            ToolRun { output, failed: false, took, result, fault: None }
        }
        Err(failure) => {
            let (text, result, fault) = (failure.text(name), failure.result(), failure.fault());
            ToolRun { output: Output::Text(text), failed: true, took, result, fault }
        }
    }
}

async fn work(
    owners: &Places,
    entry: Arc<Entry>,
    threads: &Runtime,
    http: &Client,
    arguments: String,
    context: ToolContext,
) -> Result<(Output, bool), Failure> {
    let checking = Arc::clone(&entry);
    let checked = AbortOnDropHandle::new(threads.spawn(async move { check(&checking, &arguments) }));
    let arguments = checked.await.map_err(|e| broken(&e))?.map_err(Failure::BadArguments)?;
    let limit = entry.spec.timeout;
    let late = |_| Failure::TimedOut(limit);
    let place = timeout(limit, places(owners, &entry, &context.owner)).await;
    let place = place.map_err(|_| Failure::NoPlace(limit))?;
    let gave = match &entry.tool {
        AnyTool::Http(tool) => {
            let answer = timeout(limit, tool.call(http, arguments, &context)).await.map_err(late)?;
            answer.map(Gave::Answer)
        }
        AnyTool::Rust(tool) => {
            let tool = Arc::clone(tool);
            let running = threads.spawn(async move {
                // A tool that cannot be stopped keeps its place until it ends.
                let _place = place;
                tool.execute(arguments, context).await
            });
            let running = AbortOnDropHandle::new(running);
            timeout(limit, running).await.map_err(late)?.map_err(|e| broken(&e))?.map(Gave::Output)
        }
    };
    let gave = gave.map_err(Failure::Failed)?;
    let reading = threads.spawn(async move {
        let output = match gave {
            Gave::Output(output) => output,
            Gave::Answer(answer) => answer.output(&entry.spec)?,
        };
        limited(output, entry.spec.max_output_bytes)
    });
    reading.await.map_err(|e| broken(&e))?.map_err(Failure::Failed)
}

/// Waits until the tool may run. An owner waits among its own calls first: a queue of one must not stand before others.
async fn places(owners: &Places, entry: &Entry, owner: &str) -> [Option<Place>; 2] {
    let of_owner = if entry.tool.runs_program() { owners.take(owner).await } else { None };
    let of_tool = match &entry.places {
        // It is never closed.
        Some(places) => Arc::clone(places).acquire_owned().await.ok(),
        None => None,
    };
    [of_owner, of_tool]
}

/// What a tool gave, before it is read.
enum Gave {
    Output(ToolOutput),
    Answer(Answer),
}

fn broken(error: &JoinError) -> Failure {
    // Otherwise the threads are shutting down.
    if error.is_panic() { Failure::Panicked } else { Failure::Cancelled }
}

/// The arguments as the schema wants them, or what is wrong.
fn check(entry: &Entry, arguments: &str) -> Result<Value, String> {
    // What some models send for no arguments.
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let value: Value =
        serde_json::from_str(arguments).map_err(|error| format!("they are not JSON: {error}"))?;
    let mut faults = Vec::new();
    for error in entry.schema.iter_errors(&value).take(MAX_FAULTS) {
        let place = error.instance_path().to_string();
        // A fault can quote a long value.
        let text = error.to_string();
        let text = head(&text, MAX_ERROR / MAX_FAULTS);
        faults.push(if place.is_empty() { text.to_owned() } else { format!("{text} (at {place})") });
    }
    if faults.is_empty() { Ok(value) } else { Err(faults.join("; ")) }
}
