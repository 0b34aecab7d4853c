//! `POST /v1/responses/{id}/cancel`.

use std::time::Duration;

use actix_web::rt::time::sleep;
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::EndAsked;
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::AppState;
use crate::auth::owner;
use crate::envelope::error_response;
use crate::retrieve::{find, missing};

/// A response that is not over and has no loop is on its way to one: the server has just started.
pub(crate) const TRIES: u32 = 50;
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Ends a background response of whoever asks, and answers with the response. One that is over stays as it is.
pub(crate) async fn cancel(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> HttpResponse {
    match end(&request, &id, &state).await {
        Ok(json) => HttpResponse::Ok().content_type("application/json").body(json),
        Err(error) => error_response(&error),
    }
}

async fn end(request: &HttpRequest, id: &str, state: &AppState) -> Result<String, ApiError> {
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    let owner = owner(request)?;
    for _ in 0..TRIES {
        match state.node.running.end(&key, &owner, true).await {
            Some(EndAsked::NotFound) => return Err(missing(id)),
            Some(EndAsked::Foreground) => return Err(foreground(id)),
            Some(EndAsked::Slow) => return Err(slow()),
            Some(EndAsked::Over) | None => {}
        }
        let record = find(request, id, state).await?;
        if !record.background {
            return Err(foreground(id));
        }
        if record.is_over() {
            return Ok(record.response.get().to_owned());
        }
        if state.node.running.stopping() {
            break;
        }
        sleep(BETWEEN_TRIES).await;
    }
    Err(slow())
}

fn foreground(id: &str) -> ApiError {
    let text = format!("Response with id '{id}' cannot be cancelled: it was not created with 'background'.");
    ApiError::new(ErrorKind::InvalidRequest, text).with_code("response_not_in_background")
}

/// What is told of a response is on disk, which can take long.
pub(crate) fn slow() -> ApiError {
    let text = "The response waits for the disk. Please try again later.";
    let error = ApiError::new(ErrorKind::Unavailable, text).with_code("storage_error");
    ApiError { retry_after_s: Some(5), ..error }
}
