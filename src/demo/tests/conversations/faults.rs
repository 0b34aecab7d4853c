//! Models that fail, and models that are slow.

use or_adapters::{AdapterError, UpstreamErrorKind};
use or_demo::{DemoAnswer, DemoEnd};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::turn::{Turn, ask, assert_failure, call, translate};

#[test]
fn error_models_answer_with_their_status() {
    for (model, kind, status) in [
        ("demo-error", UpstreamErrorKind::Server, 500),
        ("demo-error-400", UpstreamErrorKind::InvalidRequest, 400),
        ("demo-error-401", UpstreamErrorKind::Auth, 401),
        ("demo-error-402", UpstreamErrorKind::Quota, 402),
        ("demo-error-404", UpstreamErrorKind::ModelNotFound, 404),
        ("demo-error-413", UpstreamErrorKind::TooLarge, 413),
        ("demo-error-418", UpstreamErrorKind::InvalidRequest, 418),
        ("demo-error-429", UpstreamErrorKind::RateLimit, 429),
        ("demo-error-503", UpstreamErrorKind::Overloaded, 503),
        ("demo-error-504", UpstreamErrorKind::Timeout, 504),
        ("demo-error-529", UpstreamErrorKind::Overloaded, 529),
        ("demo-nonsense", UpstreamErrorKind::ModelNotFound, 404),
    ] {
        let turn = ask(model, "Hi");
        assert_failure(&turn, kind, Some(status));
        let Some(AdapterError::Upstream(error)) = turn.failure else { unreachable!() };
        assert_eq!(error.retry_after_s, (status == 429).then_some(3));
    }
}

fn faulty(model: &str, stream: bool) -> (DemoAnswer, Turn) {
    let body = json!({"model": model, "stream": stream, "input": "Tell me about the sea and the ships."});
    let (answer, _, stream) = call(&body);
    let turn = translate(&body, &answer, stream, usize::MAX);
    (answer, turn)
}

#[test]
fn faults_come_after_some_words() {
    let (answer, turn) = faulty("demo-fail", true);
    assert_eq!((answer.end, turn.text().as_str()), (DemoEnd::Clean, "You said: \"Tell me about"));
    assert_failure(&turn, UpstreamErrorKind::Server, None);
    for (model, end) in [("demo-cut", DemoEnd::Cut), ("demo-hang", DemoEnd::Hang)] {
        let (answer, turn) = faulty(model, true);
        assert_eq!((answer.end, turn.text().as_str()), (end, "You said: \"Tell me about"));
        assert_eq!(turn.failure, Some(AdapterError::Truncated { provider: "demo" }));
    }
    let (answer, _) = faulty("demo-silent", true);
    assert_eq!((answer.head_after_ms, answer.steps.len(), answer.end), (None, 0, DemoEnd::Hang));
}

#[test]
fn unary_faults_break_the_body() {
    let (_, turn) = faulty("demo-fail", false);
    assert_failure(&turn, UpstreamErrorKind::Server, Some(500));
    for (model, end) in [("demo-cut", DemoEnd::Cut), ("demo-hang", DemoEnd::Hang)] {
        let (answer, turn) = faulty(model, false);
        assert_eq!((answer.end, answer.status), (end, 200));
        assert_eq!(turn.failure, Some(AdapterError::Truncated { provider: "demo" }));
    }
}

#[test]
fn slow_models_pause_before_every_word() {
    let pauses = |model: &str, stream: bool| {
        let (answer, _, _) = call(&json!({"model": model, "stream": stream, "input": "Hi"}));
        (answer.head_after_ms, answer.steps.iter().map(|s| s.after_ms).collect::<Vec<_>>())
    };
    assert_eq!(pauses("demo-slow", true), (Some(0), vec![500, 100, 100, 0]));
    assert_eq!(pauses("demo-slow-3", true), (Some(0), vec![15, 3, 3, 0]));
    assert_eq!(pauses("demo-slow", false), (Some(700), vec![0]));
}
