//! What every answer has in common: a request id, and errors in the spec's shape.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};
use or_actors::Trail;
use or_adapters::Note;
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::state::State;
use crate::{connection, dialect};

const TRANSLATION: HeaderName = HeaderName::from_static("openresponses-translation");
const PROCESSING: HeaderName = HeaderName::from_static("openai-processing-ms");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest translation header, in bytes: proxies refuse long ones.
const MAX_NOTES: usize = 4096;

/// The request's id, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// The client's id if it is a sane one, otherwise a new one.
fn request_id(request: &ServiceRequest) -> String {
    let given = request.headers().get(X_REQUEST_ID).and_then(|v| v.to_str().ok());
    match given {
        Some(id) if (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()) => {
            id.to_owned()
        }
        _ => ResponseId::new().as_str().replacen("resp_", "req_", 1),
    }
}

/// The outermost layer: gives the request its id, the answer the same one, and every error our shape,
/// also those that the framework or a panic made.
pub(crate) async fn finish(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let _busy = connection::begin(&request);
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    // The request must not be cloned here: routing writes into the only copy.
    let mut response = match next.call(request).await {
        Ok(response) => response.map_into_boxed_body(),
        Err(error) => {
            let error = from_status(error.as_response_error().status_code());
            tracing::warn!(
                request_id = id,
                http_status = error.status(),
                "request failed outside its handler"
            );
            return Err(Shaped { error, id }.into());
        }
    };
    let status = response.status().as_u16();
    if status >= 400
        && let Ok(state) = State::of(response.request())
        && response.response().extensions().get::<LoggedByLoop>().is_none()
    {
        state.node.metrics.refused(status);
        log_refusal(&response, &id, status);
    }
    if status >= 400 && dialect::reads_texts_only(response.request().headers()) {
        response = of_texts(response);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    connection::close_unread(&mut response);
    Ok(response)
}

/// The same error, with a text in every member.
fn of_texts(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let refusal = response.response().extensions().get::<Refusal>().cloned();
    match refusal {
        Some(Refusal(error)) => response.map_body(|_, _| BoxBody::new(error.to_json_of_texts())),
        None => response,
    }
}

/// An error of the framework or of a panic, in the spec's shape.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
struct Shaped {
    error: ApiError,
    id: String,
}

impl ResponseError for Shaped {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = error_response(&self.error);
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        response
    }
}

/// Marks an answer that its loop has counted and logged.
#[derive(Clone, Copy)]
pub(crate) struct LoggedByLoop;

/// Why a request was refused.
#[derive(Clone, Debug)]
struct Refusal(ApiError);

fn log_refusal(response: &ServiceResponse<BoxBody>, id: &str, status: u16) {
    let request = response.request();
    let refusal = response.response().extensions().get::<Refusal>().map(|refusal| refusal.0.clone());
    let refusal = refusal.as_ref();
    tracing::info!(
        request_id = id,
        error_code = refusal.map(ApiError::code),
        param = refusal.and_then(|error| error.param.as_deref()),
        method = %request.method(),
        path = request.path(),
        http_status = status,
        status = "refused",
        "request"
    );
}

fn from_status(status: StatusCode) -> ApiError {
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        405 => ErrorKind::MethodNotAllowed,
        413 => ErrorKind::TooLarge,
        415 => ErrorKind::UnsupportedMediaType,
        400..=499 => ErrorKind::InvalidRequest,
        _ => return ApiError::internal(),
    };
    ApiError::new(kind, status.canonical_reason().unwrap_or("The request could not be processed."))
}

/// An answer that succeeds, with what every one of a model call says of it.
pub(crate) fn good(trail: &Trail, received: Instant) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if let Some(notes) = notes_header(&trail.notes) {
        response.insert_header((TRANSLATION, notes));
    }
    for header in headers(trail) {
        response.insert_header(header);
    }
    response.insert_header((PROCESSING, received.elapsed().as_millis().to_string()));
    response
}

/// The further headers of an answer, as far as they can be carried.
pub(crate) fn headers(trail: &Trail) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    trail.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    })
}

/// An error as an HTTP answer.
pub(crate) fn error_response(error: &ApiError) -> HttpResponse {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(seconds) = error.retry_after_s {
        response.insert_header((RETRY_AFTER, seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"open-responses\""));
    }
    let mut response = response.content_type("application/json").body(error.to_json());
    response.extensions_mut().insert(Refusal(error.clone()));
    response
}

pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    let text = format!("Invalid URL ({} {})", request.method(), request.path());
    error_response(&ApiError::new(ErrorKind::NotFound, text))
}

/// The answer to a method that a path does not have. `allow`: those it has.
pub(crate) fn method_not_allowed(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    let text = format!("Method {} is not allowed for {}.", request.method(), request.path());
    let mut response = error_response(&ApiError::new(ErrorKind::MethodNotAllowed, text));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The translation header: `field;kind;"why"`, comma-separated; ASCII, cut at 4 KiB.
fn notes_header(notes: &[Note]) -> Option<HeaderValue> {
    if notes.is_empty() {
        return None;
    }
    let mut text = String::new();
    for note in notes {
        let entry =
            format!("{};{};\"{}\"", note.field, note.kind.as_str(), note.why.replace(['"', '\\'], "'"));
        if text.len() + entry.len() + 2 > MAX_NOTES {
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.extend(entry.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }));
    }
    HeaderValue::from_str(&text).ok()
}
