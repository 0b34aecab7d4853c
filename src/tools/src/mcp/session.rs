//! One open session with an MCP server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, CustomResult, Implementation,
    JsonObject, ListToolsRequest, PaginatedRequestParams, ProgressNotificationParam, ProgressToken,
    ProtocolVersion, Request, RequestMetaObject, RequestOptionalParam, ServerResult,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, PeerRequestOptions, RequestHandle,
    RunningService,
};
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, Transport};
use rmcp::{ClientHandler, RoleClient};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::called::Called;
use super::fault::{Fault, of_start};
use super::http::Http;
use super::page::Page;
use super::shared::Shared;
use super::stdio::Program;
use super::{McpError, McpPlace, McpServer};
use crate::ToolContext;
use crate::answer::head;
use or_telemetry::Counted;
use or_telemetry::trace::TraceContext;

/// Longest report of progress, in bytes.
const MAX_PROGRESS: usize = 1024;
/// How often a lost event stream of the server is asked for again; without it, its list of tools is only asked for
/// at intervals.
const MAX_STREAM_RETRIES: usize = 8;
const MAX_STREAM_PAUSE: Duration = Duration::from_secs(60);
const NO_LIST: &str = "its list of tools has no known form";
const NO_RESULT: &str = "the result has no known form";
/// To tell a server that a call is cancelled.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends when dropped; what takes time then runs beside everything else.
pub(super) struct Session {
    service: RunningService<RoleClient, Listener>,
    /// Of a program: it has ended or closed its output.
    over: Arc<AtomicBool>,
    /// It sent a message over the limit.
    too_large: Arc<AtomicBool>,
    _counted: Counted,
}

impl Session {
    pub(super) async fn open(server: &McpServer, shared: &Shared) -> Result<Self, McpError> {
        let limit = server.limits.connect_timeout;
        let open = async {
            match Self::open_by(server, shared, ClientLifecycleMode::Initialize).await {
                // A server that knows nothing but the newest protocol, which has no `initialize`.
                Err(error) if refuses_initialize(&error) => {
                    let preferred_versions = vec![ProtocolVersion::NO_INITIALIZE];
                    let modern = ClientLifecycleMode::Discover { preferred_versions };
                    Self::open_by(server, shared, modern).await.map_err(|_| error)
                }
                opened => opened,
            }
        };
        timeout(limit, Box::pin(open)).await.unwrap_or(Err(McpError::TimedOut(limit)))
    }

    async fn open_by(
        server: &McpServer,
        shared: &Shared,
        lifecycle: ClientLifecycleMode,
    ) -> Result<Self, McpError> {
        match &server.place {
            McpPlace::Url(_) => {
                let http = Http::new(server, Arc::clone(&shared.guard)).await?;
                let too_large = http.too_large();
                let transport = StreamableHttpClientTransport::with_client(http, http_config(server));
                Self::start(server, shared, transport, lifecycle, (Arc::default(), too_large)).await
            }
            McpPlace::Command(_) if !server.trusted => {
                Err(McpError::Refused("a request cannot name a program".into()))
            }
            McpPlace::Command(command) => {
                let program = Program::start(&server.label, command, server.limits.max_message_bytes)?;
                shared.remember(&program.group());
                let flags = (program.over(), program.too_large());
                Self::start(server, shared, program, lifecycle, flags).await
            }
        }
    }

    async fn start<T: Transport<RoleClient> + 'static>(
        server: &McpServer,
        shared: &Shared,
        transport: T,
        lifecycle: ClientLifecycleMode,
        (over, too_large): (Arc<AtomicBool>, Arc<AtomicBool>),
    ) -> Result<Self, McpError> {
        let service = Listener::default().serve_with_lifecycle(transport, lifecycle).await;
        let service = service.map_err(|error| match too_large.load(Ordering::Relaxed) {
            true => McpError::TooLarge(server.limits.max_message_bytes),
            false => of_start(error, server),
        })?;
        Ok(Self { service, over, too_large, _counted: shared.metrics.mcp_session() })
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.service.peer().is_transport_closed()
    }

    /// How often the server said that its tools are others now.
    pub(super) fn changes(&self) -> u64 {
        self.service.service().changes.load(Ordering::Relaxed)
    }

    /// One page of the server's tools. Not by rmcp's own function: that has a cache of its own.
    pub(super) async fn page(&self, cursor: Option<String>, server: &McpServer) -> Result<Page, Fault> {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let request: ListToolsRequest = RequestOptionalParam::with_param(params);
        match self.ask(ClientRequest::ListToolsRequest(request), None, server).await? {
            ServerResult::ListToolsResult(page) => Ok(Page::of(page)),
            // It is large.
            ServerResult::CustomResult(CustomResult(Value::String(text))) => {
                let limit = server.limits.max_definition_bytes;
                elsewhere(move || Page::of_text(&text, limit))
                    .await
                    .unwrap_or_else(|| Err(Fault::odd(NO_LIST)))
            }
            // It does not read as a whole: one of its tools is not what it should be.
            ServerResult::CustomResult(CustomResult(page)) => Page::read(page),
            _ => Err(Fault::odd(NO_LIST)),
        }
    }

    /// One call, sent once. Dropping the future cancels it, and the server is told.
    pub(super) async fn call(
        &self,
        tool: String,
        arguments: JsonObject,
        context: &ToolContext,
        server: &McpServer,
    ) -> Result<Called, Fault> {
        let params = CallToolRequestParams::new(tool).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(Request::new(params));
        match self.ask(request, Some(context), server).await? {
            ServerResult::CallToolResult(result) => Ok(result.into()),
            // It is large.
            ServerResult::CustomResult(CustomResult(Value::String(text))) => {
                elsewhere(move || Called::read(&text)).await.flatten().ok_or_else(|| Fault::odd(NO_RESULT))
            }
            _ => Err(Fault::odd(NO_RESULT)),
        }
    }

    async fn ask(
        &self,
        request: ClientRequest,
        context: Option<&ToolContext>,
        server: &McpServer,
    ) -> Result<ServerResult, Fault> {
        let mut options = PeerRequestOptions::no_options();
        options.meta = context.and_then(|context| context.trace.as_ref()).map(meta);
        let sending = self.service.peer().send_cancellable_request(request, options).await;
        let handle = sending.map_err(|_| Fault::unsent(McpError::Broken))?;
        let listener = self.service.service();
        if let Some(context) = context {
            listener.progress().insert(handle.progress_token.clone(), context.clone());
        }
        let mut flight = Flight { listener, token: handle.progress_token.clone(), handle: Some(handle) };
        let Some(handle) = &mut flight.handle else { return Err(Fault::lost()) };
        let answer = (&mut handle.rx).await;
        flight.handle = None;
        let answer = match answer {
            Ok(answer) => answer.map_err(|error| Fault::of(error, server)),
            Err(_) => Err(Fault::lost()),
        };
        answer.map_err(|fault| match fault.error {
            McpError::Broken if self.too_large.load(Ordering::Relaxed) => {
                Fault { error: McpError::TooLarge(server.limits.max_message_bytes), ..fault }
            }
            _ => fault,
        })
    }
}

/// Reads off the thread that all sessions share; `None` after a panic.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    spawn_blocking(work).await.ok()
}

/// Whether a server's answer to `initialize` may mean that it does not know the word.
fn refuses_initialize(error: &McpError) -> bool {
    match error {
        McpError::Protocol(_) | McpError::Said { .. } => true,
        McpError::Http { status } => (400..500).contains(status),
        McpError::Unauthorized { .. }
        | McpError::Refused(_)
        | McpError::Unreachable(_)
        | McpError::TimedOut(_)
        | McpError::TooLarge(_)
        | McpError::Broken
        | McpError::TooMany
        | McpError::Gone
        | McpError::Internal => false,
    }
}

fn http_config(server: &McpServer) -> StreamableHttpClientTransportConfig {
    // The place is the client's own affair.
    let mut config = StreamableHttpClientTransportConfig::with_uri("");
    // A session that is lost is ours to make anew: only we know whether a call may be sent again.
    config.reinit_on_expired_session = false;
    config.max_concurrent_requests = 1024;
    // The events that rmcp sees are bounded, and some have a text in a text.
    config.max_sse_event_size = server.limits.max_message_bytes.saturating_mul(8);
    let mut retry = ExponentialBackoff::default();
    retry.max_times = Some(MAX_STREAM_RETRIES);
    retry.max_delay = Some(MAX_STREAM_PAUSE);
    config.retry_config = Arc::new(retry);
    config
}

/// A request on its way. Cancels it when dropped before the answer.
struct Flight<'a> {
    listener: &'a Listener,
    token: ProgressToken,
    handle: Option<RequestHandle<RoleClient>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.listener.progress().remove(&self.token);
        if let (Some(handle), Ok(runtime)) = (self.handle.take(), Handle::try_current()) {
            runtime.spawn(async move {
                // A server that does not take it will find out by itself.
                let _ = timeout(CANCEL_TIMEOUT, handle.cancel(Some("no longer needed".into()))).await;
            });
        }
    }
}

/// What a server says by itself. Its requests (sampling, elicitation) are declined, a ping is answered.
#[derive(Default)]
struct Listener {
    progress: Mutex<HashMap<ProgressToken, ToolContext>>,
    changes: AtomicU64,
}

impl Listener {
    fn progress(&self) -> MutexGuard<'_, HashMap<ProgressToken, ToolContext>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientHandler for Listener {
    async fn on_progress(&self, said: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        if let Some(context) = self.progress().get(&said.progress_token) {
            context.progress(words(&said));
        }
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("open-responses", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig::new(ClientCapabilities::default(), us);
        // In `initialize`; later versions have none.
        config.with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

/// A report of progress, for a person.
fn words(said: &ProgressNotificationParam) -> String {
    match (&said.message, said.total) {
        (Some(message), _) => head(message, MAX_PROGRESS).to_owned(),
        (None, Some(total)) => format!("{} of {total}", said.progress),
        (None, None) => said.progress.to_string(),
    }
}

/// What a server is told of the span of a call: the names of W3C Trace Context, without a prefix (SEP-414).
fn meta(trace: &TraceContext) -> RequestMetaObject {
    let mut meta = RequestMetaObject::new();
    for (name, value) in trace.headers() {
        meta.insert(name.to_owned(), Value::String(value));
    }
    meta
}
