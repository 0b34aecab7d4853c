//! Tools that the server runs, and MCP servers.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounterVec, IntGauge};

use super::Metrics;
use super::counted::Counted;
use super::register::Register;

#[derive(Debug)]
pub(super) struct Tools {
    runs: IntCounterVec,
    duration: HistogramVec,
    mcp_sessions: IntGauge,
    mcp_connect_errors: IntCounterVec,
}

impl Tools {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            runs: register.counters(
                "open_responses_tool_dispatches_total",
                "Calls of tools that the server runs, by who runs them and what came of them.",
                &["tool", "kind", "outcome"],
            )?,
            duration: register.seconds_by(
                "open_responses_tool_duration_seconds",
                "Calls of tools that the server runs.",
                &["tool", "kind"],
            )?,
            mcp_sessions: register.gauge("open_responses_mcp_sessions", "Open sessions with MCP servers.")?,
            mcp_connect_errors: register.counters(
                "open_responses_mcp_connect_errors_total",
                "Sessions with MCP servers that could not be opened.",
                &["reason"],
            )?,
        })
    }
}

/// What runs a tool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolKind {
    /// Code in this process.
    Rust,
    /// An HTTP endpoint.
    Http,
    /// A program.
    Command,
    /// An MCP server.
    Mcp,
    /// Nobody: the model called one that there is not.
    Unknown,
}

impl ToolKind {
    /// The word in metrics and spans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Http => "http",
            Self::Command => "command",
            Self::Mcp => "mcp",
            Self::Unknown => "unknown",
        }
    }
}

impl Metrics {
    /// Counts a call of a tool. `tool`: its name, or the label of its server, if the configuration has it.
    pub(crate) fn tool_run(&self, tool: &str, kind: ToolKind, outcome: &str, took: Duration) {
        let kind = kind.as_str();
        self.0.tools.runs.with_label_values(&[tool, kind, outcome]).inc();
        self.0.tools.duration.with_label_values(&[tool, kind]).observe(took.as_secs_f64());
    }

    /// Counts an open session with an MCP server.
    pub fn mcp_session(&self) -> Counted {
        Counted::new(&self.0.tools.mcp_sessions)
    }

    /// Counts a session that could not be opened.
    pub fn mcp_connect_error(&self, reason: &str) {
        self.0.tools.mcp_connect_errors.with_label_values(&[reason]).inc();
    }
}
