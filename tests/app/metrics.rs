//! `/metrics`, `/health`, `/ready`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, CALL, text};

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
        format!(
            "open_responses_requests_total{{model=\"other\",outcome=\"{outcome}\",provider=\"openai-chat\"}}"
        )
    };
    check(&app, &labels("completed"), 2.0);
    check(&app, &labels("refused"), 1.0);
    check(&app, &labels("failed"), 1.0);
    check(&app, "open_responses_requests_total{model=\"\",outcome=\"400\",provider=\"\"}", 1.0);
    check(&app, "open_responses_requests_total{model=\"\",outcome=\"404\",provider=\"\"}", 2.0);
    check(&app, "open_responses_store_deletions_total{result=\"ok\"}", 1.0);
    check(&app, "open_responses_tokens_total{model=\"other\",provider=\"openai-chat\",type=\"input\"}", 22.0);
    check(
        &app,
        "open_responses_tokens_total{model=\"other\",provider=\"openai-chat\",type=\"output\"}",
        14.0,
    );
    check(
        &app,
        "open_responses_response_duration_seconds_count{model=\"other\",provider=\"openai-chat\"}",
        4.0,
    );
    check(
        &app,
        "open_responses_time_to_first_token_seconds_count{model=\"other\",provider=\"openai-chat\"}",
        2.0,
    );
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
    check(
        &app,
        "open_responses_requests_total{model=\"other\",outcome=\"cancelled\",provider=\"openai-chat\"}",
        1.0,
    );
}

/// A loop of two turns and one tool, streamed: every number of it.
#[test]
fn a_loop_is_counted_by_its_model_and_its_tool() {
    let (fake, endpoint) = (FakeProvider::start(), FakeProvider::start());
    endpoint.always(|_| Script::body(200, "text/plain", "7"));
    let provider = fake.provider("openai-chat").replacen("kind", "models = ['m']\nkind", 1);
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://{}/'\n",
        endpoint.address
    );
    let app = setup(provider + &tool).start();
    for turn in [CALL, text(&["Seven", " degrees"])] {
        fake.push(wire::answer("openai-chat", turn));
    }
    let tools = json!([{"type": "function", "name": "get_weather"}]);
    let body = json!({"model": "openai-chat/m", "input": "Hi", "stream": true, "tools": tools, "top_k": 3});
    let answer = app.post(&body);
    assert_eq!(answer.last_response()["status"], "completed");

    let of_model = r#"model="m",provider="openai-chat""#;
    check(
        &app,
        r#"open_responses_requests_total{model="m",outcome="completed",provider="openai-chat"}"#,
        1.0,
    );
    check(&app, &format!("open_responses_loop_iterations_total{{{of_model}}}"), 2.0);
    let call = r#"{kind="http",outcome="ok",tool="get_weather"}"#;
    check(&app, &format!("open_responses_tool_dispatches_total{call}"), 1.0);
    check(&app, r#"open_responses_tool_duration_seconds_count{kind="http",tool="get_weather"}"#, 1.0);
    let calls = r#"{attempt="first",provider="openai-chat",status="2xx"}"#;
    check(&app, &format!("open_responses_upstream_requests_total{calls}"), 2.0);
    for family in ["overhead", "response_duration", "time_to_first_token"] {
        check(&app, &format!("open_responses_{family}_seconds_count{{{of_model}}}"), 1.0);
    }
    let (total, overhead) = ("response_duration_seconds_sum", "overhead_seconds_sum");
    let [total, overhead] =
        [total, overhead].map(|name| sample(&app, &format!("open_responses_{name}{{{of_model}}}")).unwrap());
    assert!(overhead < total, "{overhead} of {total}");

    // As many of each type as the client has seen.
    let mut told = BTreeMap::new();
    for (name, _) in answer.events() {
        *told.entry(name).or_insert(0.0) += 1.0;
    }
    assert_eq!(told["response.completed"], 1.0);
    for (name, count) in told {
        check(&app, &format!("open_responses_stream_events_total{{type=\"{name}\"}}"), count);
    }
    let process = app.get("/metrics").text();
    for name in ["build_info{version=", "store_records ", "store_bytes ", "background_queued 0"] {
        assert!(process.contains(&format!("\nopen_responses_{name}")), "{name} in {process}");
    }
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "tokio_workers_busy_seconds_total",
    ] {
        assert!(sample(&app, name).is_some_and(|value| value > 0.0), "{name} in {process}");
    }
}

#[test]
fn what_is_emulated_or_dropped_is_counted() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("anthropic")).start();
    for _ in 0..2 {
        fake.push(wire::answer("anthropic", text(&["Hi"])));
        let body = json!({"model": "anthropic/m", "input": "Hi", "presence_penalty": 1.0});
        assert_eq!(app.post(&body).status, 200);
    }
    let labels = r#"{action="dropped",field="presence_penalty",kind="anthropic"}"#;
    check(&app, &format!("open_responses_translation_notes_total{labels}"), 2.0);
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
    for path in ["/health", "/healthz", "/livez", "/health/liveliness"] {
        let health = app.get(path);
        assert_eq!((health.status, health.text().as_str()), (200, r#"{"status":"ok"}"#), "{path}");
    }
    for path in ["/ready", "/readyz", "/health/readiness"] {
        let ready = app.get(path);
        assert_eq!((ready.status, ready.text().as_str()), (200, r#"{"status":"ready"}"#), "{path}");
    }
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
