//! `DELETE /v1/responses/{id}`.

use actix_web::rt::time::sleep;
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::EndAsked;
use or_protocol::{ApiError, ErrorKind, ResponseId};
use serde_json::json;

use crate::AppState;
use crate::auth::owner;
use crate::cancel::{BETWEEN_TRIES, TRIES, slow};
use crate::create::request_id;
use crate::envelope::error_response;
use crate::retrieve::missing;

/// Removes a stored response of whoever asks; one that is in progress is cancelled first.
pub(crate) async fn delete(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> HttpResponse {
    match remove(&request, &id, &state).await {
        Ok(()) => {
            let body = json!({"id": *id, "object": "response", "deleted": true});
            HttpResponse::Ok().content_type("application/json").body(body.to_string())
        }
        Err(error) => error_response(&error),
    }
}

async fn remove(request: &HttpRequest, id: &str, state: &AppState) -> Result<(), ApiError> {
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    let owner = owner(request)?;
    // What is still being made ends first: its last record must not come behind the removal.
    for _ in 0..TRIES {
        if state.node.running.end(&key, &owner, false).await == Some(EndAsked::Slow) {
            return Err(slow());
        }
        match state.node.store.load(key.clone(), owner.clone()).await {
            Ok(Some(record)) if !record.is_over() && !state.node.running.stopping() => {
                sleep(BETWEEN_TRIES).await
            }
            // Also what does not read can be removed.
            Ok(_) | Err(_) => break,
        }
    }
    let removed = state.node.store.delete(key, owner.clone()).await;
    state.node.metrics.store_deletion(removed.is_ok());
    let removed = removed.map_err(|error| {
        tracing::error!(%error, "a response could not be deleted");
        ApiError::new(ErrorKind::Storage, "The response could not be deleted.").with_code("storage_error")
    })?;
    if !removed {
        return Err(missing(id));
    }
    tracing::info!(request_id = request_id(request), response_id = id, owner, status = "deleted", "request");
    Ok(())
}
