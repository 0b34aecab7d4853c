//! An endpoint that is told of events, with a check of their signatures that is no code of ours.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use or_test_support::provider::{FakeProvider, Request, Script};

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// For the environment of a server.
pub(super) const ENV: (&str, &str) = ("HOOK_SECRET", SECRET);

/// An endpoint that takes everything, unless it is told otherwise.
pub(super) fn receiver() -> FakeProvider {
    let receiver = FakeProvider::start();
    receiver.always(|_| Script::head(204, "text/plain"));
    receiver
}

/// Where nobody listens.
pub(super) fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A table `[webhooks.<name>]`.
pub(super) fn table(name: &str, address: SocketAddr, more: &str) -> String {
    format!("\n[webhooks.{name}]\nurl = 'http://{address}/hook?a=b'\nsecret_env = 'HOOK_SECRET'\n{more}\n")
}

/// By RFC 2104, with the hash alone.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad =
        |byte: u8| -> Vec<u8> { (0..64).map(|n| key.get(n).copied().unwrap_or_default() ^ byte).collect() };
    let inner = Sha256::digest([&pad(0x36), message].concat());
    Sha256::digest([&pad(0x5c), inner.as_slice()].concat()).to_vec()
}

fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// An event that is signed and has OpenAI's shape: its id, type and response.
#[track_caller]
pub(super) fn event(request: &Request) -> (String, String, Value) {
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/hook?a=b"));
    let header = |name: &str| request.header(name).unwrap_or_else(|| panic!("no {name}"));
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    let key = BASE64_STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let signed = [format!("{id}.{time}.").as_bytes(), &request.bytes].concat();
    let want = format!("v1,{}", BASE64_STANDARD.encode(hmac(&key, &signed)));
    assert_eq!(header("webhook-signature"), want);
    assert!((now_s() - time.parse::<i64>().unwrap()).abs() < 60, "{time}");
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("open-responses/"));
    let body = &request.body;
    let (kind, created_at) = (body["type"].as_str().unwrap(), body["created_at"].as_i64().unwrap());
    assert!((now_s() - created_at).abs() < 120, "{body}");
    let shape = json!({"id": id, "object": "event", "created_at": created_at, "type": kind, "data": {"id": body["data"]["id"]}});
    assert_eq!(*body, shape);
    assert!(id.starts_with("evt_"), "{id}");
    (id.to_owned(), kind.to_owned(), body["data"]["id"].clone())
}

/// Types and responses of the first events, in any order.
#[track_caller]
pub(super) fn events(receiver: &FakeProvider, count: usize) -> HashSet<(String, String)> {
    let told = (0..count).map(|n| {
        let (_, kind, response) = event(&receiver.request(n));
        (kind, response.as_str().unwrap().to_owned())
    });
    told.collect()
}

pub(super) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(40);
    while !done() {
        assert!(std::time::Instant::now() < end, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}
