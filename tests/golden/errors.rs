//! Every recorded refusal of a provider becomes an error of ours that says the same.

use or_adapters::{AdapterError, UpstreamErrorKind as Kind};
use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::replay::Replay;
use or_test_support::shared::{self, Case};

#[test]
fn every_recorded_refusal_becomes_an_error_with_the_providers_words() {
    let Some(cases) = shared::cases() else { return };
    let refused: Vec<&Case> = cases.iter().filter(|case| case.status >= 400).collect();
    assert!(refused.len() >= 25, "only {} refusals", refused.len());
    let wrong: String =
        refused.iter().filter_map(|case| Some(format!("{}: {}\n", case.id(), check(case)?))).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

/// What is wrong with our error, if anything.
fn check(case: &Case) -> Option<String> {
    let error = Replay::of(case).adapter.error(case.status, Some(7), &case.response).to_api(false);
    let body: Value = serde_json::from_str(&error.to_json()).ok()?;
    let told = message(&serde_json::from_slice(&case.response).ok()?);
    let masked = masked(&told);
    let ours = body["error"]["message"].as_str().unwrap_or_default();
    let code = body["error"]["code"].as_str();
    // Status, type and, where the meaning is fixed, code. A wrong key is ours, so the client gets a 502.
    let fits = match (case.status, error.status()) {
        (401 | 403, status) => status == 502 && code == Some("upstream_auth_error"),
        (429, status) => status == 429 && code.is_some() && error.retry_after_s.is_some(),
        (404, status) => status == 400 && code == Some("model_not_found"),
        // A bad key is a 400 at Gemini and xAI, and llama.cpp says 500 for a mistake of the client.
        (400, status) => status == 400 || (status == 502 && code == Some("upstream_auth_error")),
        (413, status) => status == 413,
        (500.., status) => matches!(status, 400 | 502 | 503 | 504),
        _ => false,
    };
    if !fits {
        return Some(format!("status {} became {} {body}", case.status, error.status()));
    }
    (told.is_empty() || !(ours.contains(&told) || ours.contains(&masked)))
        .then(|| format!("{ours:?} lost {told:?}"))
}

/// The provider's own words, wherever its kind of error body has them.
fn message(body: &Value) -> String {
    let body = if body.is_array() { &body[0] } else { body };
    let places = ["/error/message", "/message", "/detail", "/error"];
    places.iter().find_map(|place| body.pointer(place)?.as_str()).unwrap_or_default().to_owned()
}

/// Without what a provider left of a key that it blotted out itself.
fn masked(told: &str) -> String {
    let words = told.split(' ').map(|word| if word.contains("***") { "***" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// What each recorded refusal is.
const REFUSALS: &[(&str, Kind)] = &[
    ("anthropic/pydantic-model-name-suggestion-anthropic", Kind::ModelNotFound),
    ("anthropic/rig-anthropic-error-envelope-nonexistent-model-error-preserves-status", Kind::ModelNotFound),
    ("anthropic/rig-anthropic-error-identity-edge-auth-rejection-carries-identity", Kind::Auth),
    ("anthropic/rubyllm-real-error-scenarios-anthropic-claude-haiku-4-5-handles-contex", Kind::ContextLength),
    ("gemini/pydantic-model-sees-multiple-images-google-vertex-t2", Kind::InvalidRequest),
    ("gemini/rig-gemini-error-envelope-nonexistent-model-error-preserves-status-and", Kind::ModelNotFound),
    ("gemini/rig-gemini-response-identity-auth-rejection-keeps-transport-shape", Kind::Auth),
    ("gemini/rubyllm-error-handling-with-gemini-gemini-2-5-flash-raises-appropriate", Kind::Auth),
    ("gemini/rubyllm-real-error-scenarios-gemini-gemini-2-5-flash-handles-context-l", Kind::RateLimit),
    ("gemini/rubyllm-real-error-scenarios-vertexai-gemini-2-5-flash-handles-context", Kind::ContextLength),
    ("openai-chat/openllmetry-openai-vision-base64", Kind::InvalidRequest),
    ("openai-chat/pydantic-groq-tool-regular-error", Kind::ModelNotFound),
    ("openai-chat/pydantic-openrouter-errors-raised", Kind::RateLimit),
    (
        "openai-chat/rig-deepseek-wire-shape-matrix-blocking-pdf-document-part-reaches-the",
        Kind::InvalidRequest,
    ),
    ("openai-chat/rig-doubleword-error-matrix-invalid-key-blocking", Kind::Auth),
    ("openai-chat/rig-doubleword-error-matrix-unknown-model-blocking", Kind::ModelNotFound),
    ("openai-chat/rig-groq-response-identity-edge-auth-rejection-classifies-with-contrac", Kind::Auth),
    ("openai-chat/rig-llamacpp-multimodal-matrix-malformed-data-uri", Kind::InvalidRequest),
    ("openai-chat/rig-llamacpp-structured-output-matrix-schema-and-grammar-conflict", Kind::InvalidRequest),
    (
        "openai-chat/rig-mistral-response-identity-edge-blocking-error-carries-the-correlat",
        Kind::ModelNotFound,
    ),
    (
        "openai-chat/rig-venice-error-envelope-nonexistent-model-error-preserves-status-and",
        Kind::ModelNotFound,
    ),
    ("openai-chat/rubyllm-error-handling-with-azure-grok-4-1-fast-non-reasoning-raises-a", Kind::Auth),
    ("openai-chat/rubyllm-error-handling-with-deepseek-deepseek-chat-raises-appropriate", Kind::Auth),
    ("openai-chat/rubyllm-error-handling-with-mistral-mistral-small-latest-raises-approp", Kind::Auth),
    ("openai-chat/rubyllm-error-handling-with-openrouter-claude-haiku-4-5-raises-appropr", Kind::Auth),
    (
        "openai-chat/rubyllm-real-error-scenarios-ollama-cloud-gpt-oss-120b-handles-context",
        Kind::ContextLength,
    ),
    (
        "openai-chat/rubyllm-real-error-scenarios-openrouter-claude-haiku-4-5-handles-conte",
        Kind::ContextLength,
    ),
    (
        "openai-responses/pydantic-multimodal-tool-return-matrix-direct-url-audio-openai-respons-t2",
        Kind::InvalidRequest,
    ),
    ("openai-responses/rig-chatgpt-http-errors-nonstreaming-unauthorized-preserves-status-and", Kind::Auth),
    (
        "openai-responses/rig-xai-response-identity-provider-error-classifies-with-contract-but",
        Kind::ModelNotFound,
    ),
    ("openai-responses/rubyllm-error-handling-with-openai-gpt-5-nano-raises-appropriate-auth", Kind::Auth),
    ("openai-responses/rubyllm-openai-context-context-chat-operations-uses-context-specific-a", Kind::Auth),
];

/// What fails inside of an answer with status 200. The last is a background response that has only begun.
const IN_ANSWERS: &[(&str, Kind)] = &[
    ("openai-chat/pydantic-groq-tool-use-failed-error-streaming-t1", Kind::Server),
    ("openai-chat/pydantic-openrouter-stream-error", Kind::InvalidRequest),
    ("openai-responses/prism-openai-stream-rate-limited-1", Kind::RateLimit),
    ("openai-responses/prism-openai-stream-unknown-error-responses-1", Kind::Server),
    ("openai-responses/pydantic-openai-background-mode-reasoning-vcr", Kind::Server),
];

/// Google says in the body when to come again.
const COME_AGAIN: (&str, u64) =
    ("gemini/rubyllm-real-error-scenarios-gemini-gemini-2-5-flash-handles-context-l", 48);

#[test]
fn every_recorded_refusal_has_its_kind_its_status_and_its_time() {
    let Some(cases) = shared::cases() else { return };
    let mut found = Vec::new();
    for case in cases.iter().filter(|case| case.status >= 400) {
        let adapter = Replay::of(case).adapter;
        let error = adapter.error(case.status, None, &case.response);
        let told = message(&serde_json::from_slice(&case.response).unwrap_or_default());
        assert_eq!(error.status, Some(case.status), "{}", case.id());
        let said = (case.id() == COME_AGAIN.0).then_some(COME_AGAIN.1);
        assert_eq!(error.retry_after_s, said, "{}", case.id());
        let all = case.provider != "openai-responses" || error.message == masked(&told);
        assert!(all, "{}: {error:?}", case.id());
        assert!(!error.message.contains("answered with status"), "{}: {error:?}", case.id());
        let of_header = adapter.error(case.status, Some(3), &case.response).retry_after_s;
        assert_eq!(of_header, said.or(Some(3)), "{}", case.id());
        found.push((case.id(), error.kind));
    }
    let want: Vec<_> = REFUSALS.iter().map(|(id, kind)| ((*id).to_owned(), *kind)).collect();
    assert_eq!(found, want);
}

#[test]
fn what_fails_inside_of_an_answer_has_its_kind_and_no_status() {
    let Some(cases) = shared::cases() else { return };
    let mut found = Vec::new();
    for case in cases.iter().filter(|case| case.status == 200) {
        match Replay::of(case).translate(case).end {
            Ok(()) => {}
            Err(AdapterError::Upstream(error)) => {
                assert_eq!(error.status, None, "{}", case.id());
                found.push((case.id(), error.kind));
            }
            Err(error) => panic!("{}: {error}", case.id()),
        }
    }
    let want: Vec<_> = IN_ANSWERS.iter().map(|(id, kind)| ((*id).to_owned(), *kind)).collect();
    assert_eq!(found, want);
}
