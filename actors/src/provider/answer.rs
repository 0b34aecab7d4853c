//! The beginning of a provider's answer, and the rest of one that is read whole.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use or_adapters::AdapterError;
use tokio::time::timeout;

use super::error::SampleError;
use super::spec::ProviderSpec;

/// Largest error body, in bytes.
const MAX_ERROR_BODY: usize = 1024 * 1024;

/// What is left to read of an answer.
pub(crate) type Body = Pin<Box<dyn Stream<Item = Result<Bytes, String>>>>;

/// The beginning of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u64>,
    /// Whether the body is a stream, as far as its content type says; `None` if it says nothing useful.
    pub(crate) is_stream: Option<bool>,
    pub(crate) body: Body,
}

/// Why the provider refused: its status and what its body says.
pub(crate) async fn refused(spec: &ProviderSpec, answer: &mut Answer) -> SampleError {
    // The status is what counts; a body that does not come makes no difference.
    let body = read_body(&mut answer.body, MAX_ERROR_BODY, Duration::from_secs(10)).await.unwrap_or_default();
    let error = spec.adapter.error(answer.status, answer.retry_after_s, &body);
    SampleError::Adapter(AdapterError::Upstream(error))
}

/// Reads a whole body of at most `limit` bytes, with at most `silence` between two reads.
pub(crate) async fn read_body(
    body: &mut Body,
    limit: usize,
    silence: Duration,
) -> Result<Bytes, SampleError> {
    let mut whole = BytesMut::new();
    loop {
        let chunk = match timeout(silence, body.next()).await {
            Err(_) => return Err(SampleError::Silent(silence.as_secs())),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(e))) => return Err(SampleError::Broken(e)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if whole.len() + chunk.len() > limit {
            return Err(SampleError::TooLarge(limit));
        }
        whole.extend_from_slice(&chunk);
    }
}
