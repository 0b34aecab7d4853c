//! Errors of all hosts: many shapes, one class, by tables.

use crate::UpstreamErrorKind as Kind;
use crate::shared::error_body::ErrorTable;

pub(super) const TABLE: ErrorTable = ErrorTable {
    code_at: "/code",
    words: &[
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
        ("invalid_request_error", Kind::InvalidRequest),
        ("BadRequestError", Kind::InvalidRequest),
        ("overloaded_error", Kind::Overloaded),
        // The model wrote a call that the host refuses: no fault of the request.
        ("tool_use_failed", Kind::Server),
    ],
    phrases: &[
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
        (&["moderation"], Kind::ContentFilter),
        (&["flagged"], Kind::ContentFilter),
    ],
    statuses: &[],
    refine: |error, _| {
        let failed = error.status == Some(500) && error.kind == Kind::Server;
        let message = error.message.to_lowercase();
        if failed && FAULTS_AS_500.iter().any(|words| message.contains(words)) {
            error.kind = Kind::InvalidRequest;
        }
    },
};

/// Mistakes in a request that some local servers answer with 500.
const FAULTS_AS_500: &[&str] =
    &["cannot use both", "failed to parse", "unsupported", "not supported", "must be", "invalid"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let error = TABLE.read(status, None, body.as_bytes());
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
            "Incorrect API key provided: ***",
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
