//! Calls beside the turns: small questions with whole answers.

use bytes::Bytes;
use or_adapters::{AdapterError, UpstreamCall, UpstreamError, UpstreamErrorKind};
use tokio::sync::oneshot;

use crate::mask::mask;
use crate::upstream::{MAX_ERROR_BODY, Upstream, read_body, refused};
use crate::{CountTokens, ProviderKey, SampleError};

/// Asks the provider's counter; `None` if there is none at its place.
pub(crate) async fn count(upstream: &Upstream, message: CountTokens) -> Result<Option<u64>, SampleError> {
    let CountTokens { call, key, gone } = message;
    let result = match ask(upstream, call, &key, gone).await {
        Ok(body) => upstream.spec().adapter.read_count(&body).map_err(SampleError::from),
        Err(SampleError::Adapter(AdapterError::Upstream(error))) if is_missing(&error) => return Ok(None),
        Err(error) => Err(error),
    };
    result.map(Some).map_err(|error| mask(upstream.spec(), &key, error))
}

/// Whether an error says that the endpoint does not exist. A 404 may also be about the model.
fn is_missing(error: &UpstreamError) -> bool {
    matches!(error.status, Some(404 | 405 | 501)) && error.kind != UpstreamErrorKind::ModelNotFound
}

/// A call beside the turns, with a small whole answer.
async fn ask(
    upstream: &Upstream,
    call: UpstreamCall,
    key: &ProviderKey,
    mut gone: oneshot::Receiver<()>,
) -> Result<Bytes, SampleError> {
    let work = async {
        let mut answer = upstream.send(call, key).await?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(upstream, &mut answer).await);
        }
        read_body(&mut answer.body, MAX_ERROR_BODY, upstream.spec().first_byte_timeout).await
    };
    tokio::select! {
        biased;
        _ = &mut gone => Err(SampleError::Gone),
        done = work => done,
    }
}
