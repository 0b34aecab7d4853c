//! Sends one call to a provider over HTTP, and takes the head of its answer.

use std::sync::Arc;
use std::time::SystemTime;

use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{self, HeaderMap, HttpDate};
use awc::{Client, Connector};
use futures_util::StreamExt as _;
use or_adapters::UpstreamCall;
use or_demo::respond;

use super::answer::Answer;
use super::demo::play;
use super::error::SampleError;
use super::spec::{ProviderKey, ProviderSpec, Transport};
use crate::heavy::Heavy;

/// A provider and the client to reach it. Cheap to clone; lives on one arbiter.
#[derive(Clone)]
pub(crate) struct Upstream {
    spec: Arc<ProviderSpec>,
    http: Client,
    heavy: Heavy,
    /// Whose heavy work it is.
    owner: String,
}

impl Upstream {
    pub(crate) fn new(spec: Arc<ProviderSpec>, heavy: Heavy) -> Self {
        // Admission is ours; awc's own limit would make request 101 wait in silence.
        let connector = Connector::new().limit(0).timeout(spec.connect_timeout);
        let http = Client::builder()
            .connector(connector)
            .timeout(spec.first_byte_timeout)
            .disable_redirects()
            .finish();
        Self { spec, http, heavy, owner: String::new() }
    }

    /// The same for a call of this owner.
    pub(crate) fn of(&self, owner: String) -> Self {
        Self { owner, ..self.clone() }
    }

    /// Does a piece of work on so many bytes where their number wants it done.
    pub(crate) async fn sized<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SampleError> {
        self.heavy.sized(bytes, &self.owner, |_| work()).await.map_err(|_| SampleError::Panicked)
    }

    pub(crate) fn spec(&self) -> &Arc<ProviderSpec> {
        &self.spec
    }

    pub(crate) async fn send(&self, call: UpstreamCall, key: &ProviderKey) -> Result<Answer, SampleError> {
        if self.spec.transport == Transport::Demo {
            let script = self.sized(call.body.len(), move || respond(&call.path, &call.body)).await?;
            return Ok(play(script).await);
        }
        let url = format!("{}{}", self.spec.base_url, call.path);
        let mut request = match call.body.is_empty() {
            true => self.http.get(url),
            false => self.http.post(url).insert_header((header::CONTENT_TYPE, "application/json")),
        };
        request = request.insert_header((header::ACCEPT_ENCODING, "identity"));
        for (name, value) in call.headers {
            request = request.insert_header((name, value));
        }
        let key = match key {
            ProviderKey::Server => self.spec.key.as_deref(),
            ProviderKey::Client(key) => Some(&**key),
        };
        for (name, value) in key.map(|key| self.spec.adapter.credentials(key)).unwrap_or_default() {
            request = request.insert_header((name, value));
        }
        for (name, value) in &self.spec.headers {
            request = request.insert_header((name.as_str(), value.as_str()));
        }
        let response = request.send_body(call.body).await.map_err(|e| self.unreachable(&e))?;
        let content_type =
            response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_stream = match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(false),
            "text/event-stream" | "application/x-ndjson" => Some(true),
            _ => None,
        };
        let (status, retry_after_s) = (response.status().as_u16(), retry_after(response.headers()));
        // A stream would keep the headers, some 3 KiB, to its end.
        let response = response.map_body(|head, body| {
            head.headers = HeaderMap::new();
            body
        });
        let body = Box::pin(response.map(|chunk| chunk.map_err(|e| e.to_string())));
        Ok(Answer { status, retry_after_s, is_stream, body })
    }

    fn unreachable(&self, error: &SendRequestError) -> SampleError {
        match error {
            SendRequestError::Timeout => SampleError::Silent(self.spec.first_byte_timeout.as_secs()),
            SendRequestError::Connect(ConnectError::Timeout) => {
                SampleError::Unreachable("the connection took too long".into())
            }
            // The connection was made; the provider closed it in place of an answer.
            SendRequestError::Connect(e @ ConnectError::Disconnected) => SampleError::Broken(e.to_string()),
            SendRequestError::Connect(e) => SampleError::Unreachable(e.to_string()),
            other => SampleError::Broken(other.to_string()),
        }
    }
}

/// Seconds from `retry-after-ms` or `retry-after` (seconds or a date), rounded up.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|v| v.parse::<f64>().ok()) {
        return Some((ms / 1000.0).ceil().max(0.0) as u64);
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Some(seconds.ceil().max(0.0) as u64);
    }
    let date: SystemTime = value.parse::<HttpDate>().ok()?.into();
    Some(date.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() + 1))
}
