//! Errors of providers: one reader for all the shapes they come in, one order of what decides, and a table
//! of words for each provider.

mod overflow;

use serde_json::Value;
use serde_json::value::RawValue;

use self::overflow::overflows;
use crate::shared::lenient;
use crate::{AdapterError, UpstreamError, UpstreamErrorKind as Kind};

/// Longest message that is handed on, in characters.
const MAX_MESSAGE: usize = 2000;
/// Longest text without any JSON that is handed on, in bytes; longer ones are pages.
const MAX_PLAIN: usize = 500;
/// Bodies within the texts of bodies.
const MAX_DEPTH: u8 = 8;

/// What the words of a provider mean.
#[derive(Debug)]
pub(crate) struct ErrorTable {
    /// Where its own code stands in the error object, as a JSON pointer.
    pub(crate) code_at: &'static str,
    /// Codes and types. One that only says that the request is wrong tells less than the status or a phrase.
    pub(crate) words: &'static [(&'static str, Kind)],
    /// Phrases of messages, in lower case; all words of an entry must occur, and the first entry counts. What all
    /// providers say of an input that is too long need not be here.
    pub(crate) phrases: &'static [(&'static [&'static str], Kind)],
    /// Statuses that mean something else here than with others.
    pub(crate) statuses: &'static [(u16, Kind)],
    /// What only this provider's errors say, from the body or the text around it.
    pub(crate) refine: fn(&mut UpstreamError, &str),
}

/// The parts of an error.
#[derive(Debug, Default)]
struct Said {
    message: String,
    code: Option<String>,
    class: Option<String>,
    /// A status in the body: that of what stands behind a gateway.
    status: Option<u16>,
}

impl Said {
    /// Web frameworks and gateways say no more than this of a path that they do not have.
    fn is_bare(&self) -> bool {
        const WORDS: [&str; 4] = ["404 page not found", "not found", "resource not found", "route not found"];
        let words = self.message.to_lowercase();
        // Kong's has a tail.
        let no_route = words.starts_with("no route matched");
        self.code.is_none() && (no_route || WORDS.contains(&words.trim_end_matches('.')))
    }
}

impl ErrorTable {
    /// Reads an answer whose status is not 2xx.
    pub(crate) fn read(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        let text = String::from_utf8_lossy(body);
        let (said, told) = match lenient::owned(&text) {
            Some(value) => {
                let said = self.said(&value, MAX_DEPTH);
                let told = said.as_ref().is_some_and(|said| !said.is_bare());
                (said.unwrap_or_default(), told)
            }
            None => (Said { message: plain(&text).unwrap_or_default(), ..Said::default() }, false),
        };
        let mut error = self.build(said, Some(status), told);
        error.retry_after_s = retry_after_s;
        (self.refine)(&mut error, &text);
        error
    }

    /// Reads an error inside an answer, as JSON: a body, its `error` member, or a mere text.
    pub(crate) fn inside(&self, json: &str) -> AdapterError {
        let words = || {
            // Mere words, where it is no JSON.
            let message = plain(json).filter(|text| !text.starts_with(['{', '[', '"'])).unwrap_or_default();
            AdapterError::Upstream(self.build(Said { message, ..Said::default() }, None, false))
        };
        self.found(json).unwrap_or_else(words)
    }

    /// The same, if the JSON says anything at all.
    pub(crate) fn found(&self, json: &str) -> Option<AdapterError> {
        let said = self.said(&lenient::owned(json)?, MAX_DEPTH)?;
        let mut error = self.build(said, None, true);
        (self.refine)(&mut error, json);
        Some(AdapterError::Upstream(error))
    }

    /// An error among bytes that came behind the last frame, or in place of a stream.
    pub(crate) fn stray(&self, bytes: &[u8]) -> Option<AdapterError> {
        let text = String::from_utf8_lossy(bytes);
        let (_, json) = text.split_at_checked(text.find(['{', '['])?)?;
        let value: &RawValue = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
        self.found(value.get())
    }

    fn build(&self, said: Said, status: Option<u16>, told: bool) -> UpstreamError {
        let kind = self.kind(&said, status, told);
        let message = match (said.message.is_empty(), status) {
            (false, _) if kind == Kind::Auth => without_keys(&said.message),
            (false, _) => said.message,
            (true, Some(status)) => UpstreamError::of_status(status, None).message,
            (true, None) => "The model provider reported an error.".to_owned(),
        };
        let message = message.chars().take(MAX_MESSAGE).collect();
        UpstreamError { status, message, code: said.code, ..UpstreamError::of_kind(kind) }
    }

    fn kind(&self, said: &Said, status: Option<u16>, told: bool) -> Kind {
        let lower = said.message.to_lowercase();
        let by_word = |word: &Option<String>| {
            let word = word.as_deref()?;
            self.words.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
        };
        let by_phrase = || {
            let all = |words: &[&str]| words.iter().all(|word| lower.contains(word));
            let own = self.phrases.iter().find(|(words, _)| all(words)).map(|(_, kind)| *kind);
            own.or_else(|| overflows(&lower).then_some(Kind::ContextLength))
        };
        let by_status = |status: u16| {
            let own = self.statuses.iter().find(|(s, _)| *s == status).map(|(_, kind)| *kind);
            own.unwrap_or_else(|| UpstreamError::of_status(status, None).kind)
        };
        let word = by_word(&said.code).or_else(|| by_word(&said.class));
        if let Some(kind) = word.filter(|kind| *kind != Kind::InvalidRequest) {
            return kind;
        }
        let status = nearest(status, said.status);
        match status {
            Some(429) => return by_phrase().filter(|k| *k == Kind::Quota).unwrap_or(Kind::RateLimit),
            Some(403) => return by_phrase().unwrap_or_else(|| by_status(403)),
            Some(status @ (401 | 402 | 408 | 413 | 498 | 503 | 504 | 524 | 529)) => return by_status(status),
            _ => {}
        }
        // A code names a fault of the request; the mere type of one stands beside failures as well.
        let word = if matches!(status, Some(500..)) { by_word(&said.code) } else { word };
        match (by_phrase().or(word), status) {
            (Some(kind), _) => kind,
            // Whatever it says, it speaks of something in the request; a bare 404 is a wrong address.
            (None, Some(404)) if told && !self.statuses.iter().any(|(s, _)| *s == 404) => {
                Kind::InvalidRequest
            }
            (None, Some(status)) => by_status(status),
            (None, None) => Kind::Server,
        }
    }

    /// What a body says: nested, flat, with a text in place of the object, as `detail`, or in a list.
    fn said(&self, body: &Value, depth: u8) -> Option<Said> {
        let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
        let choice = body.pointer("/choices/0/error");
        let error = body.get("error").filter(|e| !e.is_null()).or(choice).unwrap_or(body);
        let message = match error {
            Value::String(text) => text.trim().to_owned(),
            _ => match self.message(error).or_else(|| details(body.get("detail")?)) {
                Some(message) => message,
                None => return self.said(error.get("error")?, depth.checked_sub(1)?),
            },
        };
        if depth > 0
            && message.starts_with('{')
            && let Some(inner) = lenient::owned(&message).and_then(|v| self.said(&v, depth - 1))
        {
            return Some(inner);
        }
        let number = |value: &Value, key: &str| {
            let number = value.get(key).and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))?;
            u16::try_from(number).ok().filter(|n| (400..600).contains(n))
        };
        let status = |value: &Value| ["status_code", "code", "status"].iter().find_map(|k| number(value, k));
        let code = text(error.pointer(self.code_at)).or_else(|| text(body.get("code")));
        Some(Said {
            message: match self.hidden(error, depth) {
                Some(raw) if !message.contains(&raw) => format!("{message}: {raw}"),
                _ => message,
            },
            // A status in place of a code says nothing.
            code: code.filter(|c| !(c.len() == 3 && c.bytes().all(|b| b.is_ascii_digit()))),
            class: text(error.get("type")),
            status: status(error).or_else(|| status(body)),
        })
    }

    fn message(&self, error: &Value) -> Option<String> {
        let words = ["message", "Message", "msg"].iter().find_map(|key| text(error.get(*key)));
        words.or_else(|| details(error.get("message")?)).or_else(|| details(error.get("detail")?))
    }

    /// OpenRouter's copy of what the host behind it said.
    fn hidden(&self, error: &Value, depth: u8) -> Option<String> {
        let inner = |value: &Value| self.said(value, depth.checked_sub(1)?).map(|said| said.message);
        match error.pointer("/metadata/raw")? {
            Value::String(raw) => match lenient::owned(raw) {
                Some(value) => inner(&value),
                None => Some(raw.clone()).filter(|r| !r.is_empty()),
            },
            value => inner(value),
        }
    }
}

/// A gateway's own failure says less than the refusal it wraps.
fn nearest(outer: Option<u16>, inner: Option<u16>) -> Option<u16> {
    match (outer, inner) {
        (Some(500..), Some(inner @ 400..=499)) => Some(inner),
        (outer, inner) => outer.or(inner),
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
                let place = place.join(".");
                Some(if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") })
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
    (body.len() <= MAX_PLAIN && !body.starts_with('<')).then(|| body.to_owned())
}

/// Providers repeat parts of the key in such messages; most blot out its middle.
fn without_keys(message: &str) -> String {
    let secret = |word: &str| ["***", "sk-", "gsk_"].iter().any(|part| word.contains(part));
    let words = message.split(' ').map(|word| if secret(word) { "***" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const TABLE: ErrorTable = ErrorTable {
        code_at: "/code",
        words: &[("bad_request", Kind::InvalidRequest), ("quota", Kind::Quota)],
        phrases: &[(&["too", "long"], Kind::ContextLength), (&["no money"], Kind::Quota)],
        statuses: &[],
        refine: |_, _| {},
    };

    #[track_caller]
    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let error = TABLE.read(status, None, body.as_bytes());
        assert_eq!((error.kind, error.message.as_str(), error.status), (kind, message, Some(status)));
    }

    #[test]
    fn a_body_of_any_shape_says_the_same() {
        for body in [
            r#"{"error":{"message":"m"}}"#,
            r#"{"error":"m"}"#,
            r#"{"message":"m"}"#,
            r#"{"detail":"m"}"#,
            r#"{"error":{"message":{"detail":[{"msg":"m"}]}}}"#,
            r#"[{"error":{"message":"m"}}]"#,
            r#"{"error":"{\"error\":{\"message\":\"m\"}}"}"#,
            r#"{"error":{"error":{"message":"m"}}}"#,
            "m",
        ] {
            check(500, body, Kind::Server, "m");
        }
    }

    #[test]
    fn a_word_decides_before_the_status_and_a_phrase_before_a_weak_word() {
        check(400, r#"{"error":{"message":"m","type":"quota"}}"#, Kind::Quota, "m");
        check(
            400,
            r#"{"error":{"message":"Too long.","code":"bad_request"}}"#,
            Kind::ContextLength,
            "Too long.",
        );
        check(500, r#"{"error":{"message":"m","code":"bad_request"}}"#, Kind::InvalidRequest, "m");
        check(401, r#"{"error":{"message":"m","code":"bad_request"}}"#, Kind::Auth, "m");
        check(403, r#"{"error":{"message":"m","code":"bad_request"}}"#, Kind::Auth, "m");
        check(429, r#"{"error":"No money."}"#, Kind::Quota, "No money.");
        check(429, r#"{"error":"Too long a queue."}"#, Kind::RateLimit, "Too long a queue.");
    }

    #[test]
    fn a_404_is_the_requests_fault_only_if_it_says_of_what() {
        check(404, r#"{"error":"no such file"}"#, Kind::InvalidRequest, "no such file");
        check(404, "404 page not found", Kind::Server, "404 page not found");
        check(404, r#"{"detail":"Not Found"}"#, Kind::Server, "Not Found");
        let kong = "no Route matched with those values";
        check(404, &format!(r#"{{"message":"{kong}","request_id":"r"}}"#), Kind::Server, kong);
        check(
            404,
            r#"{"error":{"code":"404","message":"Resource not found"}}"#,
            Kind::Server,
            "Resource not found",
        );
        check(404, "<html>", Kind::Server, "The model provider answered with status 404.");
        check(404, "{}", Kind::Server, "The model provider answered with status 404.");
    }

    #[test]
    fn a_refusal_behind_a_gateways_failure_is_nearer_to_the_cause() {
        check(502, r#"{"error":{"message":"m","code":400}}"#, Kind::InvalidRequest, "m");
        check(429, r#"{"error":{"message":"m","code":500}}"#, Kind::RateLimit, "m");
    }

    #[test]
    fn a_failure_is_no_refusal_whatever_type_it_has() {
        let body = r#"{"error":{"message":"m","type":"invalid_request_error"}}"#;
        check(500, body, Kind::Server, "m");
        check(503, body, Kind::Overloaded, "m");
        check(400, body, Kind::InvalidRequest, "m");
    }

    #[test]
    fn keys_in_the_message_are_hidden() {
        check(401, r#"{"error":"Bad key sk-ab***cd."}"#, Kind::Auth, "Bad key ***");
        check(401, r#"{"error":"Bad key ****9f3c, or none."}"#, Kind::Auth, "Bad key *** or none.");
    }

    #[test]
    fn an_answers_own_error_has_no_status() {
        let AdapterError::Upstream(error) = TABLE.inside(r#"{"message":"m","code":"quota"}"#) else {
            panic!()
        };
        assert_eq!((error.kind, error.status, error.code.as_deref()), (Kind::Quota, None, Some("quota")));
        assert_eq!(TABLE.inside("{}").to_string(), "The model provider reported an error.");
        assert_eq!(TABLE.inside("out of memory").to_string(), "out of memory");
        assert_eq!(TABLE.found("{}"), None);
        assert_eq!(TABLE.stray(b"event: x\n{\"error\":\"m\"} more").map(|e| e.to_string()), Some("m".into()));
    }
}
