//! What clients that do not read or do not send cost the real binary, from the kernel's own figures.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::sockets::{ask, chunked, get, post};
use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::Connection;

const MIB: usize = 1 << 20;
/// How long an answer of `/health` may take meanwhile, in a build that is not optimised on a machine that is busy.
const HEALTHY: Duration = Duration::from_secs(10);

struct Server {
    binary: Binary,
    _folder: TempDir,
}

impl Server {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!("server.client_write_timeout_s = 600\n{config}");
        Self { binary: PROGRAM.start(folder.path(), &config, &[]), _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.binary.address
    }

    /// Bytes of memory.
    fn resident(&self) -> usize {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.binary.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Hundredths of a second that it was at work.
    fn worked(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.binary.id())).unwrap();
        let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Waits until its memory stands still; returns how much it is, at its highest.
    fn settled(&self) -> usize {
        let (mut most, mut still) = (0, Instant::now());
        while still.elapsed() < Duration::from_secs(2) {
            let now = self.resident();
            if now > most + MIB {
                still = Instant::now();
            }
            most = most.max(now);
            std::thread::sleep(Duration::from_millis(50));
        }
        most
    }

    fn call(&self, request: &[u8]) -> or_test_support::client::Answer {
        Connection::raw(self.address(), request).finish()
    }

    /// Memory above what it was, and the slowest answer of `/health`, while these clients are there.
    #[track_caller]
    fn check(&self, bound: usize, clients: impl FnOnce() -> Vec<TcpStream>) {
        let before = self.resident();
        let over = AtomicBool::new(false);
        let (cost, slowest) = std::thread::scope(|scope| {
            let probe = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    assert_eq!(self.call(&get("/health").replace_close()).status, 200);
                    slowest = slowest.max(begun.elapsed());
                    std::thread::sleep(Duration::from_millis(20));
                }
                slowest
            });
            let clients = clients();
            let cost = self.settled().saturating_sub(before);
            over.store(true, Ordering::Relaxed);
            drop(clients);
            (cost, probe.join().unwrap())
        });
        assert!(cost < bound, "{} MiB, not {}", cost / MIB, bound / MIB);
        assert!(slowest < HEALTHY, "/health took {slowest:?}");
    }
}

/// A request after which the connection is closed.
trait Closing {
    fn replace_close(self) -> Vec<u8>;
}

impl Closing for Vec<u8> {
    fn replace_close(mut self) -> Vec<u8> {
        self.truncate(self.len() - 2);
        self.extend_from_slice(b"connection: close\r\n\r\n");
        self
    }
}

fn many(count: usize, address: SocketAddr, request: &[u8]) -> Vec<TcpStream> {
    (0..count).map(|_| ask(address, request)).collect()
}

#[test]
fn unread_streams_cost_little() {
    let server = Server::start("");
    let body = json!({"model": "demo-long-20000", "input": "Hi", "stream": true, "store": false});
    let request = post(&body.to_string());
    // 5 MB each in the end, of which nothing but a short queue is there at any time.
    server.check(150 * MIB, || many(500, server.address(), &request));
}

#[test]
fn unread_answers_share_their_bytes() {
    let server = Server::start("");
    let body = json!({"model": "demo", "input": "Hi", "instructions": "x".repeat(10 * MIB)});
    let made = server.call(&post(&body.to_string())).json();
    let request = get(&format!("/v1/responses/{}", made["id"].as_str().unwrap()));
    server.check(150 * MIB, || many(30, server.address(), &request));
}

#[test]
fn unfinished_bodies_have_a_budget() {
    let server = Server::start("server.max_bytes_in_flight = 67108864\n");
    let mut request = chunked("/v1/responses");
    request.extend_from_slice(format!("{:x}\r\n", 3 * MIB).as_bytes());
    request.extend(std::iter::repeat_n(b' ', 3 * MIB));
    server.check(200 * MIB, || many(300, server.address(), &request));
    let counted = server.call(&get("/metrics").replace_close()).text();
    assert!(!counted.contains("openresponses_bytes_refused_total 0"), "{counted}");
}

#[test]
fn unread_logs_cost_little() {
    let server = Server::start("server.max_readers_per_response = 1000\n");
    let body = json!({"model": "demo-long-20000", "input": "Hi", "background": true, "stream": true});
    let made = server.call(&post(&body.to_string())).last_response();
    let request = get(&format!("/v1/responses/{}?stream=true", made["id"].as_str().unwrap()));
    server.check(100 * MIB, || many(200, server.address(), &request));
}

#[test]
fn requests_that_wait_for_a_stream_cost_no_work() {
    let server = Server::start("");
    let stream = post(r#"{"model":"demo-hang","input":"Hi","stream":true}"#);
    let request = [stream, get("/health").repeat(3000)].concat();
    let mut clients = many(20, server.address(), &request);
    std::thread::sleep(Duration::from_secs(1));
    let before = server.worked();
    std::thread::sleep(Duration::from_secs(2));
    let worked = server.worked() - before;
    assert!(worked < 50, "it worked {worked} hundredths of 2 seconds");
    for client in &mut clients {
        let _ = client.write_all(b"x");
    }
}
