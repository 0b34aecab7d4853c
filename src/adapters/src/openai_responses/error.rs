//! Errors of all hosts, as HTTP bodies and inside answers.

use or_protocol::{ErrorDetails, RawJson};
use serde_json::Value;

use crate::UpstreamErrorKind::{
    Auth, ContentFilter, ContextLength, InvalidRequest, ModelNotFound, Overloaded, Quota, RateLimit, Server,
    Timeout, TooLarge,
};
use crate::shared::error_body::ErrorTable;
use crate::shared::lenient;

pub(super) const TABLE: ErrorTable = ErrorTable {
    code_at: "/code",
    words: &[
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
        ("invalid_request_error", InvalidRequest),
    ],
    phrases: &[
        (&["context length"], ContextLength),
        (&["context window"], ContextLength),
        (&["maximum prompt length"], ContextLength),
        (&["model not found"], ModelNotFound),
        (&["model", "does not exist"], ModelNotFound),
        (&["incorrect api key"], Auth),
        (&["invalid api key"], Auth),
        (&["authentication token"], Auth),
    ],
    statuses: &[],
    refine: |error, json| error.details = details(json),
};

/// Longest members of an error that are handed on, in bytes.
const MAX_WORD: usize = 512;
const MAX_MISALIGNMENT: usize = 16 * 1024;

/// What an error says beside its code and message, be it in a body or an event, or by itself.
fn details(json: &str) -> Option<Box<ErrorDetails>> {
    let whole: Value = lenient::owned(json)?;
    let error = whole.get("error").filter(|error| error.is_object()).unwrap_or(&whole);
    let word = |name| Some(error.get(name)?.as_str()?.to_owned()).filter(|word| word.len() <= MAX_WORD);
    let details = ErrorDetails {
        // An event's own type is none of an error.
        r#type: word("type").filter(|word| word != "error" && !word.contains('.')),
        param: word("param"),
        misalignment: error
            .get("misalignment")
            .filter(|value| value.is_object())
            .map(RawJson::from)
            .filter(|value| value.as_str().len() <= MAX_MISALIGNMENT),
    };
    (details != ErrorDetails::default()).then(|| Box::new(details))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::{AdapterError, UpstreamErrorKind};

    #[track_caller]
    fn check(status: u16, body: &str, kind: UpstreamErrorKind, message: &str, code: Option<&str>) {
        let got = TABLE.read(status, None, body.as_bytes());
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
        let told = |json: &str| match TABLE.inside(json) {
            AdapterError::Upstream(error) => (error.kind, error.status),
            other => panic!("{other}"),
        };
        assert_eq!(
            told(r#"{"type":"error","code":"slow_down","message":"m","param":null}"#),
            (Overloaded, None)
        );
        assert_eq!(told(r#"{"error":{"code":502,"message":"m"}}"#), (Server, None));
    }
}
