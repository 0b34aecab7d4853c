//! Errors of the demo provider: its own codes to our kinds.

use super::wire::{ErrorBody, WireError};
use crate::{AdapterError, UpstreamError, UpstreamErrorKind};

/// Status, code and message of every error the demo model makes.
const TABLE: &[(u16, &str, UpstreamErrorKind, &str)] = &[
    (
        400,
        "invalid_request",
        UpstreamErrorKind::InvalidRequest,
        "The demo model was asked to refuse the request.",
    ),
    (401, "invalid_key", UpstreamErrorKind::Auth, "The demo model was asked to refuse the key."),
    (402, "quota_used_up", UpstreamErrorKind::Quota, "The demo model was asked to have no quota left."),
    (403, "forbidden", UpstreamErrorKind::Auth, "The demo model was asked to forbid the request."),
    (404, "model_not_found", UpstreamErrorKind::ModelNotFound, "The demo provider has no such model."),
    (408, "timeout", UpstreamErrorKind::Timeout, "The demo model was asked to run out of time."),
    (
        413,
        "too_large",
        UpstreamErrorKind::TooLarge,
        "The demo model was asked to find the request too large.",
    ),
    (429, "rate_limited", UpstreamErrorKind::RateLimit, "The demo model was asked to limit the rate."),
    (500, "server_error", UpstreamErrorKind::Server, "The demo model was asked to fail."),
    (503, "overloaded", UpstreamErrorKind::Overloaded, "The demo model was asked to have no capacity."),
    (504, "timeout", UpstreamErrorKind::Timeout, "The demo model was asked to run out of time."),
    (529, "overloaded", UpstreamErrorKind::Overloaded, "The demo model was asked to have no capacity."),
];

/// Code and message that the demo model sends with a status.
pub fn error_words(status: u16) -> (&'static str, &'static str) {
    let general = if status < 500 { 400 } else { 500 };
    let row = |wanted: u16| TABLE.iter().find(|(s, ..)| *s == wanted);
    row(status).or_else(|| row(general)).map_or(("", ""), |(_, code, _, message)| (code, message))
}

/// Kind of an error code; `status` decides where the code is not known.
fn kind(code: &str, status: Option<u16>) -> UpstreamErrorKind {
    let by_code = TABLE.iter().find(|(_, c, ..)| *c == code);
    let by_status = || TABLE.iter().find(|(s, ..)| Some(*s) == status);
    match (by_code.or_else(by_status), status) {
        (Some((_, _, kind, _)), _) => *kind,
        (None, Some(400..=499)) => UpstreamErrorKind::InvalidRequest,
        (None, _) => UpstreamErrorKind::Server,
    }
}

/// An error with its class and code; an empty code is none.
fn of_code(code: &str, status: Option<u16>) -> UpstreamError {
    let given = (!code.is_empty()).then(|| code.to_owned());
    UpstreamError { status, code: given, ..UpstreamError::of_kind(kind(code, status)) }
}

/// Reads an error body; what is not ours is known by its status alone.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let error = serde_json::from_slice::<ErrorBody>(body).map(|b| b.error).unwrap_or_default();
    let message = if error.message.is_empty() {
        format!("The demo provider answered with status {status}.")
    } else {
        error.message
    };
    UpstreamError { message, retry_after_s, ..of_code(&error.code, Some(status)) }
}

/// An error line in an answer.
pub(super) fn inside(error: WireError) -> AdapterError {
    AdapterError::Upstream(UpstreamError { message: error.message, ..of_code(&error.code, None) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: UpstreamErrorKind, code: Option<&str>) {
        let error = read(status, Some(3), body.as_bytes());
        assert_eq!((error.kind, error.code.as_deref(), error.status), (kind, code, Some(status)));
        assert_eq!(error.retry_after_s, Some(3));
        assert!(!error.message.is_empty());
    }

    #[test]
    fn the_code_decides_before_the_status() {
        let body = r#"{"error":{"code":"quota_used_up","message":"No."}}"#;
        check(429, body, UpstreamErrorKind::Quota, Some("quota_used_up"));
    }

    #[test]
    fn a_foreign_body_is_known_by_its_status() {
        check(429, "<html>", UpstreamErrorKind::RateLimit, None);
        check(418, "{}", UpstreamErrorKind::InvalidRequest, None);
        check(599, "", UpstreamErrorKind::Server, None);
        check(503, r#"{"error":{"code":"new"}}"#, UpstreamErrorKind::Overloaded, Some("new"));
    }
}
