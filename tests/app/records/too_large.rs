//! Records that can never be written: `store.max_record_bytes`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::app::{App, folder, setup};
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire;

const BOUND: usize = 65_536;

fn server(fake: &FakeProvider, disk: &Arc<TempDir>) -> App {
    let config = format!("{}[store]\nmax_record_bytes = {BOUND}\n", fake.provider("openai-chat"));
    setup(config).disk(disk).start()
}

fn body(background: bool, stream: bool, input: usize) -> Value {
    let input = "x".repeat(input);
    json!({"model": "openai-chat/m", "input": input, "background": background, "stream": stream})
}

fn long_text() -> Script {
    let piece: &'static str = "y".repeat(BOUND / 2).leak();
    wire::stream("openai-chat", &wire::text(vec![piece].leak()))
}

fn ask(app: &App, method: &str, id: &Value, more: &str) -> Answer {
    app.request(method, &format!("/v1/responses/{}{more}", id.as_str().unwrap()), &[], None).finish()
}

/// The response once it is over.
#[track_caller]
fn ended(app: &App, id: &Value) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let response = app.stored(id).json();
        if !matches!(response["status"].as_str(), Some("queued" | "in_progress")) {
            return response;
        }
        assert!(Instant::now() < end, "it does not end: {response}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn check_short(response: &Value) {
    let got = (&response["status"], &response["error"]["code"], &response["output"]);
    assert_eq!(got, (&json!("failed"), &json!("record_too_large"), &json!([])), "{response}");
}

#[test]
fn a_background_response_above_it_fails_once_and_for_good() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let app = server(&fake, &disk);
    let mut ids = Vec::new();
    for stream in [false, true] {
        fake.script(long_text());
        let body = body(true, stream, BOUND * 3 / 4);
        let id = if stream {
            app.open(&body).until("response.created")["response"]["id"].clone()
        } else {
            app.post(&body).response()["id"].clone()
        };
        let response = ended(&app, &id);
        check_short(&response);
        assert_eq!(ask(&app, "POST", &id, "/cancel").json(), response);
        if stream {
            let told = ask(&app, "GET", &id, "?stream=true");
            assert!(told.text().ends_with("data: [DONE]\n\n"), "{}", told.text());
            assert!(told.text().contains("event: response.failed\n"));
        }
        ids.push(id);
    }
    assert!(app.running().is_empty());
    app.stop();
    let app = server(&fake, &disk);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!((fake.count(), app.running().len()), (2, 0), "nothing is taken up again");
    for id in &ids {
        check_short(&app.stored(id).json());
        assert_eq!(ask(&app, "DELETE", id, "").json()["deleted"], true);
    }
}

#[test]
fn a_checkpoint_above_it_ends_the_response() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let tool = FakeProvider::start();
    let config = format!(
        "{}[store]\nmax_record_bytes = {BOUND}\n[tools.get_weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://{}/'\n",
        fake.provider("openai-chat"),
        tool.address,
    );
    let app = setup(config).disk(&disk).start();
    tool.always(|_| Script::body(200, "text/plain", "z".repeat(BOUND / 2)));
    fake.script(wire::stream("openai-chat", &wire::CALL));
    // The next turn never comes.
    fake.always(|_| Script::head(200, "text/event-stream").then(Step::Hold));
    let mut body = body(true, false, BOUND * 3 / 4);
    body["tools"] = json!([{"type": "function", "name": "get_weather"}]);
    let id = app.post(&body).response()["id"].clone();
    check_short(&ended(&app, &id));
    assert_eq!((fake.count(), tool.count()), (1, 1));
    assert_eq!(ask(&app, "DELETE", &id, "").json()["deleted"], true);
}

#[test]
fn what_is_too_large_from_the_start_is_refused() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let app = server(&fake, &disk);
    for (background, stream) in [(false, false), (false, true), (true, false), (true, true)] {
        let (status, kind, code, _) = app.post(&body(background, stream, BOUND)).error();
        let want = (413, "invalid_request_error", Some("record_too_large"));
        assert_eq!((status, kind.as_str(), code.as_deref()), want);
    }
    // What is kept beside the input counts too.
    let mut large = body(true, false, BOUND / 4);
    large["instructions"] = "i".repeat(BOUND / 2).into();
    assert_eq!(app.post(&large).error().2.as_deref(), Some("record_too_large"));
    assert_eq!(fake.count(), 0);
}

#[test]
fn a_client_that_waits_is_told() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let app = server(&fake, &disk);
    fake.always(|_| long_text());
    let (status, _, code, _) = app.post(&body(false, false, BOUND * 3 / 4)).error();
    assert_eq!((status, code.as_deref()), (413, Some("record_too_large")));
    let streamed = app.post(&body(false, true, BOUND * 3 / 4)).text();
    assert!(streamed.ends_with("data: [DONE]\n\n") && streamed.contains("\"code\":\"record_too_large\""));
    let mut free = body(false, false, BOUND * 3 / 4);
    free["store"] = false.into();
    assert_eq!(app.post(&free).response()["status"], "completed");
}
