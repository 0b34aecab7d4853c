//! Sends one call to a provider over HTTP, and takes the head of its answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use or_adapters::UpstreamCall;
use or_demo::respond;
use or_wire::{Client, HeaderMap, HttpDate, Method, Request, Settings, WireError};

use super::answer::Answer;
use super::demo::play;
use super::error::SampleError;
use super::health;
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
        let settings =
            Settings { connect_timeout: spec.connect_timeout, head_timeout: Some(spec.first_byte_timeout) };
        Self { http: Client::new(&settings), spec, heavy, owner: String::new() }
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
        let keys = &self.spec.keys;
        let (number, key) = match key {
            ProviderKey::Server => {
                let number = keys.turn(health::now());
                (Some(number), keys.key(number))
            }
            ProviderKey::Client(key) => (None, Some(&**key)),
        };
        let credentials = key.map(|key| self.spec.adapter.credentials(key)).unwrap_or_default();
        let fixed = self.spec.headers.iter().map(|(name, value)| (name.as_str(), value.clone()));
        // The later ones win.
        let mut headers = Vec::new();
        if !call.body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        headers.extend(call.headers);
        headers.extend(credentials);
        headers.extend(fixed);
        let (method, body) = match call.body.is_empty() {
            true => (Method::GET, None),
            false => (Method::POST, Some(call.body.into())),
        };
        let request = Request { method, url: &url, headers, body };
        let answer = self.http.send(request).await.map_err(|error| self.failed(error))?;
        let content_type =
            answer.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_stream = match content_type.split(';').next().unwrap_or_default().trim() {
            // A page is most often the answer of a wrong address.
            "application/json" | "text/html" => Some(false),
            "text/event-stream" | "application/x-ndjson" => Some(true),
            _ => None,
        };
        let (status, retry_after_s) = (answer.status.as_u16(), retry_after(&answer.headers));
        if let Some(number) = number
            && matches!(status, 401..=403 | 429)
        {
            // Only a limit passes at a time that is known.
            let named = retry_after_s.filter(|_| status == 429).map(Duration::from_secs);
            keys.refused(number, named, health::now());
        }
        Ok(Answer { status, retry_after_s, is_stream, body: answer.body })
    }

    fn failed(&self, error: WireError) -> SampleError {
        match error {
            WireError::HeadTimeout => SampleError::Silent(self.spec.first_byte_timeout.as_secs()),
            WireError::ConnectTimeout | WireError::Unreachable(_) => {
                SampleError::Unreachable(error.to_string())
            }
            // The connection was made; the provider closed it in place of an answer.
            WireError::Closed | WireError::Broken(_) => SampleError::Broken(error.to_string()),
            WireError::Malformed(_) | WireError::Encoded(_) => SampleError::NoAnswer(error.to_string()),
        }
    }
}

/// Longest wait that is passed on, in seconds: a day. What is above it is a clock that is wrong, or no date.
const MAX_RETRY_AFTER_S: u64 = 24 * 60 * 60;

/// Seconds from `retry-after-ms` and `retry-after` (seconds or a date), rounded up. Of both the longer wait counts,
/// and what is no wait at all is as if it were absent.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let milliseconds = text("retry-after-ms").and_then(number).map(|ms| (ms / 1000.0).ceil() as u64);
    let seconds = text("retry-after").and_then(|value| match number(value) {
        Some(seconds) => Some(seconds.ceil() as u64),
        None => until(value),
    });
    milliseconds.max(seconds).map(|seconds| seconds.min(MAX_RETRY_AFTER_S))
}

/// Seconds until a date.
fn until(value: &str) -> Option<u64> {
    let date: SystemTime = value.parse::<HttpDate>().ok()?.into();
    Some(date.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() + 1))
}
