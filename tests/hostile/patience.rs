//! One row for each way of behaving badly.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Server;
use super::sockets::{ask, chunked, get, is_reset, post, to_the_end};

/// The server's patience in these tests.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much later than that it may act, in a build that is not optimised on a machine that is busy.
const SLACK: Duration = Duration::from_secs(20);
/// Longer than what sockets and queues take, many times.
const LARGE: usize = 1 << 20;

/// What there is on the server.
struct Stage {
    address: SocketAddr,
    /// A stored response that is large, also in its input.
    large: String,
    /// One with a long event log.
    logged: String,
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// It reads nothing, and is reset within so long.
    Reset(Duration),
    /// It is answered with this status, and its connection is closed within so long.
    Status(u16, Duration),
    /// It reads on slowly, and nothing happens to it for so long.
    Stays(Duration),
}

/// A way of behaving badly: what the client sends at first, and then now and then.
struct Row {
    name: &'static str,
    first: fn(&Stage) -> Vec<u8>,
    then: &'static [u8],
    want: Want,
}

const UNREAD: Want = Want::Reset(PATIENCE.saturating_add(SLACK));

const ROWS: &[Row] = &[
    Row {
        name: "a stream",
        first: |_| post(r#"{"model":"demo-long-100000","input":"Hi","stream":true}"#),
        then: b"",
        want: UNREAD,
    },
    Row { name: "a new response", first: |_| post(&large().to_string()), then: b"", want: UNREAD },
    Row {
        name: "a stored response",
        first: |s| get(&format!("/v1/responses/{}", s.large)),
        then: b"",
        want: UNREAD,
    },
    Row {
        name: "its input",
        first: |s| get(&format!("/v1/responses/{}/input_items", s.large)),
        then: b"",
        want: UNREAD,
    },
    Row {
        name: "an event log",
        first: |s| get(&format!("/v1/responses/{}?stream=true", s.logged)),
        then: b"",
        want: UNREAD,
    },
    Row { name: "metrics, pipelined", first: |_| get("/metrics").repeat(1000), then: b"", want: UNREAD },
    Row { name: "errors, pipelined", first: |_| get("/v1/nothing").repeat(20_000), then: b"", want: UNREAD },
    Row { name: "health, pipelined", first: |_| get("/health").repeat(20_000), then: b"", want: UNREAD },
    Row {
        name: "a body that stops",
        first: |_| {
            b"POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n{".to_vec()
        },
        then: b"",
        want: Want::Status(400, PATIENCE.saturating_add(SLACK)),
    },
    Row {
        name: "a body that trickles",
        first: |_| chunked("/v1/responses"),
        then: b"1\r\n \r\n",
        want: Want::Status(400, Duration::from_secs(6).saturating_add(SLACK)),
    },
    Row {
        name: "a body for nobody",
        first: |_| chunked("/v1/nothing"),
        then: b"4\r\nbody\r\n",
        want: Want::Status(404, Duration::from_secs(2).saturating_add(SLACK)),
    },
    Row {
        name: "a second head that trickles",
        first: |_| [get("/health"), b"GET /health HTTP/1.1\r\n".to_vec()].concat(),
        then: b"x: y\r\n",
        want: Want::Status(200, Duration::from_secs(25).saturating_add(SLACK)),
    },
    Row {
        name: "a slow reader",
        first: |_| post(r#"{"model":"demo-long-100000","input":"Hi","stream":true}"#),
        then: b"",
        want: Want::Stays(Duration::from_secs(10)),
    },
];

fn large() -> Value {
    json!({"model": "demo", "input": "x".repeat(LARGE), "instructions": "y".repeat(LARGE)})
}

fn stage(server: &Server) -> Stage {
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let logged = json!({"model": "demo-long-20000", "input": "Hi", "background": true, "stream": true});
    let logged = server.post(&logged.to_string()).last_response();
    let large = server.post(&large().to_string()).json();
    Stage { address: server.address(), large: id(large), logged: id(logged) }
}

fn check(row: &Row, stage: &Stage) {
    let begun = Instant::now();
    let stream = ask(stage.address, &(row.first)(stage));
    let sent = Instant::now();
    let tell = |mut stream: &TcpStream| {
        let _ = stream.write_all(row.then);
    };
    match row.want {
        Want::Reset(within) => {
            while !is_reset(&stream) {
                assert!(sent.elapsed() < within, "{}: the connection stays open", row.name);
                std::thread::sleep(Duration::from_millis(100));
            }
            // Not at once either: slow is not dead.
            assert!(begun.elapsed() >= PATIENCE, "{}: {:?}", row.name, begun.elapsed());
        }
        Want::Status(status, within) => {
            let ((text, took), ()) = std::thread::scope(|scope| {
                let reader = scope.spawn(|| to_the_end(&stream, begun));
                while !reader.is_finished() {
                    tell(&stream);
                    std::thread::sleep(Duration::from_millis(200));
                }
                (reader.join().unwrap(), ())
            });
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {text}", row.name);
            assert!(took < within, "{}: closed after {took:?}", row.name);
        }
        Want::Stays(how_long) => {
            let mut some = [0; 4096];
            while begun.elapsed() < how_long {
                let count = std::io::Read::read(&mut &stream, &mut some).unwrap();
                assert!(count > 0, "{}: closed after {:?}", row.name, begun.elapsed());
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

#[test]
fn who_does_not_read_or_does_not_send_loses_the_connection() {
    let config =
        "server.client_write_timeout_s = 2\nserver.upload_timeout_s = 6\nserver.max_response_s = 600\n";
    let server = Server::start(config);
    let stage = stage(&server);
    std::thread::scope(|scope| {
        for row in ROWS {
            scope.spawn(|| check(row, &stage));
        }
    });
    // Nothing is left of them.
    let begun = Instant::now();
    let left = || {
        let text = server.get("/metrics").text();
        let level = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        };
        [
            "open_responses_running_responses",
            "open_responses_bytes_in_flight",
            "open_responses_stream_readers",
        ]
        .map(|name| level(name).unwrap())
    };
    while left() != [0.0; 3] {
        assert!(begun.elapsed() < SLACK, "running, bytes, readers: {:?}", left());
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = server.get("/metrics").text();
    for reason in ["slow_reader", "slow_upload", "slow_request"] {
        let none = format!("open_responses_clients_dropped_total{{reason=\"{reason}\"}} 0");
        assert!(!text.contains(&none), "{reason} is not counted");
    }
}
