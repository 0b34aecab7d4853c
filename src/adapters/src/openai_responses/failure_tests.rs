//! Answers that say that they failed.

use or_protocol::Settings;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::answer_tests::{frames, run, translator};
use crate::{AdapterError, ModelEvent, UpstreamErrorKind};

#[track_caller]
fn check_error(text: &str, kind: UpstreamErrorKind, message: &str) {
    match run(text, &Settings::default()).1 {
        Err(AdapterError::Upstream(error)) => {
            assert_eq!((error.kind, error.message.as_str(), error.status), (kind, message, None));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_error_of_a_stream_decides_in_any_form() {
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}});
    let nested = json!({"type": "error", "error": {"type": "x", "code": "slow_down", "message": "m"}});
    let flat = json!({"type": "error", "code": "context_length_exceeded", "message": "m", "param": null});
    check_error(&frames(&[nested, failed.clone()]), UpstreamErrorKind::Overloaded, "m");
    check_error(&frames(&[flat, failed.clone()]), UpstreamErrorKind::ContextLength, "m");
    check_error(&frames(&[failed]), UpstreamErrorKind::RateLimit, "slow");
    check_error("data: {\"error\":{\"message\":\"m\",\"code\":502}}\n\n", UpstreamErrorKind::Server, "m");
    check_error(
        "{\"error\":{\"message\":\"m\",\"code\":\"invalid_api_key\"}}\n",
        UpstreamErrorKind::Auth,
        "m",
    );
}

#[test]
fn items_without_end_are_no_answer() {
    let added = json!({"type": "response.output_item.added", "item": {"type": "function_call"}});
    let delta = json!({"type": "response.function_call_arguments.delta", "delta": "{"});
    for event in [added, delta] {
        let events: Vec<Value> = (0..5_001)
            .map(|index| {
                let mut event = event.clone();
                event["output_index"] = index.into();
                event
            })
            .collect();
        let (_, end) = run(&frames(&events), &Settings::default());
        assert!(matches!(end, Err(AdapterError::BadFrame { .. })), "{end:?}");
    }
}

#[test]
fn an_error_is_found_wherever_a_failed_response_names_it() {
    let failed = |response: Value, beside: Value| {
        let mut event = json!({"type": "response.failed", "response": response});
        for (key, value) in beside.as_object().unwrap() {
            event[key] = value.clone();
        }
        frames(&[event])
    };
    let error = json!({"message": "Upstream provider error", "code": "overloaded"});
    let none = json!({"status": "failed", "error": null});
    let with = |key: &str, value: Value| json!({"status": "failed", "error": null, key: value});
    for text in [
        failed(none.clone(), json!({ "error": error })),
        failed(none.clone(), error.clone()),
        failed(json!({"status": "failed", "error": {}}), json!({ "error": error })),
        failed(with("error", error.clone()), json!({"message": "no"})),
        failed(with("status_details", json!({ "error": error })), json!({})),
        failed(with("last_error", error.clone()), json!({})),
    ] {
        check_error(&text, UpstreamErrorKind::Overloaded, "Upstream provider error");
    }
    let told = "The model provider reported a failed response.";
    check_error(&failed(none, json!({})), UpstreamErrorKind::Server, told);
    let body = json!({"status": "failed", "error": null, "last_error": error, "output": [], "usage": {"input_tokens": 1}});
    let mut out = Vec::new();
    let result = translator(&Settings::default()).unary(body.to_string().as_bytes(), &mut out);
    assert_eq!(result.unwrap_err().to_string(), "Upstream provider error");
    assert!(matches!(out[..], [ModelEvent::Usage(_)]));
}
