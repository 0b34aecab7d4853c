//! The provider's errors: as an answer with a status, or inside a stream.

use serde_json::Value;

use crate::{AdapterError, UpstreamError, UpstreamErrorKind as Kind};

/// Longest foreign text that is shown to a client, in bytes.
const MAX_TEXT: usize = 500;

/// `error.type` to kind. `api_error` says nothing more than the status does.
const TYPES: &[(&str, Kind)] = &[
    ("invalid_request_error", Kind::InvalidRequest),
    ("authentication_error", Kind::Auth),
    ("permission_error", Kind::Auth),
    ("billing_error", Kind::Quota),
    ("request_too_large", Kind::TooLarge),
    ("rate_limit_error", Kind::RateLimit),
    ("timeout_error", Kind::Timeout),
    ("overloaded_error", Kind::Overloaded),
    ("conflict_error", Kind::Server),
];

/// Words inside the message of an `invalid_request_error` that tell more than its type.
const WORDS: &[(&str, Kind)] = &[
    ("prompt is too long", Kind::ContextLength),
    ("exceed context limit", Kind::ContextLength),
    ("context window", Kind::ContextLength),
    ("credit balance is too low", Kind::Quota),
    ("usage limits", Kind::Quota),
    ("spend limit", Kind::Quota),
    ("content filtering policy", Kind::ContentFilter),
];

/// Reads an error answer.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let error = parsed.as_ref().and_then(|v| v.get("error"));
    let mut out = from_value(error, Some(status));
    if out.message.is_empty() {
        out.message = fallback(parsed.as_ref(), status, body);
    }
    out.retry_after_s = retry_after_s;
    out
}

/// Reads the `error` object of a stream event or of an answer without an error status.
pub(super) fn inside(text: &str) -> AdapterError {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let mut out = from_value(parsed.as_ref(), None);
    if out.message.is_empty() {
        out.message = "The model provider reported an error.".into();
    }
    AdapterError::Upstream(out)
}

fn from_value(error: Option<&Value>, status: Option<u16>) -> UpstreamError {
    let text = |key: &str| error.and_then(|e| e.get(key)).and_then(Value::as_str).unwrap_or_default();
    let message = match error {
        Some(Value::String(message)) => message.as_str(),
        _ => text("message"),
    };
    let code = error.and_then(|e| e.pointer("/details/error_code")).and_then(Value::as_str);
    UpstreamError {
        kind: kind(text("type"), message, status),
        status,
        message: message.to_owned(),
        code: code.map(str::to_owned),
        retry_after_s: None,
    }
}

fn kind(word: &str, message: &str, status: Option<u16>) -> Kind {
    if word == "not_found_error" {
        let model = message.to_ascii_lowercase().starts_with("model");
        return if model { Kind::ModelNotFound } else { Kind::InvalidRequest };
    }
    let known = TYPES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
    let kind = known.unwrap_or_else(|| by_status(status.unwrap_or(500)));
    if kind == Kind::InvalidRequest {
        let lower = message.to_ascii_lowercase();
        if let Some((_, better)) = WORDS.iter().find(|(words, _)| lower.contains(words)) {
            return *better;
        }
    }
    kind
}

fn by_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::Auth,
        402 => Kind::Quota,
        // Without the provider's own words a 404 is a wrong base URL rather than a wrong model.
        404 | 409 => Kind::Server,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 => Kind::RateLimit,
        503 | 529 => Kind::Overloaded,
        400..=499 => Kind::InvalidRequest,
        _ => Kind::Server,
    }
}

fn fallback(parsed: Option<&Value>, status: u16, body: &[u8]) -> String {
    let said = ["message", "detail", "msg"].iter().find_map(|key| parsed?.get(*key)?.as_str());
    let text = match (said, parsed, std::str::from_utf8(body)) {
        (Some(said), _, _) => said,
        (None, None, Ok(text)) if !text.trim_start().starts_with('<') => text.trim(),
        _ => "",
    };
    if text.is_empty() || text.len() > MAX_TEXT {
        return format!("The model provider answered with status {status}.");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let got = read(status, None, body.as_bytes());
        assert_eq!((got.kind, got.message.as_str(), got.status), (kind, message, Some(status)));
    }

    fn typed(kind: &str, message: &str) -> String {
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#
        )
    }

    #[test]
    fn every_documented_type_has_its_kind() {
        for (status, word, kind) in [
            (400, "invalid_request_error", Kind::InvalidRequest),
            (401, "authentication_error", Kind::Auth),
            (403, "permission_error", Kind::Auth),
            (402, "billing_error", Kind::Quota),
            (409, "conflict_error", Kind::Server),
            (413, "request_too_large", Kind::TooLarge),
            (429, "rate_limit_error", Kind::RateLimit),
            (500, "api_error", Kind::Server),
            (504, "timeout_error", Kind::Timeout),
            (503, "api_error", Kind::Overloaded),
            (422, "api_error", Kind::InvalidRequest),
            (413, "api_error", Kind::TooLarge),
            (529, "overloaded_error", Kind::Overloaded),
            (529, "something_new", Kind::Overloaded),
        ] {
            check(status, &typed(word, "Words."), kind, "Words.");
        }
    }

    #[test]
    fn what_a_bad_request_is_about_is_read_from_its_words() {
        for (message, kind) in [
            ("prompt is too long: 210000 tokens > 200000 maximum", Kind::ContextLength),
            ("Your credit balance is too low to access the API.", Kind::Quota),
            ("You have reached your specified API usage limits.", Kind::Quota),
            ("messages: field required", Kind::InvalidRequest),
        ] {
            check(400, &typed("invalid_request_error", message), kind, message);
        }
    }

    #[test]
    fn only_a_missing_model_is_model_not_found() {
        check(404, &typed("not_found_error", "model: claude-x"), Kind::ModelNotFound, "model: claude-x");
        check(404, &typed("not_found_error", "File not found"), Kind::InvalidRequest, "File not found");
        let text = "The model provider answered with status 404.";
        check(404, "<html>nginx</html>", Kind::Server, text);
    }

    #[test]
    fn foreign_shapes_are_read_as_far_as_they_go() {
        check(429, r#"{"error":"slow down"}"#, Kind::RateLimit, "slow down");
        check(401, r#"{"detail":"no key"}"#, Kind::Auth, "no key");
        check(502, "bad gateway", Kind::Server, "bad gateway");
        check(500, "", Kind::Server, "The model provider answered with status 500.");
    }

    #[test]
    fn the_providers_own_code_is_kept() {
        let body = r#"{"error":{"type":"invalid_request_error","message":"m","details":{"error_code":"image_dimensions_too_large"}}}"#;
        let got = read(400, Some(3), body.as_bytes());
        assert_eq!((got.code.as_deref(), got.retry_after_s), (Some("image_dimensions_too_large"), Some(3)));
    }

    #[test]
    fn an_error_inside_a_stream_has_no_status() {
        let got = inside(r#"{"type":"overloaded_error","message":"Overloaded"}"#);
        let AdapterError::Upstream(got) = got else { panic!("{got}") };
        assert_eq!((got.kind, got.status), (Kind::Overloaded, None));
    }
}
