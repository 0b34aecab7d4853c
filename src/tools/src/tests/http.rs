//! Calls of a small HTTP server.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use or_protocol::{ContentPart, Output};
use pretty_assertions::assert_eq;
use serde_json::json;
use tokio::sync::oneshot;

use super::run::{call, context, on_arbiter};
use crate::{AnyTool, HttpMethod, HttpTool, Registry, ToolRequest, ToolSpec, client, run};

const LIMIT: usize = 1000;

fn tool(port: u16, method: HttpMethod) -> AnyTool {
    patient(port, method, Duration::from_secs(60))
}

fn patient(port: u16, method: HttpMethod, timeout: Duration) -> AnyTool {
    AnyTool::Http(Arc::new(HttpTool {
        spec: ToolSpec {
            parameters: json!({"type": "object"}),
            timeout,
            max_output_bytes: LIMIT,
            ..ToolSpec::new("endpoint", "An endpoint.")
        },
        url: format!("http://127.0.0.1:{port}/run?v=1"),
        method,
        headers: vec![("authorization".into(), "Bearer hush".into())],
    }))
}

/// A server for one connection that answers with these bytes; gives what it was asked, and then, when the
/// connection is closed, nothing.
fn server(answer: Vec<u8>) -> (u16, Receiver<String>) {
    served(answer, false)
}

/// The same; `leaves` at once when it has answered, or waits for the client to do so.
fn served(answer: Vec<u8>, leaves: bool) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        asked.send(request(&mut stream)).unwrap();
        // The client closes early if it has read enough.
        let _ = stream.write_all(&answer);
        if !leaves {
            let _ = stream.read(&mut [0; 64]);
        }
    });
    (port, requests)
}

/// Head and body of one request.
fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[track_caller]
fn check(head: &str, body: &[u8], result: &str, text: &str) {
    let (port, _requests) = server(answer(head, body));
    let (got, output) = call(tool(port, HttpMethod::Post), "{}");
    assert_eq!((got, output), (result, Output::Text(text.into())));
}

/// What a method asks with: the first line, the headers that tell of the call, the body.
#[track_caller]
fn check_request(method: HttpMethod, line: &str, body: &str) {
    let (port, requests) = server(answer("200 OK", b"ok"));
    let arguments = r#"{"city": "Å & b", "days": 2}"#;
    assert_eq!(call(tool(port, method), arguments), ("ok", Output::Text("ok".into())));
    let asked = requests.recv().unwrap();
    let (head, got) = asked.split_once("\r\n\r\n").unwrap();
    assert_eq!((head.lines().next().unwrap(), got), (line, body));
    let mut ours: Vec<_> = head
        .lines()
        .map(str::to_ascii_lowercase)
        .filter(|l| ["openresponses-", "idempotency-key", "authorization"].iter().any(|p| l.starts_with(p)))
        .collect();
    ours.sort();
    let want = [
        "authorization: bearer hush",
        "idempotency-key: resp_000102030405060708090a0b0c0d0e0f.call_1",
        "openresponses-call-id: call_1",
        "openresponses-client: web",
        "openresponses-iteration: 2",
        "openresponses-metadata: {\"who\":\"zo\\u00eb\"}",
        "openresponses-response-id: resp_000102030405060708090a0b0c0d0e0f",
        "openresponses-tool: endpoint",
    ];
    assert_eq!(ours, want);
}

#[test]
fn arguments_are_the_body_or_the_query() {
    let body = r#"{"city":"Å & b","days":2}"#;
    check_request(HttpMethod::Post, "POST /run?v=1 HTTP/1.1", body);
    check_request(HttpMethod::Put, "PUT /run?v=1 HTTP/1.1", body);
    check_request(HttpMethod::Patch, "PATCH /run?v=1 HTTP/1.1", body);
    check_request(HttpMethod::Get, "GET /run?v=1&city=%C3%85+%26+b&days=2 HTTP/1.1", "");
    check_request(HttpMethod::Delete, "DELETE /run?v=1&city=%C3%85+%26+b&days=2 HTTP/1.1", "");
}

#[test]
fn an_answer_is_text() {
    check("200 OK\r\ncontent-type: application/json", br#"{"t": 18}"#, "ok", r#"{"t": 18}"#);
    check("200 OK\r\ncontent-type: text/plain", "18°".as_bytes(), "ok", "18°");
    check("204 No Content", b"", "ok", "");
}

#[test]
fn an_image_is_a_content_part() {
    let (port, _requests) = server(answer("200 OK\r\ncontent-type: image/png", b"abc"));
    let (_, Output::Parts(parts)) = call(tool(port, HttpMethod::Post), "{}") else { panic!("no parts") };
    let [ContentPart::InputImage { image_url: Some(url), .. }] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(url, "data:image/png;base64,YWJj");
}

#[test]
fn an_error_status_is_an_error_with_the_body() {
    let error = |text: &str| format!("Error: 'endpoint' failed: it answered with HTTP status {text}");
    check("404 Not Found", b"no such city", "error", &error("404 Not Found: no such city"));
    check("500 Internal Server Error", b" \n", "error", &error("500 Internal Server Error"));
    let redirect = "302 Found\r\nlocation: http://127.0.0.1:1/";
    check(redirect, b"", "error", &error("302 Found, and redirects are not followed"));
    let what = "Error: 'endpoint' failed: the result has the type 'audio/wav', which no model reads";
    check("200 OK\r\ncontent-type: audio/wav", b"x", "error", what);
}

#[test]
fn a_long_answer_is_cut() {
    let want = format!("{}\n[Cut off here: the result is longer than 1000 bytes.]", "x".repeat(LIMIT));
    check("200 OK", &[b'x'; 1_000_000], "cut", &want);
    let image = "Error: 'endpoint' failed: the result has more than 1000 bytes";
    check("200 OK\r\ncontent-type: image/png", &[b'x'; 10_000], "error", image);
}

#[test]
fn an_endpoint_that_is_silent_is_given_up() {
    let (port, _requests) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx".to_vec());
    let want = "Error: 'endpoint' was stopped after 1 s without a result.";
    let tool = patient(port, HttpMethod::Post, Duration::from_secs(1));
    assert_eq!(call(tool, "{}"), ("timeout", Output::Text(want.into())));
}

#[track_caller]
fn check_end(answer: &[u8], result: &str, text: &str) {
    let (port, _requests) = served(answer.to_vec(), true);
    assert_eq!(call(tool(port, HttpMethod::Post), "{}"), (result, Output::Text(text.into())));
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let broke = "Error: 'endpoint' failed: the connection to it broke";
    check_end(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "error", broke);
    check_end(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "error", broke);
    check_end(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", "error", broke);
    check_end(b"HTTP/1.1 200 OK\r\n", "error", broke);
}

#[test]
fn the_end_of_the_connection_is_the_end_of_a_body_without_a_length() {
    check_end(b"HTTP/1.0 200 OK\r\n\r\nwhole", "ok", "whole");
    check_end(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "ok", "");
    check_end(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nwhole", "ok", "whole");
    check_end(b"HTTP/1.1 200 OK\r\n\r\nwhole", "ok", "whole");
    check_end(b"HTTP/1.1 204 No Content\r\n\r\n", "ok", "");
}

#[test]
fn an_answer_that_is_none_is_an_error() {
    let packed = "Error: 'endpoint' failed: its answer cannot be read: it is compressed (gzip), which was not asked for";
    check("200 OK\r\ncontent-encoding: gzip", b"x", "error", packed);
    let no_http = "Error: 'endpoint' failed: its answer cannot be read: it is not HTTP/1";
    check_end(b"SSH-2.0-x\r\n", "error", no_http);
}

#[test]
fn interim_answers_are_passed_over() {
    check_end(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\nwhole", "ok", "whole");
}

#[test]
fn an_endpoint_that_is_not_there_is_an_error_without_its_url() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let want = "Error: 'endpoint' failed: it could not be reached";
    assert_eq!(call(tool(port, HttpMethod::Post), "{}"), ("error", Output::Text(want.into())));
}

#[test]
fn who_leaves_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = Registry::new([tool(listener.local_addr().unwrap().port(), HttpMethod::Post)]).unwrap();
    let (here, gone) = oneshot::channel();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request(&mut stream);
        drop(here);
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.read(&mut [0; 64])
    });
    let message = ToolRequest { name: "endpoint".into(), arguments: "{}".into(), context: context(), gone };
    let run = on_arbiter(async { run(&registry, &client(), message).await });
    assert_eq!(run.result, "cancelled");
    assert_eq!(server.join().unwrap().unwrap(), 0);
}
