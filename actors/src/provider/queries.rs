//! Calls beside the turns: small questions with whole answers.

use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::spawn_blocking;
use bytes::{Bytes, BytesMut};
use or_adapters::{AdapterError, ModelInfo, UpstreamCall, UpstreamError, UpstreamErrorKind};
use tokio::time::timeout;

use super::answer::{read_body, refused};
use super::error::SampleError;
use super::http::Upstream;
use super::messages::CountTokens;
use super::redact::mask;
use super::spec::ProviderKey;

/// Largest answer, in bytes. Lists of some hundred models with their prices are around a megabyte.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// How long a provider may take for all pages of its list.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// Pages of a list that are read.
const MAX_PAGES: usize = 20;

/// Asks the provider's counter; `None` if there is none at its place.
pub(crate) async fn count(upstream: &Upstream, message: CountTokens) -> Result<Option<u64>, SampleError> {
    let CountTokens { call, key, mut gone } = message;
    let asked = tokio::select! {
        biased;
        _ = &mut gone => return Err(SampleError::Gone),
        asked = ask(upstream, call, &key) => asked,
    };
    let result = match asked {
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

/// Reads the provider's list of models, with the server's key. Empty if it has none.
pub(crate) async fn list(upstream: &Upstream) -> Result<Vec<ModelInfo>, SampleError> {
    let key = ProviderKey::Server;
    let listed = timeout(LIST_PATIENCE, pages(upstream, &key)).await;
    listed
        .unwrap_or(Err(SampleError::Silent(LIST_PATIENCE.as_secs())))
        .map_err(|error| mask(upstream.spec(), &key, error))
}

async fn pages(upstream: &Upstream, key: &ProviderKey) -> Result<Vec<ModelInfo>, SampleError> {
    let mut models = Vec::new();
    let mut page = None;
    for _ in 0..MAX_PAGES {
        let adapter = Arc::clone(&upstream.spec().adapter);
        let Some(call) = adapter.list(page.as_deref()) else { break };
        let body = ask(upstream, call, key).await?;
        let read = spawn_blocking(move || adapter.read_list(&body));
        let mut read = read.await.map_err(|_| SampleError::Panicked)??;
        models.append(&mut read.models);
        page = read.next;
        if page.is_none() {
            break;
        }
    }
    Ok(models)
}

/// A call with a whole answer.
async fn ask(upstream: &Upstream, call: UpstreamCall, key: &ProviderKey) -> Result<Bytes, SampleError> {
    let mut answer = upstream.send(call, key).await?;
    if !(200..300).contains(&answer.status) {
        return Err(refused(upstream.spec(), &mut answer).await);
    }
    let silence = upstream.spec().first_byte_timeout;
    read_body(&mut answer.body, BytesMut::new(), MAX_ANSWER, silence).await.whole()
}
