//! Gemini's error bodies, in and outside a stream.

use serde_json::Value;

use super::wire::ErrorDetail;
use crate::{AdapterError, UpstreamError, UpstreamErrorKind};

/// Reads the body of an answer whose status is not 2xx.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let found = find(&String::from_utf8_lossy(body));
    let mut error = build(Some(status), &found.unwrap_or_default());
    error.retry_after_s = error.retry_after_s.or(retry_after_s);
    error
}

/// An error that stands in a 200 answer: the text is the chunk's `error` member.
pub(super) fn inside(json: &str) -> AdapterError {
    AdapterError::Upstream(build(None, &serde_json::from_str(json).unwrap_or_default()))
}

/// Looks for an error body in bytes outside any frame.
pub(super) fn stray(bytes: &[u8]) -> Option<AdapterError> {
    find(&String::from_utf8_lossy(bytes)).map(|body| AdapterError::Upstream(build(None, &body)))
}

/// `{"error":…}`, bare or in an array.
fn find(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text.trim()).ok()?;
    let value = match value {
        Value::Array(list) => list.into_iter().find(|v| v.get("error").is_some())?,
        other => other,
    };
    value.get("error").cloned()
}

/// From the `error` member: an object with `code`, `message`, `status`, `details`, or a mere text.
fn build(http: Option<u16>, body: &Value) -> UpstreamError {
    let word = |key: &str| body.get(key).and_then(Value::as_str).filter(|w| !w.is_empty());
    let details: Vec<ErrorDetail> = match body.get("details") {
        Some(Value::Array(list)) => {
            list.iter().filter_map(|d| serde_json::from_value(d.clone()).ok()).collect()
        }
        _ => Vec::new(),
    };
    let status = word("status").unwrap_or_default();
    let code = body.get("code").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let number = http.or(code).unwrap_or(500);
    let message = word("message")
        .or_else(|| body.as_str())
        .map_or_else(|| format!("The model provider answered with status {number}."), str::to_owned);
    let retry_after_s = details
        .iter()
        .find_map(|d| seconds(d.retry_delay.as_deref()?))
        .or_else(|| seconds(message.split_once("retry in ")?.1.split_inclusive('s').next()?));
    UpstreamError {
        kind: kind(number, status, &message, &details),
        status: http,
        message,
        code: (!status.is_empty()).then(|| status.to_owned()),
        retry_after_s,
    }
}

/// `34.4s` as whole seconds, rounded up.
fn seconds(text: &str) -> Option<u64> {
    let number = text.trim().trim_end_matches('.').strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let more = fraction.bytes().any(|b| b != b'0');
    Some(whole.parse::<u64>().ok()?.saturating_add(u64::from(more)))
}

fn kind(number: u16, status: &str, message: &str, details: &[ErrorDetail]) -> UpstreamErrorKind {
    let reason = |word: &str| details.iter().any(|d| d.reason.as_deref().is_some_and(|r| r.contains(word)));
    if reason("API_KEY") || reason("ACCESS_TOKEN") || message.starts_with("API key not valid") {
        return UpstreamErrorKind::Auth;
    }
    if message.contains("token count") && message.contains("exceeds the maximum number of tokens") {
        return UpstreamErrorKind::ContextLength;
    }
    if message.contains("payload size exceeds the limit") {
        return UpstreamErrorKind::TooLarge;
    }
    match (status, number) {
        ("UNAUTHENTICATED" | "PERMISSION_DENIED", _) | (_, 401 | 403) => UpstreamErrorKind::Auth,
        // A region or billing condition of the key.
        ("FAILED_PRECONDITION", 400) => UpstreamErrorKind::Auth,
        ("NOT_FOUND", _) | (_, 404) => UpstreamErrorKind::ModelNotFound,
        ("RESOURCE_EXHAUSTED", _) | (_, 429) => match per_day(details) {
            true => UpstreamErrorKind::Quota,
            false => UpstreamErrorKind::RateLimit,
        },
        ("UNAVAILABLE", _) | (_, 503) => UpstreamErrorKind::Overloaded,
        ("DEADLINE_EXCEEDED", _) | (_, 504 | 408) => UpstreamErrorKind::Timeout,
        (_, 413) => UpstreamErrorKind::TooLarge,
        ("CANCELLED" | "INTERNAL", _) | (_, 499) => UpstreamErrorKind::Server,
        ("INVALID_ARGUMENT" | "OUT_OF_RANGE", _) | (_, 400..=498) => UpstreamErrorKind::InvalidRequest,
        _ => UpstreamErrorKind::Server,
    }
}

/// Only a quota by the day is exhausted: waiting a minute does not help.
fn per_day(details: &[ErrorDetail]) -> bool {
    let mut ids = details
        .iter()
        .flat_map(|d| d.violations.iter().flatten())
        .filter_map(|v| v.quota_id.as_deref())
        .peekable();
    ids.peek().is_some() && ids.any(|id| id.contains("PerDay"))
}

#[cfg(test)]
mod tests {
    use UpstreamErrorKind as Kind;
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: Kind, retry: Option<u64>) {
        let got = read(status, None, body.as_bytes());
        assert_eq!((got.kind, got.retry_after_s, got.status), (want, retry, Some(status)), "{body}");
    }

    #[test]
    fn every_status_has_its_class() {
        let body = |status: &str, message: &str| {
            format!(r#"{{"error":{{"message":"{message}","status":"{status}"}}}}"#)
        };
        check(400, &body("INVALID_ARGUMENT", "bad"), Kind::InvalidRequest, None);
        check(400, &body("FAILED_PRECONDITION", "region"), Kind::Auth, None);
        check(401, &body("UNAUTHENTICATED", "no"), Kind::Auth, None);
        check(403, &body("PERMISSION_DENIED", "no"), Kind::Auth, None);
        check(404, &body("NOT_FOUND", "models/x is not found"), Kind::ModelNotFound, None);
        check(499, &body("CANCELLED", "x"), Kind::Server, None);
        check(500, &body("INTERNAL", "x"), Kind::Server, None);
        check(503, &body("UNAVAILABLE", "high demand"), Kind::Overloaded, None);
        check(504, &body("DEADLINE_EXCEEDED", "x"), Kind::Timeout, None);
        let long = "The input token count (9) exceeds the maximum number of tokens allowed (5).";
        check(400, &body("INVALID_ARGUMENT", long), Kind::ContextLength, None);
        check(502, "<html>", Kind::Server, None);
        check(400, &format!("[{}]", body("INVALID_ARGUMENT", "in a list")), Kind::InvalidRequest, None);
    }

    #[test]
    fn a_bad_key_is_no_fault_of_the_request() {
        let body = r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT",
            "details":[{"reason":"API_KEY_INVALID"}]}}"#;
        check(400, body, Kind::Auth, None);
    }

    #[test]
    fn the_retry_time_is_in_the_details_and_rounded_up() {
        let body = |delay: &str, quota: &str| {
            format!(
                r#"{{"error":{{"message":"m","status":"RESOURCE_EXHAUSTED","details":[
                {{"violations":[{{"quotaId":"{quota}"}}]}},{{"retryDelay":"{delay}"}}]}}}}"#
            )
        };
        check(429, &body("34.4s", "XPerMinute"), Kind::RateLimit, Some(35));
        check(429, &body("48s", "XPerMinute"), Kind::RateLimit, Some(48));
        check(429, &body("48s", "XPerDay"), Kind::Quota, Some(48));
        let text = r#"{"error":{"message":"Please retry in 1.5s.","status":"RESOURCE_EXHAUSTED"}}"#;
        check(429, text, Kind::RateLimit, Some(2));
    }

    #[test]
    fn a_header_fills_in_for_a_missing_delay() {
        assert_eq!(read(503, Some(7), b"{}").retry_after_s, Some(7));
    }
}
