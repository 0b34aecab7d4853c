//! What is known of one MCP server: its session, its tools, and when to try again.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::called::Called;
use super::fault::Fault;
use super::list::list;
use super::output::UNKNOWN;
use super::session::Session;
use super::shared::Shared;
use super::{McpError, McpServer, McpTool};
use crate::{Failure, ToolContext, ToolError};
use or_telemetry::millis;

/// One server with one credential, for one owner or for all.
pub struct Link {
    server: Arc<McpServer>,
    shared: Arc<Shared>,
    places: Option<Arc<Semaphore>>,
    connection: tokio::sync::Mutex<Connection>,
    listing: tokio::sync::Mutex<Listing>,
    usage: Arc<Usage>,
}

#[derive(Default)]
struct Connection {
    session: Option<Arc<Session>>,
    backoff: Backoff,
}

#[derive(Default)]
struct Listing {
    known: Option<Known>,
    backoff: Backoff,
}

/// The tools of a session, as of a time.
struct Known {
    tools: Arc<Vec<McpTool>>,
    session: Weak<Session>,
    changes: u64,
    at: Instant,
}

impl Known {
    fn fits(&self, session: &Arc<Session>, max_age: Duration) -> bool {
        self.session.ptr_eq(&Arc::downgrade(session))
            && self.changes == session.changes()
            && self.at.elapsed() < max_age
    }
}

/// A future behind a pointer, so that what it takes to speak MCP is compiled in this crate: the code of a bare future is
/// made where it is awaited, once more in each crate.
pub type Compiled<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Link {
    /// Not connected yet.
    pub fn new(server: Arc<McpServer>, shared: Arc<Shared>) -> Self {
        Self {
            places: shared.places(&server),
            server,
            shared,
            connection: Default::default(),
            listing: Default::default(),
            usage: Arc::default(),
        }
    }

    /// Which server.
    pub fn server(&self) -> &McpServer {
        &self.server
    }

    /// Marks the server as in use until it is dropped.
    pub fn in_use(&self) -> InUse {
        self.usage.running.fetch_add(1, Ordering::Relaxed);
        InUse(Arc::clone(&self.usage))
    }

    /// How long nobody used it; `None` while somebody does.
    pub fn idle(&self) -> Option<Duration> {
        self.usage.idle()
    }

    /// The open session, or a new one. Whoever comes while it is being opened waits for that.
    async fn session(self: &Arc<Self>) -> Result<Arc<Session>, McpError> {
        let mut connection = self.connection.lock().await;
        match &connection.session {
            Some(session) if !session.is_over() => return Ok(Arc::clone(session)),
            Some(_) => {
                connection.session = None;
                tracing::info!(label = self.server.label, reason = "ended", "MCP session closed");
            }
            None => {}
        }
        if let Some(error) = connection.backoff.holds(Instant::now()) {
            return Err(error);
        }
        let started = Instant::now();
        let opened = Session::open(&self.server, &self.shared).await;
        let duration_ms = millis(started.elapsed());
        let label = self.server.label.as_str();
        match opened {
            Ok(session) => {
                let session = Arc::new(session);
                connection.backoff.clear();
                connection.session = Some(Arc::clone(&session));
                tokio::spawn(watch(Arc::downgrade(self), Arc::downgrade(&session)));
                tracing::info!(label, duration_ms, "MCP session opened");
                Ok(session)
            }
            Err(error) => {
                connection.backoff.failed(error.clone(), Instant::now());
                let (reason, why) = (error.reason(), error.own_words());
                self.shared.metrics.mcp_connect_error(reason);
                tracing::warn!(label, reason, error = why, duration_ms, "no MCP session");
                Err(error)
            }
        }
    }

    /// Gives a session up. Its end takes its time elsewhere.
    async fn give_up(&self, session: &Arc<Session>, why: &'static str) {
        let mut connection = self.connection.lock().await;
        if connection.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            connection.session = None;
            tracing::info!(label = self.server.label, reason = why, "MCP session closed");
        }
    }

    /// The server's tools. Whoever comes while they are being asked for waits for that.
    pub fn tools(self: Arc<Self>) -> Compiled<'static, Result<Arc<Vec<McpTool>>, McpError>> {
        Box::pin(self.listed())
    }

    async fn listed(self: Arc<Self>) -> Result<Arc<Vec<McpTool>>, McpError> {
        let mut listing = self.listing.lock().await;
        let mut session = self.session().await?;
        if let Some(known) = &listing.known
            && known.fits(&session, self.shared.bounds.list_age)
        {
            return Ok(Arc::clone(&known.tools));
        }
        if let Some(error) = listing.backoff.holds(Instant::now()) {
            return Err(error);
        }
        let started = Instant::now();
        let mut changes = session.changes();
        let mut listed = self.list(&session).await;
        if let Err(fault) = &listed
            && fault.lost
        {
            // To ask for a list twice does no harm.
            self.give_up(&session, fault.error.reason()).await;
            session = self.session().await?;
            changes = session.changes();
            listed = self.list(&session).await;
        }
        let (label, duration_ms) = (self.server.label.as_str(), millis(started.elapsed()));
        match listed {
            Ok(tools) => {
                let tools = Arc::new(tools);
                listing.backoff.clear();
                let (at, session) = (Instant::now(), Arc::downgrade(&session));
                listing.known = Some(Known { tools: Arc::clone(&tools), session, changes, at });
                tracing::info!(label, tools = tools.len(), duration_ms, "MCP tools listed");
                Ok(tools)
            }
            Err(Fault { error, .. }) => {
                listing.backoff.failed(error.clone(), Instant::now());
                let (reason, why) = (error.reason(), error.own_words());
                tracing::warn!(label, reason, error = why, duration_ms, "no list of MCP tools");
                Err(error)
            }
        }
    }

    async fn list(&self, session: &Session) -> Result<Vec<McpTool>, Fault> {
        let limit = self.server.limits.list_timeout;
        let late = Fault { error: McpError::TimedOut(limit), sent: true, lost: false };
        timeout(limit, list(session, &self.server)).await.unwrap_or(Err(late))
    }

    /// One call. It is sent again only if it surely was not read.
    pub fn call<'a>(
        self: &'a Arc<Self>,
        tool: &'a str,
        arguments: &'a str,
        context: &'a ToolContext,
    ) -> Compiled<'a, Result<Called, Failure>> {
        Box::pin(self.called(tool, arguments, context))
    }

    async fn called(
        self: &Arc<Self>,
        tool: &str,
        arguments: &str,
        context: &ToolContext,
    ) -> Result<Called, Failure> {
        let arguments = object(arguments).map_err(Failure::BadArguments)?;
        let _place = match &self.places {
            // It is never closed.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let limit = self.server.limits.call_timeout;
        let calling = self.send(tool, arguments, context);
        timeout(limit, calling).await.unwrap_or(Err(Failure::TimedOut(limit)))
    }

    async fn send(
        self: &Arc<Self>,
        tool: &str,
        arguments: JsonObject,
        context: &ToolContext,
    ) -> Result<Called, Failure> {
        let failed = |error: McpError| failure(&error, error.to_string());
        let session = self.session().await.map_err(failed)?;
        let fault = match session.call(tool.to_owned(), arguments.clone(), context, &self.server).await {
            Ok(result) => return Ok(result),
            Err(fault) => fault,
        };
        if fault.lost {
            self.give_up(&session, fault.error.reason()).await;
        }
        if fault.sent || !fault.lost {
            return Err(failure(&fault.error, text(&fault)));
        }
        let session = self.session().await.map_err(failed)?;
        let again = session.call(tool.to_owned(), arguments, context, &self.server).await;
        again.map_err(|fault| failure(&fault.error, text(&fault)))
    }
}

fn failure(error: &McpError, text: String) -> Failure {
    match error.fault() {
        Some(fault) => Failure::Refused(ToolError::new(text), fault),
        None => Failure::Failed(ToolError::new(text)),
    }
}

fn text(fault: &Fault) -> String {
    let error = &fault.error;
    if fault.outcome_unknown() { format!("{error}.{UNKNOWN}") } else { error.to_string() }
}

/// The arguments as MCP wants them.
fn object(arguments: &str) -> Result<JsonObject, String> {
    // What some models send for no arguments.
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("they are not a JSON object".into()),
        Err(error) => Err(format!("they are not JSON: {error}")),
    }
}

/// Gives a session up when nobody has used the server for a while, or when it has ended.
async fn watch(link: Weak<Link>, session: Weak<Session>) {
    loop {
        let Some(idle) = link.upgrade().map(|link| link.shared.bounds.idle) else { return };
        sleep(idle / 10).await;
        let (Some(link), Some(session)) = (link.upgrade(), session.upgrade()) else { return };
        if session.is_over() {
            return link.give_up(&session, "ended").await;
        }
        if link.idle().is_some_and(|since| since >= idle) {
            link.give_up(&session, "idle").await;
            link.listing.lock().await.known = None;
            return;
        }
    }
}

/// Who uses a server, and when it was used last.
struct Usage {
    running: AtomicUsize,
    last: Mutex<Instant>,
}

impl Default for Usage {
    fn default() -> Self {
        Self { running: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl Usage {
    fn idle(&self) -> Option<Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.running.load(Ordering::Relaxed) == 0).then(|| last.elapsed())
    }
}

/// Keeps a server from being forgotten.
pub struct InUse(Arc<Usage>);

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
