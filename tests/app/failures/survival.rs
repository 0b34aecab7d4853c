//! The real binary and a disk that lets it down.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use rlimit::Resource;
use serde_json::{Value, json};

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};

fn get(address: SocketAddr, path: &str) -> Answer {
    Connection::send(address, "GET", path, &[], None).finish()
}

fn post(address: SocketAddr, body: &Value) -> Answer {
    let body = body.to_string();
    Connection::send(address, "POST", "/v1/responses", &[], Some(body.as_bytes())).finish()
}

fn set_room(server: &Binary, bytes: u64) {
    let room = (bytes, rlimit::INFINITY);
    let pid = server.id().try_into().unwrap();
    rlimit::prlimit(pid, Resource::FSIZE, Some(room), None).unwrap();
}

#[test]
fn a_full_disk_fails_what_is_stored_and_nothing_else_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // Writing beyond the longest file that is allowed is an error like any other.
    let server = PROGRAM.start_after("trap '' XFSZ", folder.path());
    let address = server.address;
    let body = |store: bool| json!({"model": "demo", "input": "x".repeat(50_000), "store": store});
    set_room(&server, 3 << 20);
    let mut ids = Vec::new();
    let mut refused = Vec::new();
    // The last bytes may be enough for a trial and not for a response.
    while refused.len() < 20 {
        let answer = post(address, &body(true));
        match answer.status {
            200 => ids.push(answer.json()["id"].as_str().unwrap().to_owned()),
            _ => refused.push(answer),
        }
        assert!(ids.len() < 1000, "the disk is never full");
    }
    let refused = &refused[0];
    let (status, kind, code, _) = refused.error();
    assert_eq!((status, kind.as_str(), code.as_deref()), (500, "server_error", Some("storage_error")));
    // Between two refusals a trial of the disk may have found room for itself.
    let mut looks = (0..50).map(|_| {
        post(address, &body(true));
        (get(address, "/ready"), get(address, "/metrics").text())
    });
    let unwritable = |metrics: &str| metrics.contains("open_responses_store_writable 0");
    let (ready, _) = looks.find(|(ready, metrics)| ready.status == 503 && unwritable(metrics)).unwrap();
    assert_eq!(ready.json()["status"], "not_ready");
    assert!(ready.json()["reason"].as_str().unwrap().contains("File too large"), "{}", ready.text());
    assert_eq!(post(address, &body(false)).status, 200);

    set_room(&server, rlimit::INFINITY);
    let end = Instant::now() + Duration::from_secs(30);
    while get(address, "/ready").status != 200 {
        assert!(Instant::now() < end, "{}", get(address, "/ready").text());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(get(address, "/metrics").text().contains("open_responses_store_writable 1"));
    assert_eq!(post(address, &body(true)).status, 200);
    for id in &ids {
        assert_eq!(get(address, &format!("/v1/responses/{id}")).status, 200);
    }
    server.terminate();
    let (status, log) = server.wait();
    assert!(status.success());
    for text in ["THE STORE CANNOT WRITE", "the store writes again"] {
        assert!(log.contains(text), "{log}");
    }
}

#[track_caller]
fn check_no_start(folder: &Path, data: &str, want: &[&str]) {
    let output =
        PROGRAM.command(folder, &[]).args(["--bind", "127.0.0.1:0", "--data", data]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in want {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("file"), "").unwrap();
    check_no_start(path, "file", &["error: cannot create the store folder file"]);
    // Nobody may write there, not even root.
    check_no_start(path, "/proc/self", &["error: cannot ", "/proc/self"]);
    let server = PROGRAM.start(path, "", &[]);
    let text = "is in use by another process; stop that one, or use another folder";
    check_no_start(path, "data", &["error: the store data/responses ", text]);
    drop(server);
}
