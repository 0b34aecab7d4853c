//! Endpoints that are told what became of background responses.

mod endpoints;
mod receiver;
mod restart;

use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use crate::stage::mcp::providers;
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, CALL, Turn, text};

use receiver::{ENV, event, events, nowhere, receiver, table, wait};

/// Retries come within a second.
const QUICK: &str = "webhook_limits.first_retry_s = 1\nwebhook_limits.timeout_s = 1\n";

fn app(fake: &FakeProvider, config: &str) -> App {
    setup(format!("{QUICK}{}{config}", fake.provider("openai-chat")))
        .env(ENV.0, ENV.1)
        .disk(&folder())
        .start()
}

fn body(background: bool) -> Value {
    json!({"model": "openai-chat/m", "input": "Hi", "background": background})
}

/// Begins a background response; its id.
fn begin(app: &App) -> Value {
    app.post(&body(true)).response()["id"].clone()
}

fn cancel(app: &App, id: &Value) {
    let path = format!("/v1/responses/{}/cancel", id.as_str().unwrap());
    assert_eq!(app.request("POST", &path, &[], None).finish().status, 200);
}

/// The value of a sample, 0 if it is not there yet.
fn sample(app: &App, name: &str) -> f64 {
    let text = app.get("/metrics").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[track_caller]
fn counted(app: &App, name: &str, want: f64) {
    wait(&format!("{name} {want}"), || sample(app, name) == want);
}

fn told(kind: &str, id: &Value) -> (String, String) {
    (format!("response.{kind}"), id.as_str().unwrap().to_owned())
}

#[test]
fn every_end_of_a_background_response_is_told() {
    let (fake, hook) = (FakeProvider::start(), receiver());
    let app = app(&fake, &table("app", hook.address, ""));
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let completed = begin(&app);
    fake.request(0);
    fake.script(Script::json(400, &wire::error("openai-chat", 400, "no")));
    let failed = begin(&app);
    fake.request(1);
    fake.push(wire::answer("openai-chat", Turn { cut: true, ..text(&["Once"]) }));
    let incomplete = begin(&app);
    fake.request(2);
    fake.script(Script::silent());
    let cancelled = begin(&app);
    fake.request(3);
    cancel(&app, &cancelled);
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    app.post(&body(false)).response();
    let want = [
        told("completed", &completed),
        told("failed", &failed),
        told("incomplete", &incomplete),
        told("cancelled", &cancelled),
    ];
    assert_eq!(events(&hook, 4), want.into());
    counted(&app, "open_responses_webhooks_attempts_total{endpoint=\"app\",result=\"delivered\"}", 4.0);
    counted(&app, "open_responses_webhooks_waiting", 0.0);
    app.stop();
    assert_eq!(hook.count(), 4, "one in the foreground is not told");
}

#[test]
fn the_end_of_the_time_is_an_end() {
    let (fake, hook) = (FakeProvider::start(), receiver());
    let config = format!("server.max_response_s = 1\n{}", fake.provider("openai-chat"));
    let app = setup(config + &table("app", hook.address, "")).env(ENV.0, ENV.1).disk(&folder()).start();
    fake.script(Script::silent());
    let id = begin(&app);
    assert_eq!(events(&hook, 1), [told("failed", &id)].into());
}

#[test]
fn what_is_not_taken_is_sent_again_under_its_id() {
    let (fake, hook) = (FakeProvider::start(), receiver());
    let app = app(&fake, &table("app", hook.address, ""));
    hook.script(Script::head(500, "text/plain"));
    // Longer than an answer may take.
    hook.script(Script::silent());
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let id = begin(&app);
    let (first, ..) = event(&hook.request(0));
    counted(&app, "open_responses_webhooks_waiting", 1.0);
    // It did happen, whatever becomes of the response.
    wait("the end", || app.stored(&id).response()["status"] == "completed");
    let path = format!("/v1/responses/{}", id.as_str().unwrap());
    assert_eq!(app.request("DELETE", &path, &[], None).finish().status, 200);
    for n in 1..3 {
        let request = hook.request(n);
        assert_eq!(event(&request), (first.clone(), "response.completed".into(), id.clone()));
        assert_eq!(request.bytes, hook.request(0).bytes);
    }
    for (result, want) in [("refused", 1.0), ("timeout", 1.0), ("delivered", 1.0)] {
        let name = format!("open_responses_webhooks_attempts_total{{endpoint=\"app\",result=\"{result}\"}}");
        counted(&app, &name, want);
    }
}

#[test]
fn a_connection_that_breaks_is_a_try() {
    let (fake, hook) = (FakeProvider::start(), receiver());
    let app = app(&fake, &table("app", hook.address, ""));
    hook.script(Script::default().then(Step::Cut));
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let id = begin(&app);
    assert_eq!(events(&hook, 2), [told("completed", &id)].into());
    counted(&app, "open_responses_webhooks_attempts_total{endpoint=\"app\",result=\"broken\"}", 1.0);
}

#[test]
fn who_does_not_listen_yet_is_told_later() {
    let (fake, address) = (FakeProvider::start(), nowhere());
    let app = app(&fake, &table("app", address, ""));
    fake.push(wire::answer("openai-chat", text(&["Yes"])));
    let id = begin(&app);
    let unreachable = "open_responses_webhooks_attempts_total{endpoint=\"app\",result=\"unreachable\"}";
    wait("a try", || sample(&app, unreachable) >= 1.0);
    let hook = FakeProvider::start_at(address);
    hook.always(|_| Script::head(200, "text/plain").send(vec![b'x'; 200_000]));
    assert_eq!(events(&hook, 1), [told("completed", &id)].into());
    counted(&app, "open_responses_webhooks_waiting", 0.0);
}

#[test]
fn a_request_for_approval_is_told() {
    let (fake, hook, server) = (FakeProvider::start(), receiver(), FakeMcp::start());
    let config = server.allowed() + &providers(&fake) + &table("app", hook.address, "");
    let app = setup(config).env(ENV.0, ENV.1).disk(&folder()).start();
    fake.push(wire::answer("openai-chat", CALL));
    let tool = json!({"type": "mcp", "server_label": "weather", "server_url": server.url()});
    let mut request = body(true);
    request["tools"] = json!([tool]);
    let id = app.post(&request).json()["id"].clone();
    let want = [told("completed", &id), told("approval_required", &id)];
    assert_eq!(events(&hook, 2), want.into());
    let ids: Vec<_> = (0..2).map(|n| event(&hook.request(n)).0).collect();
    assert_ne!(ids[0], ids[1]);
    let items = app.stored(&id).json()["output"].clone();
    assert_eq!(items.as_array().unwrap().last().unwrap()["type"], "mcp_approval_request");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(hook.count(), 2);
}
