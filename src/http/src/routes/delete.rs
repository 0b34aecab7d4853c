//! `DELETE /v1/responses/{id}`.

use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::Ending;
use or_protocol::{ApiError, ErrorKind, ResponseId};
use serde_json::json;

use crate::auth::owner;
use crate::request::request_id;
use crate::respond::error_response;
use crate::state::Worker;
use crate::stored::{missing, slow};

/// Removes a stored response of whoever asks; one that is in progress is cancelled first.
pub(crate) async fn delete(
    request: HttpRequest,
    id: web::Path<String>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    match remove(&request, &id, &worker).await {
        Ok(()) => {
            let body = json!({"id": *id, "object": "response", "deleted": true});
            HttpResponse::Ok().content_type("application/json").body(body.to_string())
        }
        Err(error) => error_response(&error),
    }
}

async fn remove(request: &HttpRequest, id: &str, worker: &Worker) -> Result<(), ApiError> {
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    let owner = owner(request)?;
    // What is still being made ends first: its last record must not come behind the removal.
    match worker.node().running.end_and_load(&worker.store, &key, &owner, false).await {
        Ending::Slow => return Err(slow()),
        // Also what does not read, or has no loop to end it, can be removed.
        Ending::Over(_)
        | Ending::Unwritten(_)
        | Ending::NotFound
        | Ending::Foreground
        | Ending::Left
        | Ending::Unreadable(_) => {}
    }
    let removed = worker.store.delete(key, owner.clone()).await;
    worker.node().metrics.store_deletion(removed.is_ok());
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
