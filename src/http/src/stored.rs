//! What every route of a stored response needs.

use actix_web::HttpRequest;
use or_protocol::{ApiError, ErrorKind, Include, ResponseId};
use or_store::{StoreError, StoredResponse};

use crate::auth::owner;
use crate::state::Worker;

/// The record behind an id in a path, if it is of whoever asks.
pub(crate) async fn find(
    request: &HttpRequest,
    id: &str,
    worker: &Worker,
) -> Result<StoredResponse, ApiError> {
    find_of(&owner(request)?, &ResponseId::parse(id).ok_or_else(|| missing(id))?, worker).await
}

/// The same of a client by its name.
pub(crate) async fn find_of(
    owner: &str,
    id: &ResponseId,
    worker: &Worker,
) -> Result<StoredResponse, ApiError> {
    let loaded = worker.store.load(id.clone(), owner.to_owned()).await.map_err(|error| not_read(&error))?;
    loaded.ok_or_else(|| missing(id.as_str()))
}

/// The error for an id that leads to nothing, or to another owner's response.
pub(crate) fn missing(id: &str) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("Response with id '{id}' not found."))
}

/// For a record that the store could not read.
pub(crate) fn not_read(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the history could not be read");
    unreadable()
}

pub(crate) fn unreadable() -> ApiError {
    ApiError::new(ErrorKind::Storage, "The stored history could not be read.").with_code("storage_error")
}

/// A word of the query's `include`.
pub(crate) fn include(word: &str) -> Result<Include, ApiError> {
    let found = Include::TABLE.iter().find(|(known, _)| *known == word);
    found.map(|(_, include)| *include).ok_or_else(|| bad_include(word))
}

fn bad_include(word: &str) -> ApiError {
    let words: Vec<_> = Include::TABLE.iter().map(|(word, _)| format!("'{word}'")).collect();
    let word: String = word.chars().take(100).collect();
    let text = format!("Invalid value: '{word}'. Supported values are: {}.", words.join(", "));
    ApiError::invalid("invalid_value", "include", text)
}

/// What is told of a response is on disk, which can take long.
pub(crate) fn slow() -> ApiError {
    let text = "The response waits for the disk. Please try again later.";
    let error = ApiError::new(ErrorKind::Unavailable, text).with_code("storage_error");
    ApiError { retry_after_s: Some(5), ..error }
}
