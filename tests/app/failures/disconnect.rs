//! Clients that leave or do not read: the provider's connection goes with them, and nothing piles up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire;

/// How long an upstream connection may outlive its client on a busy machine; what is not closed at once is closed after
/// minutes.
const AT_ONCE: Duration = Duration::from_secs(15);

fn server(more: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let config = format!("{more}\n{}{}", fake.provider("openai-chat"), fake.provider("anthropic"));
    let app = setup(config).start();
    (fake, app)
}

fn body(stream: bool) -> Value {
    json!({"model": "openai-chat/m", "input": "Hi", "stream": stream})
}

/// A stream with one delta, `Hel`, and no end.
fn begun() -> Script {
    let frames = wire::frames("openai-chat", &wire::text(&["Hel"]));
    frames.into_iter().take(2).fold(Script::head(200, "text/event-stream"), Script::send).then(Step::Hold)
}

/// The client has left: the upstream connection is closed.
#[track_caller]
fn check_closed(fake: &FakeProvider, number: usize, left: Instant) {
    let closed = fake.closed(number);
    assert!(closed.saturating_duration_since(left) < AT_ONCE, "{:?}", closed.duration_since(left));
}

#[track_caller]
fn leave(connection: Connection) -> Instant {
    connection.leave();
    Instant::now()
}

/// What is stored under this id, once it is.
#[track_caller]
fn wait_for_record(app: &App, id: &Value) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = app.stored(id);
        if answer.status == 200 {
            return answer.response();
        }
        assert!(Instant::now() < end, "nothing was stored: {}", answer.text());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn leaving_before_the_head_hangs_up() {
    let (fake, app) = server("");
    for (number, stream) in [false, true].into_iter().enumerate() {
        fake.script(Script::silent());
        let connection = app.open(&body(stream));
        fake.request(number);
        let left = leave(connection);
        check_closed(&fake, number, left);
    }
}

#[test]
fn leaving_before_the_first_token_hangs_up() {
    let (fake, app) = server("");
    fake.script(Script::head(200, "text/event-stream").then(Step::Hold));
    let mut connection = app.open(&body(true));
    connection.until("response.in_progress");
    let left = leave(connection);
    check_closed(&fake, 0, left);
}

#[test]
fn leaving_in_the_middle_hangs_up_and_is_recorded() {
    let (fake, app) = server("");
    fake.script(begun());
    let mut connection = app.open(&body(true));
    let id = connection.until("response.created")["response"]["id"].clone();
    connection.until("response.output_text.delta");
    let left = leave(connection);
    check_closed(&fake, 0, left);
    let record = wait_for_record(&app, &id);
    assert_eq!(record["status"], "cancelled");
    assert_eq!(record["incomplete_details"], json!({"reason": "cancelled"}));
    assert_eq!(record["output"][0]["content"][0]["text"], "Hel");
    assert_eq!(record["output"][0]["status"], "incomplete");
}

#[test]
fn leaving_a_head_that_was_sent_for_want_of_news_hangs_up() {
    let (fake, app) = server("server.keepalive_s = 1");
    fake.script(Script::silent());
    let mut connection = app.open(&body(true));
    assert_eq!(connection.head().status, 200);
    let left = leave(connection);
    check_closed(&fake, 0, left);
}

#[test]
fn leaving_a_unary_answer_in_the_making_hangs_up() {
    let (fake, app) = server("");
    fake.script(Script::head(200, "application/json").send("{\"id\": \"x\",").then(Step::Hold));
    let connection = app.open(&body(false));
    fake.request(0);
    let left = leave(connection);
    check_closed(&fake, 0, left);
}

#[test]
fn leaving_a_unary_answer_that_is_collected_from_a_stream_hangs_up() {
    let (fake, app) = server("");
    let frames = wire::frames("anthropic", &wire::text(&["Hel"]));
    let script = frames.into_iter().take(3).fold(Script::head(200, "text/event-stream"), Script::send);
    fake.script(script.then(Step::Hold));
    let many = json!({"model": "anthropic/claude-sonnet-4-5", "input": "Hi", "max_output_tokens": 60_000});
    let connection = app.open(&many);
    assert_eq!(fake.request(0).body["stream"], true);
    let left = leave(connection);
    check_closed(&fake, 0, left);
}

#[test]
fn leaving_while_the_body_is_sent_disturbs_nobody() {
    let (fake, app) = server("");
    let head =
        format!("POST /v1/responses HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\n{{", app.address);
    Connection::raw(app.address, head.as_bytes()).leave();
    fake.push(wire::answer("openai-chat", wire::text(&["Hi"])));
    app.post(&body(false)).response();
}

/// Deltas of 16 KiB without end.
fn flood() -> Script {
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": "x".repeat(16 * 1024)}}]});
    Script::head(200, "text/event-stream").then(Step::Flood(format!("data: {chunk}\n\n").into_bytes()))
}

/// Waits until the provider cannot write any more; returns how much it could.
fn stands_still(fake: &FakeProvider, number: usize) -> usize {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let before = fake.written(number);
        std::thread::sleep(Duration::from_millis(700));
        if before > 0 && fake.written(number) == before {
            return before;
        }
        assert!(Instant::now() < end, "the provider can still write after {} bytes", fake.written(number));
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_provider() {
    let (fake, app) = server("");
    fake.script(flood());
    let mut connection = app.open(&body(true));
    connection.until("response.output_text.delta");
    // Sockets hold some megabytes on their own; the server adds next to nothing.
    let written = stands_still(&fake, 0);
    assert!(written < 40 << 20, "{written} bytes were taken for a client that does not read");
    // When the client reads on, the provider may write on.
    for _ in 0..2000 {
        connection.until("response.output_text.delta");
    }
    assert!(fake.written(0) > written, "the provider still stands");
    connection.leave();
    fake.closed(0);
}

#[test]
fn a_client_that_never_reads_is_dropped() {
    let (fake, app) = server("server.client_write_timeout_s = 1");
    fake.script(flood());
    let mut connection = app.open(&body(true));
    let id = connection.until("response.created")["response"]["id"].clone();
    fake.closed(0);
    assert_eq!(wait_for_record(&app, &id)["status"], "cancelled");
    // What was on its way may still be read; it has no end.
    assert!(connection.finish().cut);
}

#[test]
fn a_quiet_stream_is_kept_alive() {
    let (fake, app) = server("server.keepalive_s = 1");
    fake.script(begun());
    let mut connection = app.open(&body(true));
    connection.until("response.output_text.delta");
    for _ in 0..2 {
        assert_eq!(connection.block().as_deref(), Some(": keep-alive"));
    }
    connection.leave();
}

#[test]
fn a_head_is_held_only_so_long_and_errors_are_in_the_stream_from_then_on() {
    let (fake, app) = server("server.keepalive_s = 1");
    let late = Script::json(500, &wire::error("openai-chat", 500, "too late"))
        .after(Step::Pause(Duration::from_secs(6)));
    fake.script(late);
    let answer = app.post(&body(true));
    assert!(answer.text().contains(": keep-alive\n\n"), "{}", answer.text());
    let events = answer.events();
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["response.created", "response.in_progress", "error", "response.failed"]);
    assert_eq!(events[2].1["error"]["message"], "too late");
}
