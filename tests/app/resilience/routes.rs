//! Whom a route asks, in which order, and what its client is told.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use open_responses::tools::{Tool, ToolContext, ToolFuture, ToolOutput, ToolSpec};

use super::{Two, answers, ask, fails, route, shown_text, trail};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, CALL, text};

#[test]
fn the_last_error_that_says_most_is_the_one_that_is_told() {
    let two = Two::start("", "");
    for (a, b, want) in [
        (500, 503, 503),
        (503, 500, 503),
        (429, 500, 429),
        (400, 429, 400),
        (429, 400, 400),
        (401, 500, 502),
        (429, 529, 503),
    ] {
        two.a.push(fails(a));
        two.b.push(fails(b));
        let answer = two.post();
        assert_eq!((answer.status, trail(&answer)), (want, ("b", "2")), "{a} {b}: {}", answer.text());
    }
}

#[test]
fn each_target_is_asked_for_its_own_model_in_its_own_words() {
    let two = Two::start("", "");
    two.a.push(fails(500));
    two.b.push(answers(text(&["Yes"])));
    let answer = two.app.post(&json!({"model": "m", "input": "Hi", "top_logprobs": 2, "seed": 1, "include": ["message.output_text.logprobs"]}));
    assert_eq!(answer.response()["model"], "m");
    assert_eq!(
        (&two.a.request(0).body["model"], &two.b.request(0).body["model"]),
        (&json!("m"), &json!("other"))
    );
    assert!(two.a.request(0).body["top_logprobs"] == 2 && two.b.request(0).body["top_logprobs"].is_null());
    assert!(answer.header("openresponses-translation").unwrap().contains("top_logprobs"));
}

#[test]
fn notes_are_those_of_who_answered() {
    let two = Two::of(["anthropic", "openai-chat"], "", "");
    let body = json!({"model": "m", "input": "Hi", "top_logprobs": 2});
    two.a.push(fails(500));
    two.b.push(answers(text(&["Yes"])));
    let notes = |answer: &or_test_support::client::Answer| {
        answer.header("openresponses-translation").unwrap_or_default().contains("top_logprobs")
    };
    let fallen_back = two.app.post(&body);
    two.a.push(answers(text(&["Yes"])));
    assert_eq!((notes(&fallen_back), notes(&two.app.post(&body))), (false, true));
}

#[test]
fn in_strict_mode_a_target_that_cannot_keep_the_request_is_passed_over() {
    let two = Two::of(["anthropic", "openai-chat"], "", "");
    two.b.push(answers(text(&["Yes"])));
    let body =
        json!({"model": "m", "input": "Hi", "top_logprobs": 2, "include": ["message.output_text.logprobs"]});
    let answer = two.app.post_with(&[("openresponses-strict", "true")], &body);
    assert_eq!((answer.status, trail(&answer).0, two.a.count()), (200, "b", 0), "{}", answer.text());
}

#[test]
fn a_clients_own_key_goes_to_one_provider() {
    let two = Two::start("", "");
    two.a.always(fails(500));
    let answer = two.app.post_with(&[("x-provider-api-key", "sk-mine-alone")], &ask("m", false));
    assert_eq!((answer.status, two.a.count(), two.b.count()), (502, 1, 0));
}

#[test]
fn weights_share_the_requests() {
    let (a, b) = (FakeProvider::start(), FakeProvider::start());
    let providers = [a.named_provider("a", "openai-chat"), b.named_provider("b", "gemini")].concat();
    let targets = ["{ provider = 'a', weight = 0 }", "{ provider = 'b', weight = 2 }"];
    let spare = route("^spare$", &targets, "balance = 'weight'");
    let half = route("^half$", &["{ provider = 'a' }", "{ provider = 'b' }"], "balance = 'weight'");
    let app = setup(format!("{providers}{spare}{half}")).start();
    a.always(answers(text(&["From a"])));
    b.always(answers(text(&["From b"])));
    for _ in 0..10 {
        assert_eq!(trail(&app.post(&ask("spare", false))), ("b", "1"));
    }
    b.push(fails(500));
    assert_eq!(trail(&app.post(&ask("spare", false))), ("a", "2"));
    let firsts = (0..60).filter(|_| trail(&app.post(&ask("half", false))).0 == "a").count();
    // Less likely than one in a billion.
    assert!((8..=52).contains(&firsts), "{firsts}");
    let ids = app.get("/v1/models").json();
    let ids: Vec<_> = ids["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert!(ids.contains(&json!("spare")) && ids.contains(&json!("half")), "{ids:?}");
}

#[test]
fn a_background_response_goes_to_the_next_target_and_says_who_made_it() {
    let two = Two::start("background.max_retries = 0", "");
    for stream in [false, true] {
        two.a.push(fails(500));
        two.b.push(answers(text(&["From b"])));
        let body = json!({"model": "m", "input": "Hi", "background": true, "stream": stream});
        let begun = two.app.post(&body);
        let id = if stream { begun.last_response() } else { begun.response() }["id"].clone();
        let response = loop {
            let response = two.app.stored(&id).response();
            if response["status"] == "completed" {
                break response;
            }
            assert!(response["status"] == "queued" || response["status"] == "in_progress", "{response}");
        };
        assert_eq!(shown_text(&response), "From b");
    }
}

struct Clock;

impl Tool for Clock {
    fn spec(&self) -> ToolSpec {
        ToolSpec { parameters: json!({"type": "object"}), ..ToolSpec::new("get_weather", "Weather") }
    }

    fn execute(&self, _: Value, _: ToolContext) -> ToolFuture<'_> {
        Box::pin(async { Ok(ToolOutput::Text("12 degrees".into())) })
    }
}

#[test]
fn a_tool_loop_stays_with_who_answered_and_goes_on_elsewhere() {
    let (a, b) = (FakeProvider::start(), FakeProvider::start());
    let providers = [a.named_provider("a", "openai-chat"), b.named_provider("b", "anthropic")].concat();
    let route = route("^m$", &["{ provider = 'a' }", "{ provider = 'b' }"], "");
    let app = setup(format!("{providers}{route}")).with(|builder| builder.tool(Clock)).start();
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    let body = json!({"model": "m", "input": "Hi", "tools": tools});
    // The first turn falls back; the second stays there.
    a.push(fails(500));
    b.push(answers(CALL));
    b.push(answers(text(&["Warm"])));
    let answer = app.post(&body);
    assert_eq!((trail(&answer), a.count(), b.count()), (("b", "2"), 1, 2), "{}", answer.text());
    // The second turn of the other falls back with the result of the tool.
    a.push(answers(CALL));
    a.push(fails(500));
    b.push(answers(text(&["Cold"])));
    let answer = app.post(&body);
    assert_eq!(
        (trail(&answer), answer.response()["usage"]["output_tokens"].clone()),
        (("b", "2"), json!(14))
    );
    assert!(b.request(2).body["messages"].to_string().contains("12 degrees"));
    let metrics = app.get("/metrics").text();
    let tokens =
        |provider: &str| format!("tokens_total{{model=\"m\",provider=\"{provider}\",type=\"output\"}}");
    assert!(metrics.contains(&format!("{} 7\n", tokens("a"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 21\n", tokens("b"))), "{metrics}");
}

#[test]
fn who_is_asked_now_is_shown_to_whoever_looks() {
    let two = Two::start("", "");
    let gate = Gate::default();
    two.a.push(fails(500));
    let held = gate.clone();
    two.b.push(move |request| {
        wire::answer("anthropic", text(&["Yes"]))(request).after(Step::Wait(held.clone()))
    });
    let connection = two.app.open(&ask("m", true));
    two.b.request(0);
    assert_eq!(two.app.running()[0].provider, "b");
    gate.open();
    assert_eq!(shown_text(&connection.finish().last_response()), "Yes");
}

#[test]
fn a_stream_that_begins_late_is_still_one_stream() {
    let two = Two::start("server.keepalive_s = 1", "");
    // The head and a comment, and then nothing: the client's own stream has begun by the time it fails.
    let gate = Gate::default();
    let held = gate.clone();
    two.a.push(move |_| {
        Script::head(200, "text/event-stream")
            .send(": wait\n\n")
            .then(Step::Wait(held.clone()))
            .then(Step::Cut)
    });
    two.b.push(answers(text(&["From b"])));
    let mut connection = two.app.open(&ask("m", true));
    assert_eq!(connection.head().status, 200);
    gate.open();
    assert_eq!(shown_text(&connection.finish().last_response()), "From b");
}
