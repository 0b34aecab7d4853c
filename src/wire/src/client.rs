//! The client: sends one request and gives its answer.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use awc::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap};
use awc::http::uri::{Authority, Scheme};
use awc::http::{Method, StatusCode, Uri};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use rustls::ClientConfig;

use super::connector::{Connector, tls};
use super::error::{BodyError, Failed, WireError};
use super::pool::Pool;

/// A request with a larger body gets a connection of its own: it is the kind that is answered before it was sent
/// whole, and such an answer is only certain to be its own where there was no request before.
const LARGE: usize = 256 * 1024;

/// What holds for all requests of a client.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// To make a connection, with TLS.
    pub connect_timeout: Duration,
    /// From the beginning to the head of the answer; none: the caller looks after that.
    pub head_timeout: Option<Duration>,
}

/// A client of HTTP/1.1. Cheap to clone; lives on one arbiter.
///
/// - Interim answers are passed over. A body without a length goes to the end of the connection. One that ends before
///   its own end is an error.
/// - A connection is used again only when exactly one answer was read on it. A request is sent once: again only if
///   the connection turned out to be closed before anything of it was sent.
/// - Nothing is unpacked: an answer with a content coding is an error.
/// - Redirects are not followed.
#[derive(Clone)]
pub struct Client {
    plain: Side,
    /// None: there is no TLS in this build, and nothing goes without where it is asked for.
    secure: Option<Side>,
}

/// The same client twice: awc has no way to say for one request what connections it may use.
#[derive(Clone)]
struct Side {
    any: awc::Client,
    fresh: awc::Client,
}

impl Side {
    fn new(settings: &Settings, tls: Option<Arc<ClientConfig>>) -> Self {
        let pool = Rc::<Pool>::default();
        let client = |reuse| {
            let connector = Connector { pool: Rc::clone(&pool), tls: tls.clone(), reuse };
            // How many there may be at once is the caller's to say.
            let connector =
                awc::Connector::new().connector(connector).limit(0).timeout(settings.connect_timeout);
            let client = awc::Client::builder().connector(connector).disable_redirects();
            match settings.head_timeout {
                Some(limit) => client.timeout(limit),
                None => client.disable_timeout(),
            }
            .finish()
        };
        Self { any: client(true), fresh: client(false) }
    }
}

/// What is sent.
#[derive(Clone)]
pub struct Request<'a> {
    /// Of the two kinds that have an answer with a body.
    pub method: Method,
    /// `http` or `https`.
    pub url: &'a str,
    /// May hold keys.
    pub headers: Vec<(&'a str, String)>,
    /// None: without a body, and without a length of it.
    pub body: Option<Bytes>,
}

/// What is left to read of an answer.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>>>>;

/// The answer to a request.
pub struct Answer {
    /// Of the answer itself.
    pub status: StatusCode,
    /// Only what the server has a use for: `content-type`, `content-encoding`, `retry-after`, `retry-after-ms`.
    pub headers: HeaderMap,
    /// Comes as it is read.
    pub body: Body,
}

impl Client {
    /// A client for the arbiter it is made on.
    pub fn new(settings: &Settings) -> Self {
        Self::with_tls(settings, tls())
    }

    pub(crate) fn with_tls(settings: &Settings, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { plain: Side::new(settings, None), secure: tls.map(|tls| Side::new(settings, Some(tls))) }
    }

    /// Sends a request and waits for the head of its answer. Dropping the future or the body closes the connection.
    ///
    /// # Errors
    /// When there is no answer, or one of success whose body is packed.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, WireError> {
        let (uri, is_secure) = target(request.url)?;
        let side = if is_secure { self.secure.as_ref() } else { Some(&self.plain) };
        let side = side.ok_or_else(|| WireError::Unreachable("there is no TLS".into()))?;
        let large = request.body.as_ref().is_some_and(|body| body.len() > LARGE);
        let first = if large { &side.fresh } else { &side.any };
        match once(first, &uri, &request).await {
            Ok(answer) => Ok(answer),
            Err(Failed::For(error)) => Err(error),
            Err(Failed::Unsent) => once(&side.fresh, &uri, &request).await.map_err(|failed| match failed {
                Failed::For(error) => error,
                Failed::Unsent => WireError::Closed,
            }),
        }
    }
}

/// Where the request goes as awc is told it, and whether by TLS. TLS is below awc, so that all it sees is `http` and a
/// port.
fn target(url: &str) -> Result<(Uri, bool), WireError> {
    let wrong = |why: &str| WireError::Unreachable(format!("the URL {why}"));
    let uri: Uri = url.parse().map_err(|_| wrong("cannot be read"))?;
    let mut parts = uri.into_parts();
    let is_secure = match parts.scheme.as_ref().map(Scheme::as_str) {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong("is neither http nor https")),
    };
    let authority = parts.authority.ok_or_else(|| wrong("names no host"))?;
    let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let authority = format!("{}:{port}", authority.host());
    let authority = Authority::try_from(authority.as_str()).map_err(|_| wrong("names no host"))?;
    parts.authority = Some(authority);
    parts.scheme = Some(Scheme::HTTP);
    let uri = Uri::from_parts(parts).map_err(|_| wrong("cannot be read"))?;
    Ok((uri, is_secure))
}

async fn once(client: &awc::Client, uri: &Uri, request: &Request<'_>) -> Result<Answer, Failed> {
    let mut sent = client.request(request.method.clone(), uri);
    for (name, value) in &request.headers {
        sent = sent.insert_header((*name, value.as_str()));
    }
    sent = sent.insert_header((ACCEPT_ENCODING, "identity"));
    let sent = match &request.body {
        Some(body) => sent.send_body(body.clone()),
        None => sent.send(),
    };
    let answer = sent.await?;
    let status = answer.status();
    let mut headers = HeaderMap::new();
    // A stream would keep what is left in the answer to its end.
    let answer = answer.map_body(|head, body| {
        headers = std::mem::take(&mut head.headers);
        body
    });
    let body: Body = match coding(&headers) {
        // awc panics when it is asked again behind the end.
        None => Box::pin(answer.map(|piece| piece.map_err(BodyError::from)).fuse()),
        Some(coding) if status.is_success() => return Err(Failed::For(WireError::Encoded(coding))),
        // The status is worth more than the words.
        Some(coding) => {
            let words = format!("(what the host said is compressed: {coding})");
            Box::pin(stream::iter([Ok(Bytes::from(words))]))
        }
    };
    Ok(Answer { status, headers, body })
}

/// The content coding of an answer, if it has one.
fn coding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let all = values.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let mut codings = all.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity"));
    let coding: String = codings.next()?.chars().take(20).collect();
    // It comes from outside and goes into texts.
    let is_word = coding.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    Some(if is_word { coding } else { "unknown".into() })
}
