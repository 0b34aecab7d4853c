//! Requests, answers, clients and servers that are made to cost more than their bytes, against the real binary and by the
//! kernel's own figures. A row more in one of the tables is a test more.
//!
//! What is measured here is memory and time, so this is a program of its own, and its measurements run one by one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod bodies;
mod clients;
mod contexts;
mod mcp;
mod patience;
mod sockets;
mod stalls;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use or_test_support::binary::{Binary, Program};
use or_test_support::client::{Answer, Connection};
use tempfile::TempDir;

const PROGRAM: Program = Program(env!("CARGO_BIN_EXE_open-responses"));
const MIB: usize = 1 << 20;
/// The longest that anybody else may wait, of a build without optimisation on a busy machine. What is quadratic takes
/// ten times as long with the optimised build.
const STALL: Duration = Duration::from_secs(6);

/// Held by the one server that is measured.
static ALONE: Mutex<()> = Mutex::new(());

/// The real binary, with its data in a folder of its own.
struct Server {
    binary: Binary,
    _folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    fn start(config: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::new().unwrap();
        let binary = PROGRAM.start(folder.path(), config, &[]);
        Self { binary, _folder: folder, _alone: alone }
    }

    fn address(&self) -> SocketAddr {
        self.binary.address
    }

    fn get(&self, path: &str) -> Answer {
        Connection::send(self.address(), "GET", path, &[], None).finish()
    }

    /// Sends a request for a response, and reads nothing.
    fn open(&self, body: &str) -> Connection {
        Connection::send(self.address(), "POST", "/v1/responses", &[], Some(body.as_bytes()))
    }

    fn post(&self, body: &str) -> Answer {
        self.open(body).finish()
    }

    /// A number of kilobytes in what the kernel says of the process, in bytes.
    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.binary.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Bytes of memory.
    fn resident(&self) -> usize {
        self.memory("VmRSS")
    }

    /// The most bytes of memory that it ever had.
    fn peak(&self) -> usize {
        self.memory("VmHWM")
    }

    /// Asks again and again while something is done. What came of that, and the slowest answer.
    #[track_caller]
    fn probed<T>(&self, ask: impl Fn(&Self) + Sync, work: impl FnOnce() -> T) -> (T, Duration) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let probe = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while !over.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    ask(self);
                    slowest = slowest.max(begun.elapsed());
                    std::thread::sleep(Duration::from_millis(10));
                }
                slowest
            });
            let done = work();
            over.store(true, Ordering::SeqCst);
            (done, probe.join().unwrap())
        })
    }
}

/// A probe of [`Server::probed`] that shows whether the event loop turns.
fn health(server: &Server) {
    assert_eq!(server.get("/health").status, 200);
}

/// As many of `piece` as have about so many bytes, with commas between.
fn list(piece: &str, bytes: usize) -> String {
    let mut list = format!("{piece},").repeat(bytes / (piece.len() + 1));
    list.pop();
    list
}

/// So many pieces that are told their number, with commas between.
fn numbered(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().join(",")
}
