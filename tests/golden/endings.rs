//! A recorded stream that lost its end is no answer.

use or_adapters::{AdapterError, ModelEvent};
use or_test_support::shared::{self, Case, Kind};

use crate::replay::Replay;

/// Where the frame begins that holds this mark.
fn before(case: &Case, mark: &str) -> Option<usize> {
    let text = std::str::from_utf8(&case.response).ok()?;
    let at = text.find(mark)?;
    let start = if case.kind == Kind::Sse { text[..at].rfind("data:")? } else { text[..at].rfind('\n')? + 1 };
    Some(start)
}

/// Cuts the streams of a provider before the first of its marks of an end.
#[track_caller]
fn check(provider: &str, marks: &[&str], least: usize) {
    let mut seen = 0;
    for case in shared::cases_of(provider).into_iter().flatten().filter(|case| case.status == 200) {
        let replay = Replay::of(case);
        let is_stream = matches!(case.kind, Kind::Sse | Kind::Ndjson);
        let end = marks.iter().filter_map(|mark| before(case, mark)).min();
        let Some(end) = end.filter(|_| is_stream && replay.translate(case).end.is_ok()) else { continue };
        let translated = replay.translate_body(case.kind, [&case.response[..end]]);
        assert!(
            matches!(translated.end, Err(AdapterError::Truncated { .. })),
            "{}: {:?}",
            case.id(),
            translated.end
        );
        let finished = translated.events.iter().any(|event| matches!(event, ModelEvent::Finished { .. }));
        assert!(!finished, "{}", case.id());
        seen += 1;
    }
    assert!(seen >= least || shared::folder().is_none(), "only {seen} streams of {provider}");
}

#[test]
fn a_stream_of_gemini_is_truncated_without_its_reason() {
    check("gemini", &["finishReason"], 30);
}

#[test]
fn a_stream_of_anthropic_is_truncated_without_its_stop() {
    check("anthropic", &["\"message_delta\""], 20);
}

#[test]
fn a_stream_of_ollama_is_truncated_without_its_last_line() {
    check("ollama", &["\"done\":true"], 15);
}

#[test]
fn a_stream_of_responses_is_truncated_without_its_last_snapshot() {
    check(
        "openai-responses",
        &["\"response.completed\"", "\"response.incomplete\"", "\"response.failed\""],
        20,
    );
}
