//! From rmcp's errors to ours: what happened, whether the server may have acted, whether the session is gone.

use std::cmp::Reverse;
use std::error::Error;
use std::io;

use rmcp::model::ErrorData;
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;
use url::{Position, Url};

use super::http::ExchangeError;
use super::{McpError, McpPlace, McpServer};
use crate::answer::head;

/// Longest text of a server's error, in bytes.
const MAX_SAID: usize = 1024;
/// A shorter value may be a word that only looks like a secret.
const MIN_SECRET: usize = 6;

/// Why a request in a session has no answer.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: McpError,
    /// Whether the server may have acted on it.
    pub(super) sent: bool,
    /// Whether the session cannot be used any more.
    pub(super) lost: bool,
}

impl Fault {
    /// The server is there, and its answer makes no sense.
    pub(super) fn odd(what: &str) -> Self {
        Self { error: McpError::Protocol(what.into()), sent: true, lost: false }
    }

    /// The session ended before the request was on its way.
    pub(super) fn unsent(error: McpError) -> Self {
        Self { error, sent: false, lost: true }
    }

    /// The session ended and nobody knows how far the request came.
    pub(super) fn lost() -> Self {
        Self { error: McpError::Broken, sent: true, lost: true }
    }

    pub(super) fn of(error: ServiceError, server: &McpServer) -> Self {
        match error {
            // It has answered, so it knows what it did.
            ServiceError::McpError(said) => Self { error: refusal(&said, server), sent: false, lost: false },
            ServiceError::TransportSend(error) => of_transport(&error),
            ServiceError::TransportClosed => Self::lost(),
            _ => Self::odd("it breaks the protocol"),
        }
    }

    /// Whether the call may have had an effect that nobody was told of.
    pub(super) fn outcome_unknown(&self) -> bool {
        self.sent
    }
}

fn of_transport(error: &DynamicTransportError) -> Fault {
    let error: &(dyn Error + Send + Sync) = error.error.as_ref();
    match error.downcast_ref::<StreamableHttpError<ExchangeError>>() {
        Some(StreamableHttpError::SessionExpired) => Fault::unsent(McpError::Broken),
        Some(StreamableHttpError::Client(failure)) => Fault {
            error: failure.error.clone(),
            sent: failure.sent,
            lost: failure.forgot || !failure.sent && matches!(failure.error, McpError::Unreachable(_)),
        },
        Some(_) => Fault::lost(),
        // A program's input that takes no whole message any more: the message was not read.
        None if error.is::<io::Error>() => Fault::unsent(McpError::Broken),
        None => Fault::lost(),
    }
}

/// Why no session came to be.
pub(super) fn of_start(error: ClientInitializeError, server: &McpServer) -> McpError {
    match error {
        ClientInitializeError::TransportError { error, .. } => match of_transport(&error).error {
            McpError::Broken => closed(),
            error => error,
        },
        ClientInitializeError::JsonRpcError(said) => refusal(&said, server),
        ClientInitializeError::ConnectionClosed(_) => closed(),
        _ => McpError::Protocol("it opens no session".into()),
    }
}

fn closed() -> McpError {
    McpError::Unreachable("it closed the connection".into())
}

fn refusal(said: &ErrorData, server: &McpServer) -> McpError {
    McpError::Said { code: said.code.0, message: words(said, server) }
}

/// A server's own words, without the secrets that were sent to it.
fn words(said: &ErrorData, server: &McpServer) -> String {
    let mut text = said.message.to_string();
    for secret in secrets(server) {
        text = text.replace(&secret, "***");
    }
    format!("{} (code {})", head(text.trim(), MAX_SAID), said.code.0)
}

/// What may be a secret of the headers, and of the URL behind its host; the longest first, as one may hold another.
fn secrets(server: &McpServer) -> Vec<String> {
    let mut secrets: Vec<String> =
        server.headers.iter().filter_map(|(_, value)| value.rsplit(' ').next()).map(str::to_owned).collect();
    if let McpPlace::Url(url) = &server.place
        && let Ok(url) = Url::parse(url)
    {
        let words = url[Position::BeforePath..].split(['/', '?', '&', '=', '#']);
        secrets.extend(words.map(str::to_owned));
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    }
    secrets.retain(|secret| secret.len() >= MIN_SECRET);
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    secrets
}
