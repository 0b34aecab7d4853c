//! Answers on the wire, byte by byte, and what comes of them: on every kind, streamed and whole.

use pretty_assertions::assert_eq;

use super::{SAID, all, body, failure, good, label, said};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, KINDS};

/// A body that would be good, and its label.
struct Good {
    kind: &'static str,
    label: &'static str,
    body: String,
}

enum Want {
    /// The whole answer.
    Said,
    /// This code; before the stream begins also this status.
    Fails(u16, &'static str),
    /// As before, and the message has this in it.
    Says(u16, &'static str),
}

/// A name, what the provider sends, whether it then closes the connection, and what comes of it.
type Row = (&'static str, fn(&Good) -> Vec<u8>, bool, Want);

const STAYS: bool = false;
const CLOSES: bool = true;
const INVALID: Want = Want::Fails(502, "upstream_invalid_response");
const DISCONNECTED: Want = Want::Fails(502, "upstream_disconnected");

impl Good {
    /// A 200 with these headers before the usual ones, and the body with its length.
    fn with(&self, headers: &str) -> Vec<u8> {
        let length = self.body.len();
        self.head("HTTP/1.1 200 OK", &format!("{headers}content-length: {length}\r\n"), &self.body)
    }

    fn head(&self, status: &str, headers: &str, body: &str) -> Vec<u8> {
        format!("{status}\r\ncontent-type: {}\r\n{headers}\r\n{body}", self.label).into_bytes()
    }

    fn chunked(&self) -> String {
        format!("{:x}\r\n{}\r\n0\r\n\r\n", self.body.len(), self.body)
    }

    fn after(&self, interim: &str) -> Vec<u8> {
        [interim.as_bytes(), &self.with("")].concat()
    }

    /// An error of the provider, which it packs as it likes.
    fn refusal(&self, packed: impl Fn(&str) -> String) -> Vec<u8> {
        let words = wire::error(self.kind, 400, "the provider's own words").to_string();
        format!("HTTP/1.1 400 X\r\ncontent-type: application/json\r\n{}", packed(&words)).into_bytes()
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Interim answers.
    ("100", |good| good.after("HTTP/1.1 100 Continue\r\n\r\n"), STAYS, Want::Said),
    ("102", |good| good.after("HTTP/1.1 102 Processing\r\nx: y\r\n\r\n"), STAYS, Want::Said),
    ("103", |good| good.after("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"), STAYS, Want::Said),
    ("103 with a length", |good| good.after("HTTP/1.1 103 X\r\ncontent-length: 5\r\n\r\n"), STAYS, Want::Said),
    ("many of them", |good| good.after(&"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 100 X\r\n\r\n".repeat(1000)), STAYS, Want::Said),
    ("no end of them", |_| "HTTP/1.1 103 X\r\n\r\n".repeat(100_000).into_bytes(), STAYS, INVALID),
    ("one and no answer", |_| b"HTTP/1.1 103 X\r\n\r\n".to_vec(), CLOSES, DISCONNECTED),
    ("one before a refusal", |good| [b"HTTP/1.1 100 X\r\n\r\n".to_vec(), good.refusal(|words| format!("content-length: {}\r\n\r\n{words}", words.len()))].concat(), STAYS, Want::Says(400, "own words")),
    ("101", |good| good.after("HTTP/1.1 101 X\r\nupgrade: x\r\n\r\n"), STAYS, INVALID),
    // Where the body ends.
    ("no length, close", |good| good.head("HTTP/1.1 200 OK", "connection: close\r\n", &good.body), CLOSES, Want::Said),
    ("no length", |good| good.head("HTTP/1.1 200 OK", "", &good.body), CLOSES, Want::Said),
    ("no length, keep-alive", |good| good.head("HTTP/1.1 200 OK", "connection: keep-alive\r\n", &good.body), CLOSES, Want::Said),
    ("identity", |good| good.head("HTTP/1.1 200 OK", "transfer-encoding: identity\r\n", &good.body), CLOSES, Want::Said),
    ("HTTP/1.0", |good| good.head("HTTP/1.0 200 OK", "", &good.body), CLOSES, Want::Said),
    ("a refusal without a length", |good| good.refusal(|words| format!("\r\n{words}")), CLOSES, Want::Says(400, "own words")),
    ("chunks and a length", |good| good.head("HTTP/1.1 200 OK", "content-length: 3\r\ntransfer-encoding: chunked\r\n", &good.chunked()), STAYS, Want::Said),
    ("chunks said twice", |good| good.head("HTTP/1.1 200 OK", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", &good.chunked()), STAYS, Want::Said),
    ("the same length twice", |good| good.with(&format!("content-length: {}\r\n", good.body.len())), STAYS, Want::Said),
    ("two lengths", |good| good.with("content-length: 3\r\n"), STAYS, INVALID),
    ("no number for a length", |good| good.head("HTTP/1.1 200 OK", "content-length: -1\r\n", &good.body), STAYS, INVALID),
    ("another coding", |good| good.head("HTTP/1.1 200 OK", "transfer-encoding: gzip, chunked\r\n", &good.chunked()), STAYS, INVALID),
    ("bytes behind the body", |good| [good.with(""), b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnot".to_vec()].concat(), STAYS, Want::Said),
    ("no last chunk", |good| good.head("HTTP/1.1 200 OK", "transfer-encoding: chunked\r\n", good.chunked().trim_end_matches("0\r\n\r\n")), CLOSES, Want::Said),
    // What ends early.
    ("no answer", |_| Vec::new(), CLOSES, DISCONNECTED),
    ("half a head", |_| b"HTTP/1.1 200 OK\r\ncontent-t".to_vec(), CLOSES, DISCONNECTED),
    ("a head and no body", |good| good.head("HTTP/1.1 200 OK", "content-length: 99\r\n", ""), CLOSES, DISCONNECTED),
    ("a tenth of the body", |good| good.head("HTTP/1.1 200 OK", "content-length: 9999\r\n", &good.body[..good.body.len() / 10]), CLOSES, DISCONNECTED),
    ("broken chunks", |good| good.head("HTTP/1.1 200 OK", "transfer-encoding: chunked\r\n", "zz\r\n"), STAYS, DISCONNECTED),
    // Odd heads.
    ("3000 headers", |good| good.with(&(0..3000).map(|n| format!("x-{n}: {n}\r\n")).collect::<String>()), STAYS, Want::Said),
    ("a header over two lines", |good| good.with("x: a\r\n b\r\n"), STAYS, Want::Said),
    ("a line that is no header", |good| good.with("no header\r\n"), STAYS, Want::Said),
    ("a space before the colon", |good| good.with("x : y\r\n"), STAYS, Want::Said),
    ("no reason", |good| good.head("HTTP/1.1 200", &format!("content-length: {}\r\n", good.body.len()), &good.body), STAYS, Want::Said),
    ("an empty line first", |good| good.after("\r\n"), STAYS, Want::Said),
    ("a head of 300 KB", |good| good.with(&format!("x: {}\r\n", "y".repeat(300_000))), STAYS, INVALID),
    ("another protocol", |_| b"SSH-2.0-OpenSSH_9\r\n".to_vec(), STAYS, INVALID),
    ("HTTP/2", |_| b"HTTP/2 200\r\n\r\n".to_vec(), STAYS, INVALID),
    // What is packed.
    ("gzip", |good| good.with("content-encoding: gzip\r\n"), STAYS, INVALID),
    ("br behind identity", |good| good.with("content-encoding: identity, br\r\n"), STAYS, INVALID),
    ("identity said", |good| good.with("content-encoding: identity\r\n"), STAYS, Want::Said),
    ("a packed refusal", |good| good.refusal(|_| "content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx".into()), STAYS, Want::Says(400, "")),
    // Bytes before the body.
    ("a byte order mark", |good| good.head("HTTP/1.1 200 OK", "", &format!("\u{feff}{}", good.body)), CLOSES, Want::Said),
];

#[test]
fn each_row_comes_to_what_it_says() {
    let fake = FakeProvider::start();
    let app = setup(KINDS.map(|kind| fake.provider(kind)).concat()).start();
    for (name, bytes, closes, want) in ROWS {
        for (kind, stream) in all() {
            let what = format!("{name}: {kind}, stream: {stream}");
            let good = Good { kind, label: label(kind, stream), body: good(kind, stream) };
            fake.script(Script::raw(bytes(&good), *closes));
            let answer = app.post(&body(kind, stream));
            match want {
                Want::Said => assert_eq!(said(&answer, stream, &what), SAID, "{what}"),
                Want::Fails(status, code) => {
                    let (got, got_code, message) = failure(&answer, &what);
                    assert_eq!(got_code, *code, "{what}: {message}");
                    assert!(got == *status || (got == 200 && stream), "{what}: {got}");
                }
                Want::Says(status, words) => {
                    let (got, _, message) = failure(&answer, &what);
                    assert_eq!(got, *status, "{what}: {message}");
                    assert!(message.contains(words), "{what}: {message}");
                }
            }
            // Whatever it was, the next request is none the worse.
            fake.script(Script::body(200, label(kind, stream), super::good(kind, stream)));
            assert_eq!(said(&app.post(&body(kind, stream)), stream, &what), SAID, "after {what}");
        }
    }
}
