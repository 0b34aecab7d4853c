//! Error bodies: `{"error": "text"}` without type or code, so the text and the status decide.

use crate::UpstreamErrorKind as Kind;
use crate::shared::error_body::ErrorTable;

pub(super) const TABLE: ErrorTable = ErrorTable {
    code_at: "/code",
    words: &[],
    phrases: &[
        (&["usage limit"], Kind::Quota),
        (&["try pulling it first"], Kind::ModelNotFound),
        (&["does not support"], Kind::InvalidRequest),
        (&["illegal base64"], Kind::InvalidRequest),
        (&["invalid format"], Kind::InvalidRequest),
        (&["overloaded"], Kind::Overloaded),
        (&["server busy"], Kind::Overloaded),
        (&["unauthorized"], Kind::Auth),
        (&["model", "not found"], Kind::ModelNotFound),
        (&["model", "does not exist"], Kind::ModelNotFound),
    ],
    statuses: &[],
    refine: |_, _| {},
};

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;
    use crate::AdapterError;

    #[track_caller]
    fn check(status: u16, text: &str, want: Kind) {
        let body = json!({ "error": text }).to_string();
        let error = TABLE.read(status, Some(3), body.as_bytes());
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
        check(404, "The model `nope` does not exist", Kind::ModelNotFound);
        check(404, "404 page not found", Kind::Server);
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
        let error = TABLE.read(500, None, json!({"error": inner.to_string()}).to_string().as_bytes());
        assert_eq!(error.kind, Kind::ContextLength);
        assert_eq!(error.message, "request (9 tokens) exceeds the available context size (8)");
        let inner = json!({"error": {"code": 400, "message": "bad grammar"}});
        let error = TABLE.read(500, None, json!({ "error": inner }).to_string().as_bytes());
        assert_eq!((error.kind, error.message.as_str()), (Kind::InvalidRequest, "bad grammar"));
    }

    #[test]
    fn bodies_of_other_forms_are_survived() {
        for (body, message) in [
            (&b""[..], "The model provider answered with status 502."),
            (b"<html>Bad gateway</html>", "The model provider answered with status 502."),
            (b"upstream gone\n", "upstream gone"),
            (b"{\"error\":", "{\"error\":"),
            (b"[1]", "The model provider answered with status 502."),
            (b"{\"error\":null}", "The model provider answered with status 502."),
        ] {
            let error = TABLE.read(502, None, body);
            assert_eq!((error.kind, error.message.as_str()), (Kind::Server, message));
        }
    }

    #[test]
    fn an_error_inside_an_answer_has_no_status() {
        let told = |text: &str| match TABLE.inside(&json!(text).to_string()) {
            AdapterError::Upstream(error) => (error.kind, error.status),
            other => panic!("{other}"),
        };
        assert_eq!(told("an error was encountered while running the model"), (Kind::Server, None));
        assert_eq!(told("model 'x' not found"), (Kind::ModelNotFound, None));
    }
}
