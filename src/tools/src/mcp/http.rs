//! Streamable HTTP, below rmcp's transport: where a connection goes, redirects, limits, and errors without secrets.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, LOCATION};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::{Client, Response};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::common::http_header::{
    EVENT_STREAM_MIME_TYPE, HEADER_LAST_EVENT_ID, HEADER_SESSION_ID, JSON_MIME_TYPE,
};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use url::{Origin, Url};

use super::client::{builder, headers, pinned};
use super::wire::{events, read};
use super::{AddressGuard, McpError, McpPlace, McpServer, guard};

/// An answer that is no success.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// What a request may be answered with.
const ACCEPTED: &str = "application/json, text/event-stream";
const MAX_REDIRECTS: usize = 3;

type Exchange<T> = Result<T, StreamableHttpError<ExchangeError>>;

/// Why an exchange failed. rmcp writes it into its log, so it holds no URL and no header.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct ExchangeError {
    pub(super) error: McpError,
    /// Whether the server may have acted on the request.
    pub(super) sent: bool,
    /// Whether the server seems to know nothing of the session any more.
    pub(super) forgot: bool,
}

impl ExchangeError {
    fn new(error: McpError, sent: bool) -> Self {
        Self { error, sent, forgot: false }
    }
}

impl From<ExchangeError> for StreamableHttpError<ExchangeError> {
    fn from(error: ExchangeError) -> Self {
        Self::Client(error)
    }
}

/// The HTTP client of one session.
#[derive(Clone)]
pub(super) struct Http(Arc<Inner>);

struct Inner {
    guard: Arc<AddressGuard>,
    home: Url,
    /// Knows the server's headers, and the addresses that were checked.
    client: Client,
    /// Clients without headers for where redirects led, by origin.
    elsewhere: Mutex<HashMap<String, Client>>,
    connect_timeout: Duration,
    /// The origin that opened the session: its id, and the ids of its events, go nowhere else.
    session_from: Mutex<Option<Origin>>,
    /// A request of this session had an answer.
    answered: AtomicBool,
    /// Bytes of one message of the server.
    max_message: usize,
    /// An event of the server was over the limit.
    too_large: Arc<AtomicBool>,
}

impl Http {
    /// Checks the server's address; connects at the first exchange.
    pub(super) async fn new(server: &McpServer, guard: Arc<AddressGuard>) -> Result<Self, McpError> {
        let McpPlace::Url(url) = &server.place else { return Err(McpError::Internal) };
        let home = Url::parse(url).map_err(|_| McpError::Refused("it is no URL".into()))?;
        guard::target(&home)?;
        let connect_timeout = server.limits.connect_timeout;
        let client = if server.trusted {
            builder(connect_timeout)?
        } else {
            pinned(&guard, &home, connect_timeout).await?
        };
        let client = client.default_headers(headers(server)?).build().map_err(|_| McpError::Internal)?;
        let (elsewhere, session_from, answered, too_large) = Default::default();
        let max_message = server.limits.max_message_bytes;
        let inner = Inner {
            guard,
            home,
            client,
            elsewhere,
            connect_timeout,
            session_from,
            answered,
            max_message,
            too_large,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Is set when a stream of events ended because one was too large.
    pub(super) fn too_large(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.too_large)
    }

    /// One exchange, to the head of the answer. A redirect that keeps method and body is followed.
    async fn exchange(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, ExchangeError> {
        let (mut url, mut client) = (self.0.home.clone(), self.0.client.clone());
        for _ in 0..=MAX_REDIRECTS {
            let headers = self.headers_for(&url, &headers);
            let mut request = client.request(method.clone(), url.clone()).headers(headers);
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let answer = request.send().await.map_err(|error| unsent(&error))?;
            if !matches!(answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
                if answer.headers().contains_key(HEADER_SESSION_ID) {
                    *self.session_from() = Some(url.origin());
                }
                return Ok(answer);
            }
            // A server that redirects has not acted.
            let not_sent = |error| ExchangeError::new(error, false);
            let next = next_place(&url, &answer).map_err(not_sent)?;
            if next.origin() != url.origin() {
                client = self.elsewhere(&url, &next).await.map_err(not_sent)?;
            }
            url = next;
        }
        let error = McpError::Protocol(format!("it redirects more than {MAX_REDIRECTS} times"));
        Err(ExchangeError::new(error, false))
    }

    /// Without what ties a request to a session, unless it goes to whoever opened that.
    fn headers_for(&self, url: &Url, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        if self.session_from().as_ref() != Some(&url.origin()) {
            headers.remove(HEADER_SESSION_ID);
            headers.remove(HEADER_LAST_EVENT_ID);
        }
        headers
    }

    fn session_from(&self) -> MutexGuard<'_, Option<Origin>> {
        self.0.session_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client for another origin, which must be one that any request could name, and gets none of the server's
    /// headers.
    async fn elsewhere(&self, from: &Url, to: &Url) -> Result<Client, McpError> {
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(McpError::Refused("it redirects from https to http".into()));
        }
        let origin = to.origin().ascii_serialization();
        let known = |inner: &Inner| {
            let clients = inner.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
            clients.get(&origin).cloned()
        };
        if let Some(client) = known(&self.0) {
            return Ok(client);
        }
        let client = pinned(&self.0.guard, to, self.0.connect_timeout).await?;
        let client = client.build().map_err(|_| McpError::Internal)?;
        let mut clients = self.0.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_REDIRECTS {
            clients.clear();
        }
        clients.insert(origin, client.clone());
        Ok(client)
    }
}

fn next_place(from: &Url, answer: &Response) -> Result<Url, McpError> {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    let next = next.ok_or_else(|| McpError::Protocol("it redirects to nowhere".into()))?;
    guard::target(&next)?;
    Ok(next)
}

/// Without what the error says: it holds the URL.
fn unsent(error: &reqwest::Error) -> ExchangeError {
    if error.is_connect() {
        let why = if error.is_timeout() { "it took too long to connect" } else { "no connection" };
        return ExchangeError::new(McpError::Unreachable(why.into()), false);
    }
    ExchangeError::new(McpError::Broken, true)
}

/// A status that is no success.
fn refused(status: StatusCode) -> ExchangeError {
    let error = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            McpError::Unauthorized { status: status.as_u16() }
        }
        _ => McpError::Http { status: status.as_u16() },
    };
    ExchangeError::new(error, status.is_server_error())
}

/// The whole of a body that is not too large.
async fn whole(mut answer: Response, limit: usize) -> Result<Vec<u8>, ExchangeError> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await.map_err(|_| ExchangeError::new(McpError::Broken, true))? {
        if body.len() + bytes.len() > limit {
            return Err(ExchangeError::new(McpError::TooLarge(limit), true));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

fn has_type(answer: &Response, media_type: &str) -> bool {
    let value = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.to_ascii_lowercase().starts_with(media_type))
}

fn protocol_headers(
    accept: &'static str,
    session_id: Option<&str>,
    custom: HashMap<HeaderName, HeaderValue>,
) -> HeaderMap {
    let mut headers: HeaderMap = custom.into_iter().collect();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    // It came in a header, so it can go in one.
    if let Some(id) = session_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(HEADER_SESSION_ID, id);
    }
    headers
}

/// A server's "no such session" that is not the 404 of the specification but a 400, as the reference SDK and its
/// examples answer.
fn names_the_session(status: StatusCode, message: &ServerJsonRpcMessage) -> bool {
    let ServerJsonRpcMessage::Error(error) = message else { return false };
    let said = error.error.message.to_ascii_lowercase();
    status == StatusCode::BAD_REQUEST && ["session", "not initialized"].iter().any(|word| said.contains(word))
}

/// Whether a status may mean that the server forgot the session. What was refused so has not been run, so it may be
/// sent again.
fn may_have_forgotten(status: StatusCode) -> bool {
    let other = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !other.contains(&status)
}

/// What a POST that was no success amounts to. `answered`: others of its session had answers.
async fn failed(
    answer: Response,
    message: &ClientJsonRpcMessage,
    in_session: bool,
    answered: bool,
) -> Exchange<StreamableHttpPostResponse> {
    let status = answer.status();
    let forgot = in_session && answered && may_have_forgotten(status);
    let error = ExchangeError { forgot, ..refused(status) };
    if in_session && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Err(StreamableHttpError::SessionExpired);
    }
    if matches!(error.error, McpError::Unauthorized { .. }) || !has_type(&answer, JSON_MIME_TYPE) {
        return Err(error.into());
    }
    let Ok(body) = whole(answer, MAX_ERROR_BODY).await else { return Err(error.into()) };
    match (read(body).await, message) {
        (Some(said), _) if in_session && names_the_session(status, &said) => {
            Err(StreamableHttpError::SessionExpired)
        }
        // Of a request that was read the server knows the id.
        (Some(ServerJsonRpcMessage::Error(said)), ClientJsonRpcMessage::Request(request))
            if !forgot || said.id.is_some() =>
        {
            // Servers that refuse a request unread do not know its id.
            let said = ServerJsonRpcMessage::error(said.error, Some(request.id.clone()));
            Ok(StreamableHttpPostResponse::Json(said, None))
        }
        _ => Err(error.into()),
    }
}

impl StreamableHttpClient for Http {
    type Error = ExchangeError;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Exchange<StreamableHttpPostResponse> {
        let mut headers = protocol_headers(ACCEPTED, session_id.as_deref(), custom_headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON_MIME_TYPE));
        let body = serde_json::to_vec(&message)?;
        let answer = self.exchange(Method::POST, headers, Some(body.into())).await?;
        let is_request = matches!(message, ClientJsonRpcMessage::Request(_));
        let status = answer.status();
        if !status.is_success() {
            let answered = self.0.answered.load(Ordering::Relaxed);
            return failed(answer, &message, session_id.is_some(), answered).await;
        }
        if is_request && session_id.is_some() {
            self.0.answered.store(true, Ordering::Relaxed);
        }
        if !is_request || matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            // What some servers write in answer to a notification means nothing.
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = answer.headers().get(HEADER_SESSION_ID).and_then(|id| id.to_str().ok());
        let session = session.map(str::to_owned);
        if has_type(&answer, EVENT_STREAM_MIME_TYPE) {
            return Ok(StreamableHttpPostResponse::Sse(
                events(answer.bytes_stream(), self.0.max_message, self.too_large()),
                session,
            ));
        }
        let odd = |why: &str| ExchangeError::new(McpError::Protocol(why.into()), true);
        if !has_type(&answer, JSON_MIME_TYPE) {
            return Err(odd("it is neither JSON nor an event stream").into());
        }
        let body = whole(answer, self.0.max_message).await?;
        match read(body).await {
            Some(message) => Ok(StreamableHttpPostResponse::Json(message, session)),
            None => Err(odd("it is no JSON-RPC message").into()),
        }
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Exchange<BoxStream<'static, Result<Sse, SseError>>> {
        let mut headers = protocol_headers(EVENT_STREAM_MIME_TYPE, session_id.as_deref(), custom_headers);
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            headers.insert(HEADER_LAST_EVENT_ID, id);
        }
        let answer = self.exchange(Method::GET, headers, None).await?;
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            status if !status.is_success() => Err(refused(status).into()),
            _ if !has_type(&answer, EVENT_STREAM_MIME_TYPE) => {
                Err(StreamableHttpError::ServerDoesNotSupportSse)
            }
            _ => Ok(events(answer.bytes_stream(), self.0.max_message, self.too_large())),
        }
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Exchange<()> {
        let headers = protocol_headers(JSON_MIME_TYPE, Some(&session_id), custom_headers);
        // Whether the server forgets the session is its own affair.
        self.exchange(Method::DELETE, headers, None).await?;
        Ok(())
    }
}
