//! One call of a tool.

use std::time::{Duration, Instant};

use or_protocol::ResponseId;
use tracing::{Level, Span, debug_span, event};

use super::lifecycle::LIFECYCLE;
use crate::metrics::{OTHER, ToolKind};
use crate::trace::{Kind, OpenSpan, TraceContext, names};
use crate::{Metrics, millis};

/// Who runs a tool.
#[derive(Clone, Debug)]
pub enum Runner {
    /// This server.
    Server {
        /// The tool.
        tool: String,
        /// What it is.
        kind: ToolKind,
    },
    /// An MCP server. Its tools' names are not ours, so they are no labels.
    Mcp {
        /// The tool, as the server calls it.
        tool: String,
        /// The server's label.
        label: String,
        /// Whether the configuration names the server.
        configured: bool,
    },
}

impl Runner {
    fn kind(&self) -> ToolKind {
        match self {
            Self::Server { kind, .. } => *kind,
            Self::Mcp { .. } => ToolKind::Mcp,
        }
    }

    fn tool(&self) -> &str {
        match self {
            Self::Server { tool, .. } | Self::Mcp { tool, .. } => tool,
        }
    }

    /// A call of an MCP server is one span: what runs the tool and what asks for it are the same.
    fn span_name(&self) -> String {
        match self {
            Self::Server { tool, .. } => format!("execute_tool {tool}"),
            Self::Mcp { tool, .. } => format!("tools/call {tool}"),
        }
    }

    fn span_kind(&self) -> Kind {
        match self {
            Self::Server { .. } => Kind::Internal,
            Self::Mcp { .. } => Kind::Client,
        }
    }

    fn span_type(&self) -> &'static str {
        match self {
            Self::Server { .. } => "function",
            Self::Mcp { .. } => "extension",
        }
    }

    /// The label in the metrics.
    fn label(&self) -> &str {
        match self {
            // A name that no tool has is the model's invention.
            Self::Server { kind: ToolKind::Unknown, .. } | Self::Mcp { configured: false, .. } => OTHER,
            Self::Server { tool, .. } => tool,
            Self::Mcp { label, .. } => label,
        }
    }
}

/// One run of a tool. Whoever drops it without an end was cancelled.
#[derive(Debug)]
pub struct ToolSpan {
    runner: Runner,
    response_id: ResponseId,
    call_id: String,
    metrics: Metrics,
    started: Instant,
    over: bool,
    span: Span,
    trace: Option<Box<OpenSpan>>,
}

impl ToolSpan {
    /// It begins. `parent`: the span that it belongs to.
    pub fn new(
        metrics: &Metrics,
        runner: Runner,
        response_id: ResponseId,
        call_id: String,
        parent: Option<&TraceContext>,
    ) -> Self {
        let trace = parent.zip(metrics.tracer()).map(|(parent, tracer)| {
            let mut trace = tracer.child(parent, || runner.span_name(), runner.span_kind());
            trace.set(names::OPERATION, "execute_tool");
            trace.set(names::TOOL_NAME, runner.tool());
            trace.set(names::TOOL_TYPE, runner.span_type());
            trace.set(names::TOOL_CALL_ID, call_id.as_str());
            if runner.kind() == ToolKind::Mcp {
                trace.set(names::MCP_METHOD, "tools/call");
            }
            Box::new(trace)
        });
        let (tool, kind) = (runner.tool(), runner.kind().as_str());
        let span = debug_span!(target: LIFECYCLE, "tool_dispatch", %response_id, call_id, tool, kind);
        event!(
            name: "tool_dispatch.start", target: LIFECYCLE, parent: &span, Level::DEBUG,
            response_id = response_id.as_str(), call_id, tool, kind
        );
        let (metrics, started) = (metrics.clone(), Instant::now());
        Self { runner, response_id, call_id, metrics, started, over: false, span, trace }
    }

    /// What the tool is told of the span.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace.as_ref().map(|trace| trace.context().clone())
    }

    /// How long it has lasted.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// It is over. `result`: a closed word; after a panic `panic`, and `unknown` for a tool that there is not.
    pub fn end(&mut self, result: &'static str, took: Duration) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let failure = match result {
            "ok" | "cut" => None,
            "error" => Some("tool_error"),
            other => Some(other),
        };
        if let Some((mut trace, failure)) = self.trace.take().zip(failure) {
            trace.fail(failure);
        }
        if let Some(gen_ai) = self.metrics.gen_ai() {
            let (runner, error) = (&self.runner, failure.unwrap_or_default());
            gen_ai.tool.observe(["execute_tool", runner.label(), runner.span_type(), error], took);
            if runner.kind() == ToolKind::Mcp {
                gen_ai.mcp.observe(["tools/call", error], took);
            }
        }
        if result == "panic" {
            self.metrics.panicked();
        }
        let Self { response_id, call_id, runner, span, .. } = &*self;
        let (kind, duration_ms) = (runner.kind(), millis(took));
        self.metrics.tool_run(runner.label(), kind, result, took);
        event!(
            name: "tool_dispatch.stop", target: LIFECYCLE, parent: span, Level::DEBUG,
            response_id = response_id.as_str(), call_id, tool = runner.tool(), kind = kind.as_str(), result, duration_ms
        );
        match runner {
            Runner::Server { tool, kind } => {
                let tool = if *kind == ToolKind::Unknown { "" } else { tool.as_str() };
                tracing::info!(%response_id, call_id, tool, result, duration_ms, "tool run");
            }
            Runner::Mcp { label, .. } => {
                tracing::info!(%response_id, call_id, label, result, duration_ms, "MCP tool run");
            }
        }
    }
}

impl Drop for ToolSpan {
    fn drop(&mut self) {
        let took = self.elapsed();
        self.end("cancelled", took);
    }
}
