//! What comes behind the end of an answer, and between its events.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::body;
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Script, Step};

const TEXT: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const COUNTS: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";

/// The usage of an answer whose text is followed by these, and how long it took.
fn counted(behind: impl FnOnce(Script) -> Script) -> (Value, Duration) {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    fake.script(behind(Script::head(200, "text/event-stream").send(TEXT)));
    let begin = Instant::now();
    let answer = app.post(&body("openai-chat", true));
    let took = begin.elapsed();
    let response = answer.last_response();
    assert_eq!(response["status"], "completed", "{response}");
    (response["usage"]["output_tokens"].clone(), took)
}

#[test]
fn counts_behind_the_end_mark_are_waited_for_a_moment() {
    let pause = || Step::Pause(Duration::from_millis(60));
    let late = |script: Script| script.send(DONE).then(pause()).send(COUNTS);
    assert_eq!(counted(late).0, 4);
    // Who has sent them before is not waited for.
    let early = |script: Script| script.send(COUNTS).send(DONE).then(Step::Hold);
    assert_eq!(counted(early).0, 4);
    // An end that is told is not taken back.
    assert_eq!(counted(|script| script.send(DONE).then(Step::Cut)).0, Value::Null);
    let noise =
        |script: Script| script.send(DONE).then(pause()).send("data: {\"error\":{\"message\":\"x\"}}\n\n");
    assert_eq!(counted(noise).0, Value::Null);
}

#[test]
fn who_never_counts_and_never_ends_is_not_waited_for_long() {
    let (usage, took) = counted(|script| script.send(DONE).then(Step::Hold));
    assert_eq!(usage, Value::Null);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let talk = |script: Script| {
        (0..100).fold(script.send(DONE), |script, _| {
            script.send(": still here\n\n").then(Step::Pause(Duration::from_millis(100)))
        })
    };
    let (_, took) = counted(talk);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn words_between_events_are_passed_over_with_a_note() {
    let fake = FakeProvider::start();
    let app =
        setup(format!("{}quirks = {{ always_stream = true }}\n", fake.provider("openai-responses"))).start();
    let completed = json!({"type": "response.completed", "response": {"status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]}});
    for words in ["", "data: ping pong\n\n", "data: ping pong\n\ndata: ping pong\n\n"] {
        fake.script(Script::head(200, "text/event-stream").send(format!("{words}data: {completed}\n\n")));
        let answer = app.post(&body("openai-responses", false));
        assert_eq!(answer.response()["status"], "completed");
        let told =
            answer.header("openresponses-translation").unwrap_or_default().matches("no JSON: ping").count();
        assert_eq!(told, usize::from(!words.is_empty()), "{words}");
    }
}
