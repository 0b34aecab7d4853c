//! Errors of all hosts: many shapes, one class, by tables.

use serde_json::Value;

use crate::{AdapterError, UpstreamError, UpstreamErrorKind as Kind};

/// Longest message that is handed on, in characters.
const MAX_MESSAGE: usize = 2000;

/// Codes and types that say what it is.
const CODES: &[(&str, Kind)] = &[
    ("context_length_exceeded", Kind::ContextLength),
    ("exceed_context_size_error", Kind::ContextLength),
    ("model_not_found", Kind::ModelNotFound),
    ("invalid_model", Kind::ModelNotFound),
    ("insufficient_quota", Kind::Quota),
    ("rate_limit_exceeded", Kind::RateLimit),
    ("rate_limit_error", Kind::RateLimit),
    ("invalid_api_key", Kind::Auth),
    ("authentication_error", Kind::Auth),
    ("content_filter", Kind::ContentFilter),
    ("content_policy_violation", Kind::ContentFilter),
    ("data_inspection_failed", Kind::ContentFilter),
    ("overloaded_error", Kind::Overloaded),
    // The model wrote a call that the host refuses: no fault of the request.
    ("tool_use_failed", Kind::Server),
];

/// Phrases of messages, in lower case, for hosts without telling codes. All words of an entry must occur.
const PHRASES: &[(&[&str], Kind)] = &[
    (&["maximum context length"], Kind::ContextLength),
    (&["max context length"], Kind::ContextLength),
    (&["context length exceeded"], Kind::ContextLength),
    (&["exceeds", "context length"], Kind::ContextLength),
    (&["exceed", "context size"], Kind::ContextLength),
    (&["exceed", "context window"], Kind::ContextLength),
    (&["prompt is too long"], Kind::ContextLength),
    (&["prompt too long"], Kind::ContextLength),
    (&["exceeded your current quota"], Kind::Quota),
    (&["insufficient balance"], Kind::Quota),
    (&["insufficient credits"], Kind::Quota),
    (&["any credits"], Kind::Quota),
    (&["incorrect api key"], Kind::Auth),
    (&["model", "does not exist"], Kind::ModelNotFound),
    (&["model", "not found"], Kind::ModelNotFound),
    (&["invalid model"], Kind::ModelNotFound),
];

/// Mistakes in a request that some local servers answer with 500.
const FAULTS_AS_500: &[&str] =
    &["cannot use both", "failed to parse", "unsupported", "not supported", "must be", "invalid"];

/// The parts of an error, from whatever shape.
struct Parts {
    message: String,
    code: Option<String>,
    kind: Option<String>,
    status: Option<u16>,
}

/// Reads an answer whose status is not 2xx.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let text = String::from_utf8_lossy(body);
    let parts = serde_json::from_str::<Value>(&text).ok().and_then(|v| parts(&v));
    let parts = parts.unwrap_or_else(|| Parts {
        message: plain(&text).unwrap_or_else(|| format!("The model provider answered with status {status}.")),
        code: None,
        kind: None,
        status: None,
    });
    build(parts, Some(status), retry_after_s)
}

/// Reads an error inside a 2xx answer.
pub(super) fn inside(text: &str) -> AdapterError {
    let parts = serde_json::from_str::<Value>(text).ok().and_then(|v| parts(&v));
    let parts = parts.unwrap_or_else(|| Parts {
        message: "The model provider reported an error inside its answer.".to_owned(),
        code: None,
        kind: None,
        status: None,
    });
    AdapterError::Upstream(build(parts, None, None))
}

/// An error body that came in place of an answer.
pub(super) fn flat(text: &str) -> Option<AdapterError> {
    let value = serde_json::from_str::<Value>(text).ok()?;
    parts(&value).map(|parts| AdapterError::Upstream(build(parts, None, None)))
}

/// An error body among the bytes outside any frame.
pub(super) fn stray(bytes: &[u8]) -> Option<AdapterError> {
    let text = String::from_utf8_lossy(bytes);
    let (_, object) = text.split_at_checked(text.find('{')?)?;
    let value = serde_json::Deserializer::from_str(object).into_iter::<Value>().next()?.ok()?;
    parts(&value).map(|parts| AdapterError::Upstream(build(parts, None, None)))
}

/// An answer that the host ended with a failure but without an error object.
pub(super) fn ended(kind: Kind, message: &str) -> AdapterError {
    let message = message.to_owned();
    AdapterError::Upstream(UpstreamError { kind, status: None, message, code: None, retry_after_s: None })
}

fn parts(body: &Value) -> Option<Parts> {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    let choice = body.pointer("/choices/0/error");
    let error = match body.get("error").filter(|e| !e.is_null()).or(choice) {
        Some(Value::String(message)) => {
            let code = text(body.get("code"));
            return Some(Parts { message: message.clone(), code, kind: None, status: None });
        }
        Some(error) => error,
        None => body,
    };
    let message = text(error.get("message"))
        .or_else(|| details(error.get("message")?))
        .or_else(|| details(error.get("detail")?))
        .or_else(|| details(body.get("detail")?))
        .or_else(|| text(error.get("msg")))?;
    let numeric = |key: &str| {
        let number = error.get(key).and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))?;
        u16::try_from(number).ok().filter(|n| (400..600).contains(n))
    };
    let code = text(error.get("code"));
    Some(Parts {
        message: match hidden(error) {
            Some(raw) if !message.contains(&raw) => format!("{message}: {raw}"),
            _ => message,
        },
        // A status in place of a code says nothing.
        code: code.filter(|c| !(c.len() == 3 && c.bytes().all(|b| b.is_ascii_digit()))),
        kind: text(error.get("type")),
        status: numeric("status_code").or_else(|| numeric("code")),
    })
}

/// OpenRouter's copy of what the host behind it said.
fn hidden(error: &Value) -> Option<String> {
    let raw = error.pointer("/metadata/raw")?;
    match raw {
        Value::String(raw) => match serde_json::from_str::<Value>(raw) {
            Ok(inner) => parts(&inner).map(|p| p.message),
            Err(_) => Some(raw.clone()).filter(|r| !r.is_empty()),
        },
        inner => parts(inner).map(|p| p.message),
    }
}

/// Validation errors as a text, or as a list of `{loc, msg}`.
fn details(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(map) => details(map.get("detail")?),
        Value::Array(list) => {
            let one = |entry: &Value| {
                let message = entry.get("msg").and_then(Value::as_str)?;
                let place = entry.get("loc").and_then(Value::as_array).into_iter().flatten();
                let place: Vec<String> = place.filter_map(|p| text(Some(p))).collect();
                Some(if place.is_empty() {
                    message.to_owned()
                } else {
                    format!("{}: {message}", place.join("."))
                })
            };
            let all: Vec<String> = list.iter().filter_map(one).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        _ => None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A body that is no JSON, if it is a short text and not a page.
fn plain(body: &str) -> Option<String> {
    let body = body.trim();
    // `{}` tells a client nothing.
    let says_something = body.chars().any(char::is_alphabetic);
    (says_something && body.len() < 500 && !body.starts_with('<')).then(|| body.to_owned())
}

fn build(parts: Parts, status: Option<u16>, retry_after_s: Option<u64>) -> UpstreamError {
    let kind = classify(&parts, status.or(parts.status));
    let mut message: String = parts.message.chars().take(MAX_MESSAGE).collect();
    if kind == Kind::Auth {
        message = without_keys(&message);
    }
    UpstreamError { kind, status, message, code: parts.code, retry_after_s }
}

fn classify(parts: &Parts, status: Option<u16>) -> Kind {
    let lower = parts.message.to_lowercase();
    let by_code = |word: &Option<String>| {
        let word = word.as_deref()?;
        CODES.iter().find(|(code, _)| *code == word).map(|(_, kind)| *kind)
    };
    let by_phrase = || {
        let all = |words: &[&str]| words.iter().all(|w| lower.contains(w));
        PHRASES.iter().find(|(words, _)| all(words)).map(|(_, kind)| *kind)
    };
    let named = by_code(&parts.code).or_else(|| by_code(&parts.kind));
    match (status, named) {
        (Some(401), _) => Kind::Auth,
        (Some(402), _) => Kind::Quota,
        (Some(403), _) if lower.contains("moderation") || lower.contains("flagged") => Kind::ContentFilter,
        (Some(403), None) => by_phrase().unwrap_or(Kind::Auth),
        (Some(429), None) => by_phrase().filter(|k| *k == Kind::Quota).unwrap_or(Kind::RateLimit),
        (_, Some(kind)) => kind,
        (Some(400 | 404 | 422), None) => by_phrase().unwrap_or(Kind::InvalidRequest),
        (Some(408 | 504 | 524), None) => Kind::Timeout,
        (Some(413), None) => Kind::TooLarge,
        (Some(498 | 503 | 529), None) => Kind::Overloaded,
        (Some(500), None) if by_phrase() == Some(Kind::ContextLength) => Kind::ContextLength,
        (Some(500), None) if FAULTS_AS_500.iter().any(|p| lower.contains(p)) => Kind::InvalidRequest,
        (Some(400..=499), None) => Kind::InvalidRequest,
        (Some(_), None) => Kind::Server,
        (None, None) => by_phrase().unwrap_or(match parts.kind.as_deref() {
            Some("invalid_request_error" | "BadRequestError") => Kind::InvalidRequest,
            _ => Kind::Server,
        }),
    }
}

/// Hosts repeat parts of the key in such messages.
fn without_keys(message: &str) -> String {
    let secret = |word: &str| word.contains("***") || word.contains("sk-") || word.contains("gsk_");
    let words = message.split(' ').map(|word| if secret(word) { "[key]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let error = read(status, None, body.as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (kind, message));
    }

    #[test]
    fn error_bodies_of_all_shapes_are_read() {
        check(
            422,
            r#"{"object":"error","message":{"detail":[{"loc":["body","store"],"msg":"Extra inputs"}]}}"#,
            Kind::InvalidRequest,
            "body.store: Extra inputs",
        );
        check(401, r#"{"detail":"no"}"#, Kind::Auth, "no");
        check(
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-ab***cd."}}"#,
            Kind::Auth,
            "Incorrect API key provided: [key]",
        );
        check(
            502,
            r#"{"error":{"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"boom\"}}"}}}"#,
            Kind::Server,
            "Provider returned error: boom",
        );
        check(
            429,
            r#"{"error":{"message":"You exceeded your current quota"}}"#,
            Kind::Quota,
            "You exceeded your current quota",
        );
        check(503, "<html>", Kind::Overloaded, "The model provider answered with status 503.");
        check(504, "", Kind::Timeout, "The model provider answered with status 504.");
        check(413, "too big", Kind::TooLarge, "too big");
    }
}
