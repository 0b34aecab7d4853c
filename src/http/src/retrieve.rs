//! `GET /v1/responses/{id}`, and what every route of a stored response needs.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use or_actors::store::StoredResponse;
use or_protocol::{ApiError, ErrorKind, Include, ResponseId};
use serde_json::Value;

use crate::AppState;
use crate::auth::Owner;
use crate::envelope::error_response;

/// The stored response as its client got it.
pub(crate) async fn retrieve(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
    state: web::Data<AppState>,
) -> HttpResponse {
    match load(&request, &id, &query, &state).await {
        Ok(json) => HttpResponse::Ok().content_type("application/json").body(json),
        Err(error) => error_response(&error),
    }
}

async fn load(
    request: &HttpRequest,
    id: &str,
    query: &[(String, String)],
    state: &AppState,
) -> Result<String, ApiError> {
    let mut sealed = false;
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("include" | "include[]", word) => {
                sealed |= include(word)? == Include::ReasoningEncryptedContent;
            }
            ("stream", "true") => {
                let text =
                    "Unsupported value: 'stream' is not supported for stored responses by this server yet.";
                return Err(ApiError::invalid("unsupported_value", "stream", text));
            }
            _ => {}
        }
    }
    let record = find(request, id, state).await?;
    if sealed && !record.sealed.is_empty() {
        return with_sealed(&record);
    }
    Ok(record.response.get().to_owned())
}

/// The record behind an id in a path, if it is of whoever asks.
pub(crate) async fn find(
    request: &HttpRequest,
    id: &str,
    state: &AppState,
) -> Result<StoredResponse, ApiError> {
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    let loaded = state.node.store.load(key, owner(request)?).await.map_err(|error| {
        tracing::error!(%error, "the history could not be read");
        unreadable()
    })?;
    loaded.ok_or_else(|| missing(id))
}

pub(crate) fn owner(request: &HttpRequest) -> Result<String, ApiError> {
    request.extensions().get::<Owner>().map(|o| o.0.clone()).ok_or_else(ApiError::internal)
}

/// The error for an id that leads to nothing, or to another owner's response.
pub(crate) fn missing(id: &str) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("Response with id '{id}' not found."))
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

/// The response with the reasoning state that its first answer did not show.
fn with_sealed(record: &StoredResponse) -> Result<String, ApiError> {
    let mut response: Value =
        serde_json::from_str(record.response.get()).map_err(|_| ApiError::internal())?;
    for (index, blob) in &record.sealed {
        if let Some(item) =
            response.get_mut("output").and_then(|o| o.get_mut(*index)).and_then(Value::as_object_mut)
        {
            item.insert("encrypted_content".into(), Value::String(blob.clone()));
        }
    }
    serde_json::to_string(&response).map_err(|_| ApiError::internal())
}
