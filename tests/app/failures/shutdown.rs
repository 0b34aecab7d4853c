//! Stopping: no new work, running streams may finish, the rest is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::{App, folder, setup};
use or_test_support::binary::Binary;
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

fn body(stream: bool) -> Value {
    json!({"model": "openai-chat/m", "input": "Hi", "stream": stream})
}

/// `Half` and, once the gate is open, the rest.
fn gated(gate: &Gate) -> Script {
    let frames = wire::frames("openai-chat", &text(&["Half", " and half"]));
    let (begin, end) = frames.split_at(2);
    let script = begin.iter().cloned().fold(Script::head(200, "text/event-stream"), Script::send);
    end.iter().cloned().fold(script.then(Step::Wait(gate.clone())), Script::send)
}

/// Waits until the server says that it stops, which it does as long as something runs.
fn wait_until_stopping(app: &App) {
    let end = Instant::now() + Duration::from_secs(30);
    while app.get("/ready").status != 503 {
        assert!(Instant::now() < end, "still ready");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_stopping_server_takes_no_work_and_finishes_what_runs() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let mut app = setup(fake.provider("openai-chat")).disk(&disk).start();
    let gate = Gate::default();
    fake.script(gated(&gate));
    let mut running = app.open(&body(true));
    running.until("response.output_text.delta");
    // Requests that have begun before the stop and are whole after it.
    let late = [false, true].map(|stream| {
        let body = body(stream).to_string();
        let head = format!(
            "POST /v1/responses HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            app.address,
            body.len()
        );
        let mut connection = Connection::raw(app.address, head.as_bytes());
        connection.wait_for_leave_to_send();
        (connection, body)
    });
    app.begin_stop();
    wait_until_stopping(&app);
    for (mut connection, body) in late {
        connection.write(body.as_bytes());
        let refused = connection.finish();
        let (status, kind, code, _) = refused.error();
        assert_eq!((status, kind.as_str(), code.as_deref()), (503, "server_error", Some("shutting_down")));
        assert!(refused.header("retry-after").is_some());
    }
    gate.open();
    let response = running.finish().last_response();
    assert_eq!(response["status"], "completed");
    assert_eq!(response["output"][0]["content"][0]["text"], "Half and half");
    app.stop();
    let again = setup(fake.provider("openai-chat")).disk(&disk).start();
    assert_eq!(again.stored(&response["id"]).response(), response);
    assert_eq!(fake.count(), 1);
}

#[test]
fn what_does_not_finish_in_time_is_told() {
    let (fake, disk) = (FakeProvider::start(), folder());
    let config = format!("server.shutdown_grace_s = 1\n{}", fake.provider("openai-chat"));
    let mut app = setup(config).disk(&disk).start();
    fake.script(gated(&Gate::default()));
    let mut stream = app.open(&body(true));
    stream.until("response.output_text.delta");
    fake.script(Script::silent());
    let unary = app.open(&body(false));
    fake.request(1);
    fake.script(Script::silent());
    let waiting = app.open(&body(true));
    fake.request(2);
    let begun = Instant::now();
    app.begin_stop();

    let answer = stream.finish();
    let events = answer.events();
    let (name, error) = &events[events.len() - 2];
    assert_eq!((name.as_str(), &error["error"]["code"]), ("error", &json!("interrupted")));
    let response = answer.last_response();
    assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    for connection in [unary, waiting] {
        let (status, _, code, _) = connection.finish().error();
        assert_eq!((status, code.as_deref()), (503, Some("interrupted")));
    }
    app.stop();
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    for number in 0..3 {
        fake.closed(number);
    }
    let again = setup(fake.provider("openai-chat")).disk(&disk).start();
    assert_eq!(again.stored(&response["id"]).response(), response);
}

#[test]
fn a_client_that_does_not_read_does_not_stop_the_stop() {
    let fake = FakeProvider::start();
    let app = setup(format!("server.shutdown_grace_s = 1\n{}", fake.provider("openai-chat"))).start();
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "x".repeat(16 * 1024)}}]});
    let flood = Step::Flood(format!("data: {chunk}\n\n").into_bytes());
    fake.script(Script::head(200, "text/event-stream").then(flood));
    let mut connection = app.open(&body(true));
    connection.until("response.output_text.delta");
    let begun = Instant::now();
    app.stop();
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    connection.leave();
}

fn demo(model: &str, binary: &Binary) -> Connection {
    let body = json!({"model": model, "input": "Tell me more", "stream": true}).to_string();
    Connection::send(binary.address, "POST", "/v1/responses", &[], Some(body.as_bytes()))
}

#[test]
fn the_binary_ends_in_order_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let binary = PROGRAM.start(folder.path(), "", &[]);
    let mut stream = demo("demo-slow-50", &binary);
    stream.until("response.output_text.delta");
    binary.terminate();
    assert_eq!(stream.finish().last_response()["status"], "completed");
    let (status, output) = binary.wait();
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(folder.path().join("data").is_dir());
}

#[test]
fn the_binary_ends_in_time_though_a_stream_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let binary = PROGRAM.start(folder.path(), "", &[("OR__SERVER__SHUTDOWN_GRACE_S", "1")]);
    let mut stream = demo("demo-hang", &binary);
    stream.until("response.in_progress");
    let begun = Instant::now();
    binary.terminate();
    let response = stream.finish().last_response();
    assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    let (status, output) = binary.wait();
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}
