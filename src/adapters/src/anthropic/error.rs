//! The provider's errors: as an answer with a status, or inside a stream.

use crate::UpstreamErrorKind as Kind;
use crate::shared::error_body::ErrorTable;

/// `error.type` to kind; `api_error` says nothing more than the status does.
pub(super) const TABLE: ErrorTable = ErrorTable {
    code_at: "/details/error_code",
    words: &[
        ("invalid_request_error", Kind::InvalidRequest),
        ("not_found_error", Kind::InvalidRequest),
        ("authentication_error", Kind::Auth),
        ("permission_error", Kind::Auth),
        ("billing_error", Kind::Quota),
        ("request_too_large", Kind::TooLarge),
        ("rate_limit_error", Kind::RateLimit),
        ("timeout_error", Kind::Timeout),
        ("overloaded_error", Kind::Overloaded),
        ("conflict_error", Kind::Server),
    ],
    phrases: &[
        (&["credit balance is too low"], Kind::Quota),
        (&["usage limits"], Kind::Quota),
        (&["spend limit"], Kind::Quota),
        (&["content filtering policy"], Kind::ContentFilter),
        // Other hosts of this wire.
        (&["model", "does not exist"], Kind::ModelNotFound),
        (&["model", "not found"], Kind::ModelNotFound),
    ],
    statuses: &[],
    // Files and batches are not found with the same type.
    refine: |error, _| {
        let not_found = error.status == Some(404) && error.kind == Kind::InvalidRequest;
        if not_found && error.message.starts_with("model") {
            error.kind = Kind::ModelNotFound;
        }
    },
};

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::AdapterError;

    #[track_caller]
    fn check(status: u16, body: &str, kind: Kind, message: &str) {
        let got = TABLE.read(status, None, body.as_bytes());
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
        let told = "The model `x` does not exist.";
        check(404, &typed("not_found_error", told), Kind::ModelNotFound, told);
        check(404, &format!(r#"{{"message":"{told}"}}"#), Kind::ModelNotFound, told);
        check(404, r#"{"message":"no Route matched"}"#, Kind::Server, "no Route matched");
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
        let got = TABLE.read(400, Some(3), body.as_bytes());
        assert_eq!((got.code.as_deref(), got.retry_after_s), (Some("image_dimensions_too_large"), Some(3)));
    }

    #[test]
    fn an_error_inside_a_stream_has_no_status() {
        let got = TABLE.inside(r#"{"type":"overloaded_error","message":"Overloaded"}"#);
        let AdapterError::Upstream(got) = got else { panic!("{got}") };
        assert_eq!((got.kind, got.status), (Kind::Overloaded, None));
    }
}
