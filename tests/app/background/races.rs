//! Background responses when many ask for different things in the same moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::{SlowStore, Work};
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

fn body(stream: bool) -> Value {
    json!({"model": "openai-chat/m", "input": "Hi", "stream": stream, "background": true})
}

fn ask(app: &App, method: &str, id: &Value, more: &str) -> Connection {
    app.request(method, &format!("/v1/responses/{}{more}", id.as_str().unwrap()), &[], None)
}

/// `Half`, and the rest when the gate opens.
fn gated(gate: &Gate) -> Script {
    let frames = wire::frames("openai-chat", &text(&["Half", " and half"]));
    let script = Script::head(200, "text/event-stream");
    let script = frames[..2].iter().cloned().fold(script, Script::send).then(Step::Wait(gate.clone()));
    frames[2..].iter().cloned().fold(script, Script::send)
}

fn begin(app: &App, fake: &FakeProvider, gate: &Gate) -> (Value, Connection) {
    fake.script(gated(gate));
    let mut stream = app.open(&body(true));
    let id = stream.until("response.created")["response"]["id"].clone();
    stream.until("response.output_text.delta");
    (id, stream)
}

#[test]
fn a_cancel_that_races_with_the_end_and_with_others_has_one_outcome() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let mut ends = std::collections::BTreeMap::<String, usize>::new();
    for n in 0..40 {
        let gate = Gate::default();
        let (id, stream) = begin(&app, &fake, &gate);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let cancels: Vec<_> =
                (0..4).map(|_| scope.spawn(|| ask(&app, "POST", &id, "/cancel").finish())).collect();
            std::thread::sleep(Duration::from_micros(100 * n));
            gate.open();
            cancels.into_iter().map(|cancel| cancel.join().unwrap()).collect()
        });
        let stored = app.stored(&id).response();
        for answer in answers {
            assert_eq!(answer.response(), stored);
        }
        assert_eq!(stream.finish().last_response(), stored);
        *ends.entry(stored["status"].to_string()).or_default() += 1;
    }
    assert!(ends.keys().all(|end| end == "\"completed\"" || end == "\"cancelled\""), "{ends:?}");
}

#[test]
fn readers_of_what_is_deleted_are_let_go() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let (id, first) = begin(&app, &fake, &Gate::default());
    let mut readers: Vec<_> = (0..10).map(|_| ask(&app, "GET", &id, "?stream=true")).collect();
    readers.iter_mut().for_each(|reader| _ = reader.until("response.output_text.delta"));
    let begin = Instant::now();
    assert_eq!(ask(&app, "DELETE", &id, "").finish().json()["deleted"], true);
    for reader in readers.into_iter().chain([first]) {
        // Its end, if it was read before the log was gone.
        let answer = reader.finish();
        assert!(answer.cut || answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(ask(&app, "GET", &id, "?stream=true").finish().status, 404);
}

#[test]
fn a_reader_that_is_behind_when_all_is_deleted_is_let_go() {
    let fake = FakeProvider::start();
    // It is at the disk while the response is deleted.
    let slow = Duration::from_millis(500);
    let delay = move |work| if work == Work::ReadLog { slow } else { Duration::ZERO };
    let store = SlowStore::new(&Memory::default(), delay);
    let app = setup(fake.provider("openai-chat")).with(move |b| b.store(Arc::new(store))).start();
    let long: &'static str = Box::leak("x".repeat(64 * 1024).into_boxed_str());
    let pieces: &'static [&'static str] = Box::leak(vec![long].into_boxed_slice());
    let frames = wire::frames("openai-chat", &text(pieces));
    let script = Script::head(200, "text/event-stream");
    fake.script(frames[..2].iter().cloned().fold(script, Script::send).then(Step::Hold));
    let mut first = app.open(&body(true));
    let id = first.until("response.created")["response"]["id"].clone();
    first.until("response.output_text.delta");
    let mut behind = ask(&app, "GET", &id, "?stream=true");
    behind.head();
    let begin = Instant::now();
    assert_eq!(ask(&app, "DELETE", &id, "").finish().json()["deleted"], true);
    let answer = behind.finish();
    assert!(answer.cut && !answer.text().contains("[DONE]"), "{}", answer.text());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn two_hundred_readers_read_one_response() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let gate = Gate::default();
    let (id, first) = begin(&app, &fake, &gate);
    let mut readers: Vec<_> = (0..200).map(|_| ask(&app, "GET", &id, "?stream=true")).collect();
    readers.iter_mut().for_each(|reader| _ = reader.until("response.output_text.delta"));
    let metric = "open_responses_stream_readers 201";
    assert!(app.get("/metrics").text().contains(metric), "no `{metric}`");
    gate.open();
    let whole = first.finish().text();
    for reader in readers {
        assert_eq!(reader.finish().text(), whole);
    }
    let begin = Instant::now();
    while !app.get("/metrics").text().contains("open_responses_stream_readers 0") {
        assert!(begin.elapsed() < Duration::from_secs(20), "readers are left");
    }
}

#[test]
fn a_silent_stream_is_kept_alive_for_each_reader() {
    let fake = FakeProvider::start();
    let app = setup(format!("server.keepalive_s = 1\n{}", fake.provider("openai-chat"))).start();
    let gate = Gate::default();
    let (id, first) = begin(&app, &fake, &gate);
    let mut late = ask(&app, "GET", &id, "?stream=true&starting_after=5");
    for _ in 0..2 {
        while late.block().unwrap() != ": keep-alive" {}
    }
    gate.open();
    let (first, late) = (first.finish().text(), late.finish().text());
    assert!(first.contains("\n\n: keep-alive\n\n"));
    let plain = first.replace(": keep-alive\n\n", "");
    assert!(
        plain.ends_with(&late.replace(": keep-alive\n\n", "")) && !late.contains("\"sequence_number\":5,")
    );
    assert_eq!(ask(&app, "GET", &id, "?stream=true").finish().text(), plain, "comments are not of the log");
}

#[test]
fn a_reader_that_takes_nothing_is_dropped_and_the_response_goes_on() {
    let fake = FakeProvider::start();
    let config = format!("server.client_write_timeout_s = 3\n{}", fake.provider("openai-chat"));
    let app = setup(config).start();
    let long: &'static str = Box::leak("x".repeat(64 * 1024).into_boxed_str());
    let pieces: &'static [&'static str] = Box::leak(vec![long; 100].into_boxed_slice());
    fake.push(wire::answer("openai-chat", text(pieces)));
    let mut idle = app.open(&body(true));
    let id = idle.until("response.created")["response"]["id"].clone();
    let begin = Instant::now();
    let over = ["open_responses_stream_readers 0\n", "open_responses_running_responses 0\n"];
    while !over.iter().all(|line| app.get("/metrics").text().contains(line)) {
        assert!(begin.elapsed() < Duration::from_secs(100), "it waits for who does not read");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(app.stored(&id).json()["status"], "completed");
    let idle = idle.finish();
    assert!(idle.cut && !idle.text().contains("[DONE]"));
}

#[test]
fn a_large_input_is_begun_looked_at_and_listed() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    let large = "A word. ".repeat(256 * 1024);
    let gate = Gate::default();
    fake.script(gated(&gate));
    let mut request = body(true);
    request["input"] = json!(large);
    let mut stream = app.open(&request);
    let id = stream.until("response.created")["response"]["id"].clone();
    stream.until("response.output_text.delta");
    let include = "?include=reasoning.encrypted_content";
    assert_eq!(ask(&app, "GET", &id, include).finish().response()["status"], "in_progress");
    let items = ask(&app, "GET", &id, "/input_items").finish().json();
    assert_eq!(items["data"][0]["content"][0]["text"].as_str().map(str::len), Some(large.len()));
    gate.open();
    assert_eq!(stream.finish().last_response()["status"], "completed");
    assert_eq!(fake.request(0).body["messages"][0]["content"].as_str().map(str::len), Some(large.len()));
}
