//! What a request refers to is bounded and paid for before it is read, and nobody else waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::{SlowStore, Work};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const KB: usize = 1000;

fn message(bytes: usize) -> Value {
    json!({"model": "demo", "input": "a ".repeat(bytes / 2), "store": true})
}

/// The id of the one input item of a stored response.
fn item(app: &App, response: &Value) -> String {
    let id = response["id"].as_str().unwrap();
    let list = app.get(&format!("/v1/responses/{id}/input_items")).json();
    list["data"][0]["id"].as_str().unwrap().to_owned()
}

fn references(id: &str, count: usize) -> Vec<Value> {
    vec![json!({"type": "item_reference", "id": id}); count]
}

/// Stores one message, and asks with so many references to it, or with a chain of so many links of the same size.
#[track_caller]
fn check(disk: bool, what: &str, times: usize, bytes: usize, want: Result<(), &str>) {
    let disk = disk.then(folder);
    let setup = setup("server.max_context_bytes = 1000000\n");
    let app = match &disk {
        Some(folder) => setup.disk(folder).start(),
        None => setup.start(),
    };
    let mut last = app.post(&message(bytes)).response();
    let mut body = json!({"model": "demo", "input": "Hi", "store": false});
    if what == "references" {
        body["input"] = json!(references(&item(&app, &last), times));
    } else {
        for _ in 1..times {
            let mut link = message(bytes);
            link["previous_response_id"] = last["id"].clone();
            last = app.post(&link).response();
        }
        body["previous_response_id"] = last["id"].clone();
        body["input"] = json!("a".repeat(120 * KB));
    }
    for path in ["/v1/responses", "/v1/responses/input_tokens"] {
        let answer = app.request("POST", path, &[], Some(body.to_string().as_bytes())).finish();
        match want {
            Ok(()) => assert_eq!(answer.status, 200, "{}", answer.text()),
            Err(param) => {
                let (status, kind, code, at) = answer.error();
                let got = (status, &*kind, code.as_deref(), at.as_deref());
                assert_eq!(got, (400, "invalid_request_error", Some("context_too_large"), Some(param)));
                assert!(answer.message().contains("limit of 1000000 bytes"), "{}", answer.message());
            }
        }
    }
}

#[test]
fn a_context_above_the_limit_is_refused() {
    for disk in [false, true] {
        check(disk, "references", 2, 300 * KB, Ok(()));
        check(disk, "references", 4, 300 * KB, Err("input"));
        check(disk, "references", 1000, 30 * KB, Err("input"));
        check(disk, "chain", 1, 300 * KB, Ok(()));
        check(disk, "chain", 3, 300 * KB, Err("previous_response_id"));
    }
}

#[test]
fn a_record_is_read_once_whatever_refers_to_it() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&loads);
    let store = SlowStore::new(&Memory::default(), move |work| {
        if work == Work::Load {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Duration::ZERO
    });
    let app = setup("").with(|builder| builder.store(Arc::new(store))).start();
    let stored = app.post(&message(100)).response();
    let id = item(&app, &stored);
    loads.store(0, Ordering::Relaxed);
    let body = json!({"model": "demo", "input": references(&id, 50), "store": true});
    let response = app.post(&body).response();
    // Its length, and then itself.
    assert_eq!(loads.load(Ordering::Relaxed), 2);
    let id = response["id"].as_str().unwrap();
    let items = app.get(&format!("/v1/responses/{id}/input_items?limit=100&order=asc")).json();
    let items = items["data"].as_array().unwrap().clone();
    assert_eq!(items.len(), 50);
    assert!(items.iter().all(|item| item["content"] == items[0]["content"]));
}

/// What a request costs is four times its bytes.
#[test]
fn a_request_for_which_there_is_no_room_is_refused_and_leaves_nothing() {
    let fake = FakeProvider::start();
    let config = format!("server.max_bytes_in_flight = 8000000\n{}", fake.provider("openai-chat"));
    let app = setup(config).start();
    let gate = Gate::default();
    let frames = wire::frames("openai-chat", &text(&["Hi"]));
    let (begin, end) = frames.split_at(2);
    let script = begin.iter().cloned().fold(Script::head(200, "text/event-stream"), Script::send);
    let script = end.iter().cloned().fold(script.then(Step::Wait(gate.clone())), Script::send);
    fake.always(move |_| script.clone());
    let body = |bytes| json!({"model": "openai-chat/m", "input": "a".repeat(bytes), "stream": true});
    let mut first = app.open(&body(600 * KB));
    first.until("response.output_text.delta");
    for path in ["/v1/responses", "/v1/responses/input_tokens"] {
        let second = app.request("POST", path, &[], Some(body(600 * KB).to_string().as_bytes())).finish();
        let (status, kind, code, _) = second.error();
        assert_eq!((status, &*kind, code.as_deref()), (503, "server_error", Some("server_overloaded")));
        assert_eq!(second.header("retry-after"), Some("2"));
    }
    assert_eq!(app.running().len(), 1);
    // Others find room, and the server is ready.
    assert_eq!(app.post(&json!({"model": "demo", "input": "Hi"})).status, 200);
    assert_eq!(app.get("/ready").status, 200);
    gate.open();
    assert_eq!(first.finish().last_response()["status"], "completed");
    assert_eq!(app.post(&body(600 * KB)).last_response()["status"], "completed");
    let (status, _, code, _) = app.post(&body(1100 * KB)).error();
    assert_eq!((status, code.as_deref()), (413, Some("request_too_large")));
    let metrics = app.get("/metrics").text();
    let held = metrics.lines().find(|line| line.starts_with("open_responses_bytes_in_flight "));
    assert_eq!(held, Some("open_responses_bytes_in_flight 0"));
}

/// A large answer of a provider is worked on elsewhere, and is the same as a small one.
#[test]
fn a_large_answer_is_told_and_stored_whole() {
    let long: &'static str = "word ".repeat(200 * KB).leak();
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    fake.always(wire::answer("openai-chat", text(vec![long].leak())));
    for stream in [false, true] {
        let answer = app.post(&json!({"model": "openai-chat/m", "input": "Hi", "stream": stream}));
        let response = if stream { answer.last_response() } else { answer.response() };
        assert_eq!(response["output"][0]["content"][0]["text"], long);
        assert_eq!(app.stored(&response["id"]).response(), response);
    }
}

#[test]
fn an_answer_for_which_there_is_no_room_ends_as_failed() {
    let long: &'static str = "word ".repeat(200 * KB).leak();
    let fake = FakeProvider::start();
    let config = format!("server.max_bytes_in_flight = 3000000\n{}", fake.provider("openai-chat"));
    let app = setup(config).start();
    fake.always(wire::answer("openai-chat", text(vec![long].leak())));
    let body = |stream| json!({"model": "openai-chat/m", "input": "Hi", "stream": stream});
    let (status, _, code, _) = app.post(&body(false)).error();
    assert_eq!((status, code.as_deref()), (503, Some("server_overloaded")));
    let failed = app.post(&body(true)).last_response();
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("server_overloaded"))
    );
    assert_eq!(app.stored(&failed["id"]).response(), failed);
}
