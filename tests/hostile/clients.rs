//! What clients that do not read or do not send cost the real binary, from the kernel's own figures.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use super::sockets::{ask, chunked, get, post};
use super::{MIB, Server, health};

/// How long an answer of `/health` may take meanwhile, in a build that is not optimised on a machine that is busy.
const HEALTHY: Duration = Duration::from_secs(10);

fn start(config: &str) -> Server {
    Server::start(&format!("server.client_write_timeout_s = 600\n{config}"))
}

/// Hundredths of a second that it was at work.
fn worked(server: &Server) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.binary.id())).unwrap();
    let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Waits until its memory stands still; returns how much it is, at its highest.
fn settled(server: &Server) -> usize {
    let (mut most, mut still) = (0, Instant::now());
    while still.elapsed() < Duration::from_secs(2) {
        let now = server.resident();
        if now > most + MIB {
            still = Instant::now();
        }
        most = most.max(now);
        std::thread::sleep(Duration::from_millis(50));
    }
    most
}

/// Memory above what it was, and the slowest answer of `/health`, while these clients are there.
#[track_caller]
fn check(server: &Server, bound: usize, clients: impl FnOnce() -> Vec<TcpStream>) {
    let before = server.resident();
    let (cost, slowest) = server.probed(health, || {
        let clients = clients();
        let cost = settled(server).saturating_sub(before);
        drop(clients);
        cost
    });
    assert!(cost < bound, "{} MiB, not {}", cost / MIB, bound / MIB);
    assert!(slowest < HEALTHY, "/health took {slowest:?}");
}

fn many(count: usize, address: SocketAddr, request: &[u8]) -> Vec<TcpStream> {
    (0..count).map(|_| ask(address, request)).collect()
}

#[test]
fn unread_streams_cost_little() {
    let server = start("");
    let body = json!({"model": "demo-long-20000", "input": "Hi", "stream": true, "store": false});
    let request = post(&body.to_string());
    // 5 MB each in the end, of which nothing but a short queue is there at any time.
    check(&server, 150 * MIB, || many(500, server.address(), &request));
}

#[test]
fn unread_answers_share_their_bytes() {
    let server = start("");
    let body = json!({"model": "demo", "input": "Hi", "instructions": "x".repeat(10 * MIB)});
    let made = server.post(&body.to_string()).json();
    let request = get(&format!("/v1/responses/{}", made["id"].as_str().unwrap()));
    check(&server, 150 * MIB, || many(30, server.address(), &request));
}

#[test]
fn unfinished_bodies_have_a_budget() {
    let server = start("server.max_bytes_in_flight = 67108864\n");
    let mut request = chunked("/v1/responses");
    request.extend_from_slice(format!("{:x}\r\n", 3 * MIB).as_bytes());
    request.extend(std::iter::repeat_n(b' ', 3 * MIB));
    // 900 MiB are sent. On an idle machine a connection has some 600 KiB of it before it hears that there is no room: 262 MiB
    // were seen, 140 on a busy one.
    check(&server, 350 * MIB, || many(300, server.address(), &request));
    let counted = server.get("/metrics").text();
    assert!(!counted.contains("open_responses_bytes_refused_total 0"), "{counted}");
}

#[test]
fn unread_logs_cost_little() {
    let server = start("server.max_readers_per_response = 1000\n");
    let body = json!({"model": "demo-long-20000", "input": "Hi", "background": true, "stream": true});
    let made = server.post(&body.to_string()).last_response();
    let request = get(&format!("/v1/responses/{}?stream=true", made["id"].as_str().unwrap()));
    check(&server, 100 * MIB, || many(200, server.address(), &request));
}

#[test]
fn requests_that_wait_for_a_stream_cost_no_work() {
    let server = start("");
    let stream = post(r#"{"model":"demo-hang","input":"Hi","stream":true}"#);
    let request = [stream, get("/health").repeat(3000)].concat();
    let mut clients = many(20, server.address(), &request);
    std::thread::sleep(Duration::from_secs(1));
    let before = worked(&server);
    std::thread::sleep(Duration::from_secs(2));
    let worked = worked(&server) - before;
    assert!(worked < 50, "it worked {worked} hundredths of 2 seconds");
    for client in &mut clients {
        let _ = client.write_all(b"x");
    }
}
