//! One client: creates responses of every kind, looks at them, leaves, comes back, cancels, deletes.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;

use crate::http::{Call, ask, send};
use crate::ledger::{DONE, Entry, Kind, Ledger};

struct Client<'a> {
    ledger: &'a Ledger,
    address: SocketAddr,
    rng: Rng,
}

/// Works until the server is gone, which must not happen before it is killed.
pub(crate) fn client(ledger: &Ledger, address: SocketAddr, name: &str, rng: Rng, killed: &AtomicBool) {
    let round = name[1..].split('c').next().unwrap().parse().unwrap();
    let mut client = Client { ledger, address, rng };
    for n in 0.. {
        let kind = Kind::ALL[client.rng.usize(0..4)];
        let result = match client.rng.u8(0..6) {
            0 => client.read_along(),
            _ => client.create(&ledger.open(round, kind, format!("{name}n{n}"))),
        };
        if let Err(error) = result {
            return assert!(killed.load(Ordering::SeqCst), "{name}: {error}");
        }
        if killed.load(Ordering::SeqCst) {
            return;
        }
    }
}

impl Client<'_> {
    fn create(&mut self, entry: &Entry) -> Result<()> {
        let mut body = json!({"model": "openai-chat/m", "input": entry.key, "stream": entry.kind.streams(),
                              "background": entry.kind.is_background()});
        if self.rng.u8(0..4) == 0
            && let Some(earlier) = self.ledger.recent(&mut self.rng, Entry::can_be_chained_on)
        {
            body["previous_response_id"] = json!(earlier.id());
        }
        let made = send(self.address, "POST", "/v1/responses", Some(&body))?;
        if made.status == 400 && body.get("previous_response_id").is_some() {
            // Its predecessor was deleted meanwhile.
            entry.told().refused = true;
            return Ok(());
        }
        let made = fine(made)?;
        match entry.kind {
            Kind::Unary => assert!(entry.show(&made.rest()?)),
            Kind::Stream => assert!(self.read(entry, made, 0, u64::MAX)?),
            Kind::Polled => {
                entry.show(&made.rest()?);
                self.poll(entry)?;
            }
            Kind::BackgroundStream => {
                let frames = self.rng.u64(1..20);
                let done = self.read(entry, made, 0, frames)?;
                self.come_back(entry, done)?;
            }
        }
        Ok(())
    }

    /// Reads this many frames at most, the first one of this number. Says whether that was all.
    fn read(&mut self, entry: &Entry, mut call: Call, first: u64, most: u64) -> Result<bool> {
        let mut next = first;
        while next - first < most {
            let block = match call.block() {
                // It was deleted, perhaps by another client, before its end was read: nothing more to come.
                Err(_) if entry.told().delete_asked => return Ok(true),
                block => block.map_err(|error| Error::other(format!("{}: {error}", entry.key)))?,
            };
            match block {
                Some(frame) if frame == DONE => return Ok(true),
                Some(comment) if comment.starts_with(':') => {}
                Some(frame) => {
                    assert_eq!(entry.frame(&frame), next, "{}: {frame}", entry.key);
                    next += 1;
                }
                None => panic!("{}: the stream ended without [DONE]", entry.key),
            }
        }
        Ok(false)
    }

    fn poll(&mut self, entry: &Entry) -> Result<()> {
        for _ in 0..self.rng.usize(0..60) {
            if self.end_it(entry)? {
                return Ok(());
            }
            let (status, json) = ask(self.address, "GET", &entry.path(), None)?;
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&json));
            if entry.show(&json) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(self.rng.u64(0..10)));
        }
        Ok(())
    }

    /// Now and then cancels or deletes. Says whether that is what it did.
    fn end_it(&mut self, entry: &Entry) -> Result<bool> {
        match self.rng.u8(0..100) {
            0..5 => {
                let (status, json) = ask(self.address, "POST", &format!("{}/cancel", entry.path()), None)?;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&json));
                assert!(entry.show(&json));
            }
            5 => {
                entry.told().delete_asked = true;
                let (status, json) = ask(self.address, "DELETE", &entry.path(), None)?;
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&json));
                entry.told().deleted = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads on from where it left, in pieces, or never.
    fn come_back(&mut self, entry: &Entry, mut done: bool) -> Result<()> {
        while !done && self.rng.u8(0..8) != 0 {
            if self.end_it(entry)? {
                return Ok(());
            }
            let (next, most) = (entry.shown().len() as u64, self.rng.u64(1..20));
            done = self.read_from(entry, next, most)?;
        }
        Ok(())
    }

    fn read_from(&mut self, entry: &Entry, first: u64, most: u64) -> Result<bool> {
        let path = format!("{}?stream=true&starting_after={}", entry.path(), first - 1);
        let call = send(self.address, "GET", &path, None)?;
        if call.status == 404 && entry.told().delete_asked {
            return Ok(true);
        }
        self.read(entry, fine(call)?, first, most)
    }

    /// Reads what somebody else made, from anywhere.
    fn read_along(&mut self) -> Result<()> {
        let streams = |entry: &Entry| {
            entry.kind == Kind::BackgroundStream && entry.id().is_some() && !entry.told().delete_asked
        };
        let Some(entry) = self.ledger.recent(&mut self.rng, streams) else { return Ok(()) };
        let (first, most) = (self.rng.u64(1..20), self.rng.u64(1..40));
        self.read_from(&entry, first, most).map(drop)
    }
}

/// An answer that is no error.
fn fine(call: Call) -> Result<Call> {
    if call.status == 200 {
        return Ok(call);
    }
    let status = call.status;
    panic!("{status}: {}", String::from_utf8_lossy(&call.rest()?))
}
