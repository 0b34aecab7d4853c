//! Every recorded refusal of a provider becomes an error of ours that says the same.

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
    // An adapter may mask what looks like a key, even where the provider has masked it already.
    let masked = told.replace("****-key", "[key]");
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
