//! Requests and answers that are made to cost more than their bytes. A row more in one of the tables is a test more.

mod memory;
mod stalls;

use tempfile::TempDir;

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};

/// The real binary, with its data in a folder of its own.
struct Server {
    binary: Binary,
    _folder: TempDir,
}

impl Server {
    fn start(config: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let binary = PROGRAM.start(folder.path(), config, &[]);
        Self { binary, _folder: folder }
    }

    fn post(&self, body: &str) -> Answer {
        let body = Some(body.as_bytes());
        Connection::send(self.binary.address, "POST", "/v1/responses", &[], body).finish()
    }

    /// A number of kilobytes in what the kernel says of the process, in bytes.
    fn memory(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.binary.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
    }
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
