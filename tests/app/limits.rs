//! How much may go on at the same time.

use serde_json::{Value, json};

use crate::stage::app::setup;
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

fn body(input: &str) -> Value {
    json!({"model": "openai-chat/m", "input": input, "stream": true})
}

/// A text turn that ends when the gate opens.
fn held(gate: &Gate) -> Script {
    let frames = wire::frames("openai-chat", &text(&["Hi"]));
    let (begin, end) = frames.split_at(2);
    let script = begin.iter().cloned().fold(Script::head(200, "text/event-stream"), Script::send);
    end.iter().cloned().fold(script.then(Step::Wait(gate.clone())), Script::send)
}

#[track_caller]
fn check_third_is_refused(config: impl FnOnce(&FakeProvider) -> String) {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).start();
    let gate = Gate::default();
    let script = held(&gate);
    fake.always(move |_| script.clone());
    let mut two: Vec<Connection> = (0..2).map(|_| app.open(&body("Hi"))).collect();
    for connection in &mut two {
        connection.until("response.output_text.delta");
    }
    for stream in [true, false] {
        let third = app.post(&json!({"model": "openai-chat/m", "input": "Hi", "stream": stream}));
        let (status, kind, code, _) = third.error();
        let got = (status, kind.as_str(), code.as_deref());
        assert_eq!(got, (429, "too_many_requests", Some("rate_limit_exceeded")));
        assert_eq!(third.header("retry-after"), Some("1"));
    }
    gate.open();
    for connection in two {
        assert_eq!(connection.finish().last_response()["status"], "completed");
    }
    // The places are free again; a refusal must not have cost one.
    for _ in 0..3 {
        assert_eq!(app.post(&body("Hi")).last_response()["status"], "completed");
    }
}

#[test]
fn a_response_above_the_limit_is_refused() {
    check_third_is_refused(|fake| {
        format!("server.max_concurrent_responses = 2\n{}", fake.provider("openai-chat"))
    });
}

#[test]
fn a_call_above_the_providers_limit_is_refused() {
    check_third_is_refused(|fake| format!("{}max_concurrent = 2\n", fake.provider("openai-chat")));
}
