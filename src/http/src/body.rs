//! Reads a request's body within its limits.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, BytesMut};
use bytes::Bytes;
use futures_util::StreamExt as _;
use or_bounds::Reservation;
use or_protocol::{ApiError, ErrorKind};
use or_telemetry::ClientFault;
use tokio::time::{Instant, timeout_at};

use crate::connection;
use crate::state::{AppState, UploadLimits};

/// Most bytes that are made ready for a body because it says that it is so long.
const MAX_ANNOUNCED: usize = 1 << 20;
/// How long a body may take to come to its pace.
const GRACE: Duration = Duration::from_secs(10);

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

/// A request's body, and the room it takes.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) bytes: Bytes,
    /// To be kept as long as the bytes are.
    pub(crate) held: Reservation,
}

/// When a body is too slow.
struct Pace {
    begun: Instant,
    /// Longest silence.
    silence: Duration,
    upload: UploadLimits,
}

impl Pace {
    /// By when more must have come, if this many bytes are there.
    fn due(&self, bytes: usize) -> Instant {
        let due = (Instant::now() + self.silence).min(self.begun + self.upload.timeout);
        let rate = self.upload.min_bytes_per_s;
        if rate == 0 {
            return due;
        }
        due.min(self.begun + GRACE + Duration::from_secs(bytes as u64 / rate))
    }
}

/// The whole JSON body, up to the server's limit; see [`read_up_to`].
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &AppState,
) -> Result<Upload, ApiError> {
    read_up_to(state.options.max_body_bytes, request, payload, state).await
}

/// The whole JSON body: 415 for another type or a compressed one, 413 above the limit, 400 if it does not come or comes
/// too slowly, 503 while there is no room for it. Room is taken as the bytes come: what is announced costs nobody
/// anything.
pub(crate) async fn read_up_to(
    limit: usize,
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &AppState,
) -> Result<Upload, ApiError> {
    check_type(request)?;
    check_encoding(request)?;
    let options = &state.options;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|n| n > limit) {
        return Err(too_large(limit));
    }
    let pace = Pace { begun: Instant::now(), silence: options.client_write_timeout, upload: options.upload };
    let uploading = connection::upload(request);
    let mut held = state.node.budget.reserve(0)?;
    let mut whole = BytesMut::new();
    loop {
        let chunk = match timeout_at(pace.due(whole.len()), payload.next()).await {
            Ok(None) => {
                uploading.done();
                return Ok(Upload { bytes: whole.freeze(), held });
            }
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                let text = format!("The request body could not be read: {error}.");
                return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_body"));
            }
            Err(_) => {
                state.node.metrics.client_dropped(ClientFault::SlowUpload);
                let text = "The request body did not arrive in time.";
                return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("body_timeout"));
            }
        };
        let needed = whole.len() + chunk.len();
        if needed > limit {
            return Err(too_large(limit));
        }
        held.grow(chunk.len())?;
        if needed > whole.capacity() {
            let room = match length {
                // Few steps, because each leaves a copy behind; but only who sends much gets much made ready.
                Some(announced) => announced.min(MAX_ANNOUNCED.max(8 * whole.len())),
                None => (2 * whole.len()).min(limit),
            };
            whole.reserve(room.max(needed) - whole.len());
        }
        whole.extend_from_slice(&chunk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_must_come_at_a_pace() {
        let upload = UploadLimits { timeout: Duration::from_secs(100), min_bytes_per_s: 1000 };
        let begun = Instant::now();
        let pace = |silence, upload| Pace { begun, silence: Duration::from_secs(silence), upload };
        let due = |pace: &Pace, bytes| pace.due(bytes).duration_since(begun).as_secs();
        assert_eq!(due(&pace(60, upload), 0), 10);
        assert_eq!(due(&pace(60, upload), 20_500), 30);
        assert_eq!(due(&pace(60, upload), 1 << 20), 60);
        assert_eq!(due(&pace(200, upload), 1 << 20), 100);
        let no_rate = UploadLimits { min_bytes_per_s: 0, ..upload };
        assert_eq!(due(&pace(60, no_rate), 0), 60);
    }
}
