//! The beginning of a provider's answer, and the rest of one that is read whole.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use or_adapters::AdapterError;
use or_wire::{Body, BodyError};
use tokio::time::timeout;

use super::error::SampleError;
use super::spec::ProviderSpec;

/// Largest error body, in bytes.
const MAX_ERROR_BODY: usize = 1024 * 1024;

/// The beginning of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u64>,
    /// Whether the body is a stream, as far as its content type says; `None` if it says nothing useful.
    pub(crate) is_stream: Option<bool>,
    pub(crate) body: Body,
}

/// What was read of a body.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    /// Why it is not all, if it is not.
    pub(crate) missing: Option<SampleError>,
    /// Whether the connection ended before the body. What was read may be all that there was: JSON has its own end.
    pub(crate) is_cut: bool,
}

impl Read {
    /// All of the body, or why not.
    pub(crate) fn whole(self) -> Result<Bytes, SampleError> {
        self.missing.map_or(Ok(self.bytes), Err)
    }
}

/// Why the provider refused: its status and what its body says.
pub(crate) async fn refused(spec: &ProviderSpec, answer: &mut Answer) -> SampleError {
    // The status is what counts; a body that does not come, or not whole, makes no difference.
    let read = read_body(&mut answer.body, BytesMut::new(), MAX_ERROR_BODY, Duration::from_secs(10)).await;
    let error = spec.adapter.error(answer.status, answer.retry_after_s, &read.bytes);
    SampleError::Adapter(AdapterError::Upstream(error))
}

/// Reads a body of which `whole` was read already, up to `limit` bytes, with at most `silence` between two reads.
pub(crate) async fn read_body(body: &mut Body, mut whole: BytesMut, limit: usize, silence: Duration) -> Read {
    let (missing, is_cut) = loop {
        match timeout(silence, body.next()).await {
            Err(_) => break (Some(SampleError::Silent(silence.as_secs())), false),
            Ok(None) => break (None, false),
            Ok(Some(Err(error))) => {
                let is_cut = error == BodyError::Cut;
                break (Some(SampleError::Broken(error.to_string())), is_cut);
            }
            Ok(Some(Ok(chunk))) if whole.len() + chunk.len() > limit => {
                break (Some(SampleError::TooLarge(limit)), false);
            }
            Ok(Some(Ok(chunk))) => whole.extend_from_slice(&chunk),
        }
    };
    Read { bytes: whole.freeze(), missing, is_cut }
}
