//! The log of the real binary: what others say stays on the line of who tells it, and outsiders cannot fill it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::PROGRAM;
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Script};

#[test]
fn malformed_requests_leave_nothing_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let binary = PROGRAM.start(folder.path(), "", &[]);
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(200_000));
    for bad in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x\r\n\r\n",
        "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1, 2\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}",
        &long,
    ] {
        let mut connection = TcpStream::connect(binary.address).unwrap();
        // It may be closed before all is written.
        let _ = connection.write_all(bad.as_bytes());
        let _ = connection.shutdown(std::net::Shutdown::Write);
        let _ = connection.read_to_end(&mut Vec::new());
    }
    let log = binary.kill();
    let lines: Vec<_> =
        log.lines().filter(|line| line.contains("ERROR") || line.contains("actix_http")).collect();
    assert!(lines.is_empty(), "{lines:?}");
}

/// A provider's words that look like lines of a log.
const FORGED: &str =
    "no\nFORGED a\r\nFORGED b\u{85}FORGED c\u{2028}FORGED d\u{1b}[2K\u{9b}2KFORGED e\u{202e}";

#[test]
fn what_a_provider_says_forges_no_line() {
    for format in ["pretty", "json"] {
        let (folder, fake) = (tempfile::tempdir().unwrap(), FakeProvider::start());
        let config = format!("server.log_format = '{format}'\n{}", fake.provider("openai-chat"));
        let binary = PROGRAM.start(folder.path(), &config, &[]);
        for status in [400, 401, 404, 429, 500] {
            fake.script(Script::json(
                status,
                &json!({"error": {"message": FORGED, "code": FORGED, "type": FORGED}}),
            ));
            let body = json!({"model": "openai-chat/m", "input": "Hi"}).to_string();
            Connection::send(binary.address, "POST", "/v1/responses", &[], Some(body.as_bytes())).finish();
        }
        let log = binary.kill();
        assert!(log.contains("FORGED"), "the log has none of it: {log}");
        let breaks = |c: char| matches!(c, '\r' | '\u{85}' | '\u{2028}' | '\u{9b}' | '\u{202e}');
        assert!(!log.contains(breaks) && !log.contains("\u{1b}[2K"), "{log:?}");
        for line in log.lines() {
            assert!(!line.trim_start().starts_with("FORGED"), "{log}");
            if format == "json" && line.starts_with('{') {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }
}
