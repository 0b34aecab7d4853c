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
                "open_responses_tool_runs_total",
                "Runs of the server's tools, by what came of them.",
                &["tool", "result"],
            )?,
            duration: register.seconds_by(
                "open_responses_tool_duration_seconds",
                "Runs of the server's tools.",
                &["tool"],
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

impl Metrics {
    /// Counts a run of one of the server's tools.
    pub fn tool_run(&self, tool: &str, result: &str, took: Duration) {
        self.0.tools.runs.with_label_values(&[tool, result]).inc();
        self.0.tools.duration.with_label_values(&[tool]).observe(took.as_secs_f64());
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
