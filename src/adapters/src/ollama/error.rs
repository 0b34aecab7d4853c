//! Error bodies: `{"error": "text"}` without type or code, so the text and the status decide.

use serde_json::Value;

use crate::{AdapterError, UpstreamError, UpstreamErrorKind as Kind};

/// Longest text of a body that is not JSON, in bytes, that is shown to the client.
const MAX_PLAIN: usize = 500;

/// Texts that tell more than the status; all in lower case, the first that occurs counts.
const TEXTS: &[(&str, Kind)] = &[
    ("exceeds the available context size", Kind::ContextLength),
    ("longer than the context length", Kind::ContextLength),
    ("exceeded max context length", Kind::ContextLength),
    ("exceeds the context length", Kind::ContextLength),
    ("exceeds maximum context length", Kind::ContextLength),
    ("usage limit", Kind::Quota),
    ("try pulling it first", Kind::ModelNotFound),
    ("does not support", Kind::InvalidRequest),
    ("illegal base64", Kind::InvalidRequest),
    ("invalid format", Kind::InvalidRequest),
    ("overloaded", Kind::Overloaded),
    ("server busy", Kind::Overloaded),
    ("unauthorized", Kind::Auth),
];

/// Reads an answer whose status is not 2xx.
pub(super) fn read(status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
    let value = serde_json::from_slice(body).unwrap_or_else(|_| plain(body));
    let found = Found::of(&value, status);
    UpstreamError {
        kind: kind(found.status.unwrap_or(status), &found.message),
        status: Some(status),
        message: found.message,
        code: found.code,
        retry_after_s,
    }
}

/// Reads the `error` of a line that broke off an answer.
pub(super) fn inside(error: &Value) -> AdapterError {
    let found = Found::of(error, 0);
    AdapterError::Upstream(UpstreamError {
        kind: kind(found.status.unwrap_or(0), &found.message),
        status: None,
        message: found.message,
        code: found.code,
        retry_after_s: None,
    })
}

/// A text that is no JSON; a page of markup says nothing to the client.
fn plain(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body.get(..MAX_PLAIN).unwrap_or(body)).trim().to_owned();
    if text.starts_with('<') { Value::Null } else { Value::String(text) }
}

struct Found {
    message: String,
    code: Option<String>,
    /// Status inside the text, which is nearer to the cause than the outer one.
    status: Option<u16>,
}

impl Found {
    fn of(value: &Value, status: u16) -> Self {
        let mut found = Self { message: String::new(), code: None, status: None };
        found.descend(value, 8);
        if found.message.is_empty() {
            found.message = match status {
                0 => "The model server reported an error without a text.".into(),
                status => format!("The model server answered with status {status}."),
            };
        }
        found
    }

    /// The runner's own JSON body may stand inside the text, and an object where a text is expected.
    fn descend(&mut self, value: &Value, depth: u8) {
        if depth == 0 {
            return;
        }
        match value {
            Value::String(text) => {
                let inner = text.trim_start().starts_with('{');
                match serde_json::from_str::<Value>(text) {
                    Ok(object) if inner => self.descend(&object, depth - 1),
                    _ => text.trim().clone_into(&mut self.message),
                }
            }
            Value::Object(map) => {
                match map.get("code").or_else(|| map.get("status_code")) {
                    Some(Value::String(code)) => self.code = Some(code.clone()),
                    Some(number) => {
                        self.status = number.as_u64().and_then(|n| u16::try_from(n).ok());
                    }
                    None => {}
                }
                if let Some(inner) = map.get("error").or_else(|| map.get("message")) {
                    self.descend(inner, depth - 1);
                }
            }
            _ => {}
        }
    }
}

fn kind(status: u16, message: &str) -> Kind {
    let text = message.to_lowercase();
    if let Some((_, kind)) = TEXTS.iter().find(|(part, _)| text.contains(part)) {
        return *kind;
    }
    match status {
        401 | 403 => Kind::Auth,
        402 => Kind::Quota,
        404 if text.contains("model") => Kind::ModelNotFound,
        408 | 504 => Kind::Timeout,
        413 => Kind::TooLarge,
        429 => Kind::RateLimit,
        // The server's word for a call that was broken off.
        499 => Kind::Server,
        400..=498 => Kind::InvalidRequest,
        503 => Kind::Overloaded,
        _ if text.contains("model") && text.contains("not found") => Kind::ModelNotFound,
        _ => Kind::Server,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, text: &str, want: Kind) {
        let body = json!({ "error": text }).to_string();
        let error = read(status, Some(3), body.as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (want, text));
        assert_eq!((error.status, error.retry_after_s), (Some(status), Some(3)));
    }

    #[test]
    fn status_and_text_give_the_kind() {
        check(400, "model is required", Kind::InvalidRequest);
        check(400, "registry.ollama.ai/library/gemma3:latest does not support tools", Kind::InvalidRequest);
        check(400, "\"gemma3\" does not support thinking", Kind::InvalidRequest);
        check(
            400,
            "the prompt is longer than the context length currently available to the model; shorten it",
            Kind::ContextLength,
        );
        check(400, "prompt too long; exceeded max context length by 12 tokens", Kind::ContextLength);
        check(401, "unauthorized", Kind::Auth);
        check(403, "cloud features are disabled", Kind::Auth);
        check(404, "model 'nope' not found", Kind::ModelNotFound);
        check(404, "model \"nope\" not found, try pulling it first", Kind::ModelNotFound);
        check(404, "404 page not found", Kind::InvalidRequest);
        check(429, "you have reached your session usage limit", Kind::Quota);
        check(429, "too many requests", Kind::RateLimit);
        check(499, "request canceled", Kind::Server);
        check(500, "model requires more system memory than is available", Kind::Server);
        check(502, "the cloud cannot be reached", Kind::Server);
        check(503, "server busy, please try again.  maximum pending requests exceeded", Kind::Overloaded);
        check(500, "Server overloaded, please retry shortly (ref: 1)", Kind::Overloaded);
    }

    #[test]
    fn a_runners_body_in_the_text_is_unwrapped() {
        let inner = json!({"error": {"code": 400, "message": "request (9 tokens) exceeds the available context size (8)", "type": "x"}});
        let error = read(500, None, json!({"error": inner.to_string()}).to_string().as_bytes());
        assert_eq!(error.kind, Kind::ContextLength);
        assert_eq!(error.message, "request (9 tokens) exceeds the available context size (8)");
        let inner = json!({"error": {"code": 400, "message": "bad grammar"}});
        let error = read(500, None, json!({ "error": inner }).to_string().as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (Kind::InvalidRequest, "bad grammar"));
    }

    #[test]
    fn bodies_of_other_forms_are_survived() {
        for (body, message) in [
            (&b""[..], "The model server answered with status 502."),
            (b"<html>Bad gateway</html>", "The model server answered with status 502."),
            (b"upstream gone\n", "upstream gone"),
            (b"{\"error\":", "{\"error\":"),
            (b"[1]", "The model server answered with status 502."),
            (b"{\"error\":null}", "The model server answered with status 502."),
        ] {
            let error = read(502, None, body);
            assert_eq!((error.kind, error.message.as_str()), (Kind::Server, message));
        }
    }

    #[test]
    fn an_error_inside_an_answer_has_no_status() {
        let told = |text: &str| match inside(&json!(text)) {
            AdapterError::Upstream(error) => (error.kind, error.status),
            other => panic!("{other}"),
        };
        assert_eq!(told("an error was encountered while running the model"), (Kind::Server, None));
        assert_eq!(told("model 'x' not found"), (Kind::ModelNotFound, None));
    }
}
