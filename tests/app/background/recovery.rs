//! What is asked of a server while it takes up what the last process left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::{SlowStore, Work};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const SLOW: Duration = Duration::from_millis(1500);

/// A background response that one server left unfinished, and the next server, which takes a while to take it up.
fn left(fake: &FakeProvider, stream: bool) -> (App, Value) {
    let memory = Memory::default();
    let store = memory.clone();
    let app = setup(fake.provider("anthropic")).with(move |b| b.store(Arc::new(store))).start();
    fake.script(Script::silent());
    let body = json!({"model": "anthropic/m", "input": "Hi", "background": true, "stream": stream});
    let id = if stream {
        app.open(&body).until("response.created")["response"]["id"].clone()
    } else {
        app.post(&body).response()["id"].clone()
    };
    fake.request(0);
    app.stop();
    // The first to load it is who goes on with it.
    let first = AtomicBool::new(true);
    let delay = move |work| {
        let slow = work == Work::Load && first.swap(false, Ordering::SeqCst);
        if slow { SLOW } else { Duration::ZERO }
    };
    let store = SlowStore::new(&memory, delay).with_unfinished(id.as_str().unwrap());
    fake.always(wire::answer("anthropic", text(&["Whole"])));
    let app = setup(fake.provider("anthropic")).with(move |b| b.store(Arc::new(store))).start();
    // By now it is being loaded.
    std::thread::sleep(SLOW / 4);
    (app, id)
}

fn ask(app: &App, method: &str, id: &Value, more: &str) -> or_test_support::client::Answer {
    app.request(method, &format!("/v1/responses/{}{more}", id.as_str().unwrap()), &[], None).finish()
}

#[test]
fn what_is_deleted_before_it_goes_on_does_not_come_back() {
    let fake = FakeProvider::start();
    let (app, id) = left(&fake, false);
    assert_eq!(ask(&app, "DELETE", &id, "").json()["deleted"], true);
    std::thread::sleep(2 * SLOW);
    assert_eq!(app.stored(&id).status, 404);
}

#[test]
fn what_is_cancelled_before_it_goes_on_is_cancelled() {
    let fake = FakeProvider::start();
    let (app, id) = left(&fake, true);
    let cancelled = ask(&app, "POST", &id, "/cancel").response();
    let status = cancelled["status"].as_str();
    assert!(matches!(status, Some("cancelled" | "completed")), "{cancelled}");
    assert_eq!(ask(&app, "GET", &id, "?stream=true").last_response(), cancelled);
}

#[test]
fn who_attaches_before_it_goes_on_gets_all_of_it() {
    let fake = FakeProvider::start();
    let (app, id) = left(&fake, true);
    let early = ask(&app, "GET", &id, "?stream=true");
    assert_eq!(early.last_response()["status"], "completed");
    assert_eq!(ask(&app, "GET", &id, "?stream=true").text(), early.text());
}

#[test]
fn a_stop_in_the_middle_of_it_leaves_it_to_the_next_start() {
    let fake = FakeProvider::start();
    let (mut app, _) = left(&fake, true);
    fake.always(|_| Script::silent());
    // A response in the foreground has its grace time meanwhile.
    let gate = Gate::default();
    fake.script(wire::stream("anthropic", &text(&["Whole"])).after(Step::Wait(gate.clone())));
    let foreground = app.open(&json!({"model": "anthropic/m", "input": "Hi"}));
    fake.request(1);
    app.begin_stop();
    std::thread::sleep(2 * SLOW);
    gate.open();
    let begin = Instant::now();
    drop(foreground);
    app.stop();
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "it waits for what it can leave: {:?}",
        begin.elapsed()
    );
}
