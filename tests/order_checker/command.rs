//! The command `conformance` against a server that sends given events.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use or_test_support::binary::Program;
use serde_json::Value;

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_open-responses"));

/// The command must fail on a server that streams these events, and for this reason.
#[track_caller]
pub(crate) fn finds(events: &[(String, Value)], reason: &str) {
    let (code, told) = run(events);
    assert!(code == Some(1) && told.contains(reason), "{code:?}, expected {reason}: {told}");
}

/// Runs the case of a text stream; gives exit code and report.
pub(crate) fn run(events: &[(String, Value)]) -> (Option<i32>, String) {
    let mut body = String::new();
    for (name, data) in events {
        write!(body, "event: {name}\ndata: {data}\n\n").unwrap();
    }
    body.push_str("data: [DONE]\n\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // First the server is reached, then the case sends its one request.
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            answer(listener.accept().unwrap().0, &body);
        }
    });
    let folder = std::env::temp_dir();
    let mut command = PROGRAM.command(&folder, &[]);
    let output =
        command.args(["conformance", &url, "--model", "m", "--only", "first/stream"]).output().unwrap();
    server.join().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn answer(connection: TcpStream, body: &str) {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    // The command may have seen enough.
    let _ = reader.into_inner().write_all(answer.as_bytes());
}

#[test]
fn a_legal_stream_passes_the_command() {
    let (code, told) = run(&super::named(super::hello()));
    assert_eq!((code, told.as_str()), (Some(0), "pass first/stream\n1 passed, 0 failed, 0 skipped\n"));
}
