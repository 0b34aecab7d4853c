//! The scripted MCP server with the tools that these tests call, and a client for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::ResponseId;
use or_test_support::mcp::{Does, FakeMcp};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::mcp::{CallMcpTool, ListMcpTools, McpPool};
use or_telemetry::{Levels, Metrics};
use or_tools::mcp::{AddressGuard, McpBounds, McpError, McpLimits, McpPlace, McpServer, McpTool};
use or_tools::{ToolContext, ToolRun};

pub(super) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "d", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}})
}

/// A server with sessions that lists `a`, `b` and, on a second page, `c`. What comes of a call, the tool's name
/// says; the others echo.
pub(super) fn mcp_server() -> FakeMcp {
    let server = FakeMcp::with(vec![vec![tool("a"), tool("b")], vec![tool("c")]]);
    let mut rules = server.rules();
    rules.session = Some(1);
    rules.does = [
        ("fail", Does::Fails("it went wrong".into())),
        ("huge", Does::Says("x".repeat(2000))),
        ("never", Does::Hangs),
        ("break", Does::Closes),
        ("endless_event", Does::Floods("text/event-stream")),
        ("endless_json", Does::Floods("application/json")),
        ("denied", Does::Status(401)),
        ("error", Does::Status(500)),
        ("refused", Does::Refuses(-32602, "Unknown tool; you sent Bearer hush-hush".into())),
        ("no_json", Does::Sends("text/html", "<p>")),
        ("no_message", Does::Sends("application/json", "[]x")),
        ("no_result", Does::Shows(json!(5))),
        ("progress", Does::Reports("half way", "done")),
    ]
    .map(|(name, does)| (name.to_owned(), does))
    .into();
    drop(rules);
    server
}

/// Waits for what must come.
pub(super) async fn until(mut good: impl FnMut() -> bool) {
    let started = Instant::now();
    while !good() {
        assert!(started.elapsed() < Duration::from_secs(30), "it does not come");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client of one server.
pub(super) struct User {
    pub(super) pool: Arc<McpPool>,
    pub(super) server: Arc<McpServer>,
    metrics: Metrics,
    pub(super) owner: &'static str,
}

impl User {
    /// One that a configuration trusts.
    pub(super) fn of(fake: &FakeMcp) -> Self {
        Self::with(fake, |_| {})
    }

    pub(super) fn with(fake: &FakeMcp, change: impl FnOnce(&mut McpServer)) -> Self {
        Self::at(McpPlace::Url(fake.url()), &[], change)
    }

    pub(super) fn at(place: McpPlace, allowed: &[String], change: impl FnOnce(&mut McpServer)) -> Self {
        let mut server = McpServer {
            label: "fake".into(),
            place,
            headers: vec![("Authorization".into(), "Bearer hush-hush".into())],
            trusted: true,
            shared: false,
            limits: McpLimits::default(),
        };
        change(&mut server);
        let metrics = Metrics::new().unwrap();
        let pool = McpPool::new(AddressGuard::new(allowed), metrics.clone(), McpBounds::default());
        Self { pool: Arc::new(pool), server: Arc::new(server), metrics, owner: "default" }
    }

    /// Another server in the same pool.
    pub(super) fn beside(&self, change: impl FnOnce(&mut McpServer)) -> Self {
        let mut server = (*self.server).clone();
        change(&mut server);
        let (pool, metrics) = (Arc::clone(&self.pool), self.metrics.clone());
        Self { server: Arc::new(server), pool, metrics, owner: self.owner }
    }

    pub(super) async fn list(&self) -> Result<Arc<Vec<McpTool>>, McpError> {
        let (_here, gone) = oneshot::channel();
        self.pool.actor(&self.server, self.owner)?.send(ListMcpTools { gone }).await.unwrap()
    }

    /// Names of the tools.
    pub(super) async fn names(&self) -> Vec<String> {
        self.list().await.unwrap().iter().map(|tool| tool.name.clone()).collect()
    }

    pub(super) async fn call(&self, tool: &str, arguments: &str) -> ToolRun {
        let (_here, gone) = oneshot::channel();
        self.start(tool, arguments, gone).await.0
    }

    /// The result, and what was reported on the way.
    pub(super) async fn start(
        &self,
        tool: &str,
        arguments: &str,
        gone: oneshot::Receiver<()>,
    ) -> (ToolRun, Vec<String>) {
        let (progress, mut reports) = mpsc::channel(16);
        let id = ResponseId::new();
        let context = ToolContext::new(id, "call_1", 1, self.owner, Arc::default()).with_progress(progress);
        let message = CallMcpTool { tool: tool.into(), arguments: arguments.into(), context, gone };
        let run = self.pool.actor(&self.server, self.owner).unwrap().send(message).await.unwrap();
        let mut said = Vec::new();
        while let Ok(report) = reports.try_recv() {
            said.push(report);
        }
        (run, said)
    }

    /// The whole text of the metrics.
    pub(super) fn metrics(&self) -> String {
        self.metrics.render(&Levels::default())
    }

    /// The same server, in a pool with other bounds.
    pub(super) fn bounded(self, idle: Duration, servers: usize) -> Self {
        let bounds = McpBounds { idle, servers, ..McpBounds::default() };
        let pool = McpPool::new(AddressGuard::default(), self.metrics.clone(), bounds);
        Self { pool: Arc::new(pool), ..self }
    }
}
