//! `/metrics`, `/health`, `/ready`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, text};

/// The value of a sample; its name includes the labels.
fn sample(app: &App, name: &str) -> Option<f64> {
    let answer = app.get("/metrics");
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map(|value| value.parse().unwrap())
}

#[track_caller]
fn check(app: &App, name: &str, want: f64) {
    // A loop counts its end a moment after its client has the last byte.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let got = sample(app, name);
        if got == Some(want) {
            return;
        }
        assert!(Instant::now() < end, "{name} is {got:?}, not {want}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_end_is_counted() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let model = "openai-chat/m";
    for stream in [false, true] {
        fake.push(wire::answer("openai-chat", text(&["Hi"])));
        app.post(&json!({"model": model, "input": "Hi", "stream": stream}));
    }
    fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    assert_eq!(app.post(&json!({"model": model, "input": "Hi"})).status, 502);
    fake.script(Script::head(200, "text/event-stream"));
    app.post(&json!({"model": model, "input": "Hi", "stream": true})).last_response();
    assert_eq!(app.post(&json!({"model": "nobody"})).status, 400);
    assert_eq!(app.get("/v1/nothing").status, 404);

    let gone = "/v1/responses/resp_0199f0f0f0f070008000000000000000";
    assert_eq!(app.request("DELETE", gone, &[], None).finish().status, 404);

    let labels = |outcome: &str| {
        format!("open_responses_requests_total{{outcome=\"{outcome}\",provider=\"openai-chat\"}}")
    };
    check(&app, &labels("completed"), 2.0);
    check(&app, &labels("refused"), 1.0);
    check(&app, &labels("failed"), 1.0);
    check(&app, "open_responses_requests_total{outcome=\"400\",provider=\"\"}", 1.0);
    check(&app, "open_responses_requests_total{outcome=\"404\",provider=\"\"}", 2.0);
    check(&app, "open_responses_store_deletions_total{result=\"ok\"}", 1.0);
    check(&app, "open_responses_tokens_total{direction=\"input\",provider=\"openai-chat\"}", 22.0);
    check(&app, "open_responses_tokens_total{direction=\"output\",provider=\"openai-chat\"}", 14.0);
    check(&app, "open_responses_response_duration_seconds_count{provider=\"openai-chat\"}", 4.0);
    check(&app, "open_responses_time_to_first_token_seconds_count{provider=\"openai-chat\"}", 2.0);
    check(&app, "open_responses_upstream_errors_total{provider=\"openai-chat\",reason=\"http_error\"}", 1.0);
    check(&app, "open_responses_upstream_errors_total{provider=\"openai-chat\",reason=\"truncated\"}", 1.0);
    check(&app, "open_responses_store_commits_total{result=\"ok\"}", 3.0);
    check(&app, "open_responses_panics_total", 0.0);
    check(&app, "open_responses_running_responses", 0.0);
}

#[test]
fn running_responses_are_shown_and_a_leaver_is_counted() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    fake.script(Script::silent());
    let connection = app.open(&json!({"model": "openai-chat/m", "input": "Hi"}));
    fake.request(0);
    check(&app, "open_responses_running_responses", 1.0);
    connection.leave();
    check(&app, "open_responses_running_responses", 0.0);
    check(&app, "open_responses_requests_total{outcome=\"cancelled\",provider=\"openai-chat\"}", 1.0);
}

#[test]
fn labels_do_not_grow_with_what_clients_send() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let count = || app.get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count();
    let round = |n: usize| {
        fake.script(Script::json(400 + n as u16 % 50, &json!({})));
        app.post(&json!({"model": format!("openai-chat/model-{n}"), "input": "x", "user": format!("u{n}")}));
        app.post(&json!({"model": format!("unknown-{n}")}));
        app.get(&format!("/v1/responses/resp_{n}"));
        app.get(&format!("/nothing/{n}"));
    };
    round(0);
    let before = count();
    (1..40).for_each(round);
    assert_eq!(count(), before);
}

#[test]
fn a_fresh_server_is_healthy_and_ready() {
    let app = setup("").start();
    let (health, ready) = (app.get("/health"), app.get("/ready"));
    assert_eq!((health.status, health.text().as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!((ready.status, ready.text().as_str()), (200, r#"{"status":"ready"}"#));
    let metrics = app.get("/metrics");
    assert!(metrics.header("content-type").is_some_and(|t| t.starts_with("text/plain; version=0.0.4")));
    assert!(metrics.text().contains("open_responses_running_responses 0"), "{}", metrics.text());
}

#[test]
fn many_slow_first_bytes_do_not_stop_the_monitor() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    fake.always(|_| Script::default().then(Step::Hold));
    let body = json!({"model": "openai-chat/m", "input": "Hi"});
    let waiting: Vec<_> = (0..50).map(|_| app.open(&body)).collect();
    fake.request(49);
    check(&app, "open_responses_running_responses", 50.0);
    waiting.into_iter().for_each(or_test_support::client::Connection::leave);
    check(&app, "open_responses_running_responses", 0.0);
}
