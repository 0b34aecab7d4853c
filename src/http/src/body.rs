//! Reads a request's body within its limits.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, BytesMut};
use bytes::Bytes;
use futures_util::StreamExt as _;
use or_protocol::{ApiError, ErrorKind};
use tokio::time::timeout;

use crate::state::HttpOptions;

fn too_large(limit: usize) -> ApiError {
    let text = format!("The request body is larger than this server's limit of {limit} bytes.");
    ApiError::new(ErrorKind::TooLarge, text).with_code("request_too_large")
}

fn check_type(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(value) = request.headers().get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json") {
        return Ok(());
    }
    let message = format!(
        "Unsupported content type: '{}'. This API method only accepts 'application/json' requests.",
        essence.chars().take(100).collect::<String>()
    );
    Err(ApiError::new(ErrorKind::UnsupportedMediaType, message).with_code("unsupported_content_type"))
}

fn check_encoding(request: &HttpRequest) -> Result<(), ApiError> {
    let Some(value) = request.headers().get(CONTENT_ENCODING) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() || text.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let message = format!(
        "Unsupported content encoding: '{}'. Send the body as it is, without compression.",
        text.chars().take(100).collect::<String>()
    );
    Err(ApiError::new(ErrorKind::UnsupportedMediaType, message).with_code("unsupported_content_encoding"))
}

/// The whole JSON body: 415 for another type or a compressed one, 413 above the limit, 400 if it does not come.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    options: &HttpOptions,
) -> Result<Bytes, ApiError> {
    check_type(request)?;
    check_encoding(request)?;
    let limit = options.max_body_bytes;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|n| n > limit) {
        return Err(too_large(limit));
    }
    let mut whole = BytesMut::new();
    loop {
        let chunk = match timeout(options.body_timeout, payload.next()).await {
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                let text = format!("The request body could not be read: {error}.");
                return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_body"));
            }
            Err(_) => {
                let text = "The request body did not arrive in time.";
                return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("body_timeout"));
            }
        };
        if whole.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        if whole.is_empty() {
            whole.reserve(length.unwrap_or_default().max(chunk.len()));
        }
        whole.extend_from_slice(&chunk);
    }
}
