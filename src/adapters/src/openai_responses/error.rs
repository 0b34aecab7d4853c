//! Errors of all hosts, as HTTP bodies and inside answers.

use serde_json::Value;
use serde_json::value::RawValue;

use super::wire::parse;
use crate::UpstreamErrorKind::{
    Auth, ContentFilter, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Quota, RateLimit, Server,
    Timeout, TooLarge,
};
use crate::{AdapterError, UpstreamError, UpstreamErrorKind};

/// Codes and types as the hosts write them. A code is looked up first, then the type.
const WORDS: &[(&str, UpstreamErrorKind)] = &[
    ("invalid_api_key", Auth),
    ("authentication_error", Auth),
    ("invalid_authentication", Auth),
    ("account_deactivated", Auth),
    ("permission_error", Auth),
    ("permission_denied", Auth),
    ("PermissionDenied", Auth),
    ("unauthorized", Auth),
    ("insufficient_quota", Quota),
    ("billing_hard_limit_reached", Quota),
    ("billing_not_active", Quota),
    ("insufficient_balance", Quota),
    ("usage_limit_reached", Quota),
    ("usage_not_included", Quota),
    ("rate_limit_exceeded", RateLimit),
    ("rate_limit_error", RateLimit),
    ("too_many_requests", RateLimit),
    ("requests", RateLimit),
    ("tokens", RateLimit),
    ("context_length_exceeded", ContextLength),
    ("exceed_context_size_error", ContextLength),
    ("model_not_found", ModelNotFound),
    ("model_not_available", ModelNotFound),
    ("DeploymentNotFound", ModelNotFound),
    ("content_filter", ContentFilter),
    ("content_policy_violation", ContentFilter),
    ("invalid_prompt", ContentFilter),
    ("bio_policy", ContentFilter),
    ("misalignment_policy_violation", ContentFilter),
    ("cyber_policy_violation", ContentFilter),
    ("image_content_policy_violation", ContentFilter),
    ("request_too_large", TooLarge),
    ("image_too_large", TooLarge),
    ("image_file_too_large", TooLarge),
    ("overloaded", Overloaded),
    ("overloaded_error", Overloaded),
    ("server_is_overloaded", Overloaded),
    ("model_overloaded", Overloaded),
    ("slow_down", Overloaded),
    ("service_unavailable", Overloaded),
    ("vector_store_timeout", Timeout),
    ("timeout", Timeout),
    ("server_error", Server),
    ("internal_error", Server),
    ("internal_server_error", Server),
    ("data_residency_mismatch", InvalidRequest),
    ("invalid_image", InvalidRequest),
    ("invalid_image_format", InvalidRequest),
    ("invalid_base64_image", InvalidRequest),
    ("invalid_image_url", InvalidRequest),
    ("image_too_small", InvalidRequest),
    ("image_parse_error", InvalidRequest),
    ("invalid_image_mode", InvalidRequest),
    ("unsupported_image_media_type", InvalidRequest),
    ("empty_image_file", InvalidRequest),
    ("failed_to_download_image", InvalidRequest),
    ("image_file_not_found", InvalidRequest),
];

/// Words of messages for hosts that have no code for it. All must occur, in lower case.
const PHRASES: &[(&[&str], UpstreamErrorKind)] = &[
    (&["context length"], ContextLength),
    (&["context window"], ContextLength),
    (&["maximum prompt length"], ContextLength),
    (&["model not found"], ModelNotFound),
    (&["model", "does not exist"], ModelNotFound),
    (&["incorrect api key"], Auth),
    (&["invalid api key"], Auth),
    (&["authentication token"], Auth),
];

/// Longest message that is handed on, in characters.
const MAX_MESSAGE: usize = 2000;

/// An answer whose status is not 2xx.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let value = serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        // A page of a proxy helps nobody.
        if text.starts_with('<') { Value::Null } else { Value::String(text.to_owned()) }
    });
    from_value(Some(status), retry_after_s, &value)
}

/// An `error` member inside an answer: an object or a string.
pub(super) fn from_raw(raw: &RawValue) -> AdapterError {
    match parse::<Value>(raw.get()) {
        Ok(value) => inside(&value),
        Err(error) => error,
    }
}

/// An error in an answer, in any of the shapes.
pub(super) fn inside(value: &Value) -> AdapterError {
    AdapterError::Upstream(from_value(None, None, value))
}

/// An answer that the provider ended with a failure but without an error object.
pub(super) fn ended(message: &str) -> AdapterError {
    AdapterError::Upstream(UpstreamError {
        kind: UpstreamErrorKind::Server,
        status: None,
        message: message.to_owned(),
        code: None,
        retry_after_s: None,
    })
}

/// Whether an object is an error rather than anything else.
pub(super) fn is_error(value: &Value) -> bool {
    let has = |key| value.get(key).is_some_and(|v| !v.is_null());
    has("error") || has("detail") || has("message")
}

/// An error in any of the known shapes: nested, flat, with a string in place of the object, or as
/// `detail`.
fn from_value(status: Option<u16>, retry_after_s: Option<u64>, value: &Value) -> UpstreamError {
    let inner = match value.get("error") {
        Some(inner) if inner.is_object() => inner,
        _ => value,
    };
    let (message, number) = (message(inner, value), number(inner).or_else(|| number(value)));
    let code = word(inner, "code").or_else(|| word(value, "code"));
    let kind = kind(status.or(number), code, word(inner, "type"), &message);
    let message = if message.is_empty() { default_message(status) } else { message };
    UpstreamError { kind, status, message, code: code.map(str::to_owned), retry_after_s }
}

fn word<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str).filter(|w| !w.is_empty() && *w != "error")
}

/// Some hosts repeat the HTTP status as a number.
fn number(value: &Value) -> Option<u16> {
    let number = ["code", "status", "status_code"].into_iter().find_map(|key| value.get(key)?.as_u64())?;
    u16::try_from(number).ok().filter(|n| (400..600).contains(n))
}

fn message(inner: &Value, outer: &Value) -> String {
    // OpenRouter hides the upstream's own words there.
    let raw = inner.pointer("/metadata/raw").and_then(Value::as_str);
    let text = inner
        .get("message")
        .or_else(|| inner.get("Message"))
        .or_else(|| outer.get("error"))
        .or_else(|| outer.get("detail"))
        .or_else(|| outer.get("message"))
        .unwrap_or(outer);
    let text = match text {
        Value::String(text) => text.clone(),
        // FastAPI lists what is wrong.
        Value::Array(list) => {
            let all = list.iter().filter_map(|e| e.get("msg").and_then(Value::as_str));
            all.collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    };
    let text = match raw {
        Some(raw) if !raw.is_empty() => format!("{text}: {raw}"),
        _ => text,
    };
    text.chars().take(MAX_MESSAGE).collect()
}

fn default_message(status: Option<u16>) -> String {
    match status {
        Some(status) => format!("The model provider answered with status {status}."),
        None => "The model provider reported an error.".to_owned(),
    }
}

fn kind(status: Option<u16>, code: Option<&str>, class: Option<&str>, message: &str) -> UpstreamErrorKind {
    let known = |word: &str| WORDS.iter().find(|(w, _)| *w == word).map(|(_, kind)| *kind);
    if let Some(kind) = code.and_then(known) {
        return kind;
    }
    // A host's gateway knows better than its words, except for what is the request's fault.
    match status {
        Some(401 | 403) => return Auth,
        Some(402) => return Quota,
        Some(408 | 504) => return Timeout,
        Some(413) => return TooLarge,
        Some(429) if class.and_then(known) == Some(Quota) => return Quota,
        Some(429) => return RateLimit,
        Some(503 | 529) => return Overloaded,
        _ => {}
    }
    let lower = message.to_lowercase();
    if let Some((_, kind)) = PHRASES.iter().find(|(words, _)| words.iter().all(|w| lower.contains(w))) {
        return *kind;
    }
    if let Some(kind) = class.and_then(known) {
        return kind;
    }
    match (status, class) {
        (Some(400..=499), _) | (None, Some("invalid_request_error")) => InvalidRequest,
        _ => Server,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: UpstreamErrorKind, message: &str, code: Option<&str>) {
        let got = read(status, None, body.as_bytes());
        assert_eq!((got.kind, got.message.as_str(), got.code.as_deref()), (kind, message, code));
    }

    #[test]
    fn each_vendor_has_its_own_body() {
        check(
            401,
            r#"{"error":{"message":"Wrong key.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            Auth,
            "Wrong key.",
            Some("invalid_api_key"),
        );
        check(
            400,
            r#"{"code":"invalid-argument","error":"Model not found: grok-0"}"#,
            ModelNotFound,
            "Model not found: grok-0",
            Some("invalid-argument"),
        );
        check(
            400,
            r#"{"code":"x","error":"Incorrect API key provided: a"}"#,
            Auth,
            "Incorrect API key provided: a",
            Some("x"),
        );
        check(401, r#"{"detail":"No token."}"#, Auth, "No token.", None);
        check(422, r#"{"detail":[{"msg":"Field required"}]}"#, InvalidRequest, "Field required", None);
        check(502, "<html>Bad Gateway</html>", Server, "The model provider answered with status 502.", None);
        check(500, "oops", Server, "oops", None);
        check(503, "", Overloaded, "The model provider answered with status 503.", None);
    }

    #[test]
    fn the_code_decides_before_the_status() {
        check(
            429,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Quota,
            "m",
            Some("insufficient_quota"),
        );
        check(429, r#"{"error":{"message":"m","type":"insufficient_quota"}}"#, Quota, "m", None);
        check(
            400,
            r#"{"error":{"message":"m","code":"context_length_exceeded"}}"#,
            ContextLength,
            "m",
            Some("context_length_exceeded"),
        );
        check(
            400,
            r#"{"error":{"message":"m","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            ContentFilter,
            "m",
            Some("content_filter"),
        );
        check(
            400,
            r#"{"error":{"message":"Bad 'x'.","code":"unknown_parameter"}}"#,
            InvalidRequest,
            "Bad 'x'.",
            Some("unknown_parameter"),
        );
    }

    #[test]
    fn inside_a_stream_there_is_no_status() {
        let value = serde_json::json!({"type": "error", "code": "slow_down", "message": "m", "param": null});
        let got = from_value(None, None, &value);
        assert_eq!((got.kind, got.status), (Overloaded, None));
        let value = serde_json::json!({"error": {"code": 502, "message": "m"}});
        assert_eq!(from_value(None, None, &value).kind, Server);
    }
}
