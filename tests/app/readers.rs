//! How many may read the event log of a response.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Connection;

/// A background response whose log is there and whose end is far away.
fn unfinished(app: &App) -> (Connection, Value) {
    let body = json!({"model": "demo-hang", "input": "Hi", "background": true, "stream": true});
    let mut stream = app.open(&body);
    let id = stream.until("response.created")["response"]["id"].clone();
    (stream, id)
}

fn read(app: &App, id: &Value) -> Connection {
    app.request("GET", &format!("/v1/responses/{}?stream=true", id.as_str().unwrap()), &[], None)
}

#[track_caller]
fn check_refused(app: &App, id: &Value, bound: &str) {
    let answer = read(app, id).finish();
    let (status, kind, code, _) = answer.error();
    assert_eq!(
        (status, kind.as_str(), code.as_deref()),
        (429, "too_many_requests", Some("too_many_readers"))
    );
    assert_eq!(answer.header("retry-after"), Some("5"));
    let counted = format!("open_responses_admission_rejected_total{{reason=\"{bound}\"}} 1");
    assert!(app.get("/metrics").text().contains(&counted));
}

#[test]
fn a_response_has_so_many_readers_and_no_more() {
    let app = setup("server.max_readers_per_response = 3\n").start();
    let ((creator, id), (_other, other)) = (unfinished(&app), unfinished(&app));
    let mut two = [read(&app, &id), read(&app, &id)];
    for reader in &mut two {
        reader.until("response.created");
    }
    check_refused(&app, &id, "readers_per_response");
    read(&app, &other).until("response.created");
    // It is still there for who does not read along.
    assert_eq!(app.stored(&id).json()["status"], "in_progress");
    creator.leave();
    let begun = std::time::Instant::now();
    let again = || {
        let mut reader = read(&app, &id);
        reader.head().status == 200
    };
    while !again() {
        assert!(begun.elapsed().as_secs() < 30, "a place is not given back");
    }
}

#[test]
fn a_key_has_so_many_readers_over_all_responses() {
    let app = setup("key_limits.max_readers = 3\n").start();
    let (_both, [one, two]) = {
        let (first, second) = (unfinished(&app), unfinished(&app));
        ([first.0, second.0], [first.1, second.1])
    };
    let mut third = read(&app, &one);
    third.until("response.created");
    check_refused(&app, &two, "readers");
}
