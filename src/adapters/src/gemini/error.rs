//! Gemini's error bodies, in and outside a stream.

use serde::Deserialize as _;
use serde_json::Value;

use super::wire::ErrorDetail;
use crate::shared::error_body::ErrorTable;
use crate::shared::lenient;
use crate::{UpstreamError, UpstreamErrorKind as Kind};

pub(super) const TABLE: ErrorTable = ErrorTable {
    code_at: "/status",
    words: &[
        ("UNAUTHENTICATED", Kind::Auth),
        ("PERMISSION_DENIED", Kind::Auth),
        // A region or billing condition of the key.
        ("FAILED_PRECONDITION", Kind::Auth),
        ("NOT_FOUND", Kind::ModelNotFound),
        ("RESOURCE_EXHAUSTED", Kind::RateLimit),
        ("UNAVAILABLE", Kind::Overloaded),
        ("DEADLINE_EXCEEDED", Kind::Timeout),
        ("CANCELLED", Kind::Server),
        ("INTERNAL", Kind::Server),
        ("INVALID_ARGUMENT", Kind::InvalidRequest),
        ("OUT_OF_RANGE", Kind::InvalidRequest),
    ],
    phrases: &[(&["api key not valid"], Kind::Auth), (&["payload size exceeds the limit"], Kind::TooLarge)],
    // The model is part of the path.
    statuses: &[(404, Kind::ModelNotFound)],
    refine: detailed,
};

/// What only Google's details say: that the key is bad, that a day's quota is used up, when to come back.
fn detailed(error: &mut UpstreamError, json: &str) {
    let body: Value = lenient::owned(json).unwrap_or_default();
    let body = body.get(0).unwrap_or(&body);
    let list = body.get("error").unwrap_or(body).get("details").and_then(Value::as_array);
    let read = |detail| ErrorDetail::deserialize(detail).ok();
    let details: Vec<ErrorDetail<'_>> = list.into_iter().flatten().filter_map(read).collect();
    let reason = |word: &str| details.iter().any(|d| d.reason.as_str().contains(word));
    if reason("API_KEY") || reason("ACCESS_TOKEN") {
        error.kind = Kind::Auth;
    }
    if error.kind == Kind::RateLimit && per_day(&details) {
        error.kind = Kind::Quota;
    }
    let told = details
        .iter()
        .find_map(|d| seconds(d.retry_delay.as_str()))
        .or_else(|| seconds(error.message.split_once("retry in ")?.1.split_inclusive('s').next()?));
    error.retry_after_s = told.or(error.retry_after_s);
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

/// Only a quota by the day is exhausted: waiting a minute does not help.
fn per_day(details: &[ErrorDetail<'_>]) -> bool {
    let mut ids = details
        .iter()
        .flat_map(|d| &d.violations.0)
        .map(|v| v.quota_id.as_str())
        .filter(|id| !id.is_empty())
        .peekable();
    ids.peek().is_some() && ids.any(|id| id.contains("PerDay"))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, want: Kind, retry: Option<u64>) {
        let got = TABLE.read(status, None, body.as_bytes());
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
        assert_eq!(TABLE.read(503, Some(7), b"{}").retry_after_s, Some(7));
    }
}
