//! `POST /v1/responses/{id}/cancel`.

use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::Ending;
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::auth::owner;
use crate::respond::error_response;
use crate::state::Worker;
use crate::stored::{missing, not_read, slow};
use crate::whole;

/// Ends a background response of whoever asks, and answers with the response. One that is over stays as it is.
pub(crate) async fn cancel(
    request: HttpRequest,
    id: web::Path<String>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    match end(&request, &id, &worker).await {
        Ok(json) => whole::json(HttpResponse::Ok(), json.into_bytes(), &worker.node().budget),
        Err(error) => error_response(&error),
    }
}

async fn end(request: &HttpRequest, id: &str, worker: &Worker) -> Result<String, ApiError> {
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    let (owner, node) = (owner(request)?, &worker.node());
    match node.running.end_and_load(&worker.store, &key, &owner, true).await {
        Ending::Over(record) => Ok(Box::<str>::from(record.response).into()),
        Ending::Unwritten(json) => String::from_utf8(json.into()).map_err(|_| ApiError::internal()),
        Ending::NotFound => Err(missing(id)),
        Ending::Foreground => Err(foreground(id)),
        Ending::Slow | Ending::Left => Err(slow()),
        Ending::Unreadable(error) => Err(not_read(&error)),
    }
}

fn foreground(id: &str) -> ApiError {
    let text = format!("Response with id '{id}' cannot be cancelled: it was not created with 'background'.");
    ApiError::new(ErrorKind::InvalidRequest, text).with_code("response_not_in_background")
}
