//! A disk that does not write, in the middle of a background response: who asks gets an answer all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::SlowStore;
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

/// A response of which a part is on disk, and the next part waits for a disk that is full.
struct Stuck {
    fake: FakeProvider,
    app: App,
    id: Value,
    full: Arc<AtomicBool>,
}

impl Stuck {
    fn new(config: &str) -> Self {
        let (fake, full, gate) = (FakeProvider::start(), Arc::new(AtomicBool::new(false)), Gate::default());
        let store = SlowStore::full(&Memory::default(), &full);
        let config = format!("{config}\n{}", fake.provider("openai-chat"));
        let app = setup(config).with(move |builder| builder.store(Arc::new(store))).start();
        let frames = wire::frames("openai-chat", &text(&["one ", "two ", "three"]));
        let head = Script::head(200, "text/event-stream").send(frames[0].clone()).send(frames[1].clone());
        fake.script(head.then(Step::Wait(gate.clone())).send(frames[2].clone()).then(Step::Hold));
        let body = json!({"model": "openai-chat/m", "input": "Hi", "background": true, "stream": true});
        let mut stream = app.open(&body);
        let id = stream.until("response.created")["response"]["id"].clone();
        stream.until("response.output_text.delta");
        full.store(true, Ordering::SeqCst);
        gate.open();
        // Until it waits.
        let end = Instant::now() + Duration::from_secs(30);
        while !app.running().iter().any(|running| format!("{:?}", running.phase) == "Storing") {
            assert!(Instant::now() < end, "{:?}", app.running());
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        Self { fake, app, id, full }
    }

    fn ask(&self, method: &str, more: &str) -> Answer {
        let path = format!("/v1/responses/{}{more}", self.id.as_str().unwrap());
        self.app.request(method, &path, &[], None).finish()
    }

    /// The whole stream, once the disk writes again.
    fn told(&self) -> Value {
        self.full.store(false, Ordering::SeqCst);
        self.ask("GET", "?stream=true").last_response()
    }
}

/// Without waiting for the disk, which writes when it is told to.
fn quickly<T>(work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let done = work();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    done
}

#[test]
fn a_look_shows_what_there_is() {
    let stuck = Stuck::new("");
    let seen = quickly(|| stuck.ask("GET", "").json());
    assert_eq!(seen["status"], "in_progress");
    assert_eq!(seen["output"][0]["content"][0]["text"], "one two ");
}

#[test]
fn a_cancellation_ends_it_at_once() {
    let stuck = Stuck::new("");
    let cancelled = quickly(|| stuck.ask("POST", "/cancel").json());
    assert_eq!(cancelled["status"], "cancelled");
    stuck.fake.closed(0);
    assert_eq!(quickly(|| stuck.ask("GET", "").json()), cancelled);
    assert_eq!(quickly(|| stuck.ask("POST", "/cancel").json()), cancelled);
    let told = stuck.told();
    assert_eq!(told, cancelled);
    assert_eq!(stuck.ask("GET", "").response(), cancelled);
}

#[test]
fn a_deletion_takes_it_away() {
    for cancelled in [false, true] {
        let stuck = Stuck::new("");
        if cancelled {
            stuck.ask("POST", "/cancel");
        }
        let deleted = quickly(|| stuck.ask("DELETE", "").json());
        assert_eq!(deleted["deleted"], true);
        stuck.fake.closed(0);
        stuck.full.store(false, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(stuck.ask("GET", "").status, 404);
        assert!(stuck.app.running().is_empty());
    }
}

#[test]
fn its_time_runs_out() {
    let stuck = Stuck::new("server.max_response_s = 8");
    stuck.fake.closed(0);
    let failed = quickly(|| stuck.ask("GET", "").json());
    assert_eq!(failed["error"]["code"], "response_timeout", "{failed}");
    assert_eq!(stuck.told(), failed);
}

#[test]
fn a_stop_does_not_wait_for_it() {
    let stuck = Stuck::new("server.shutdown_grace_s = 90");
    let begin = Instant::now();
    stuck.app.stop();
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}
