//! The tail of a running response's event log, for those who read along.
//!
//! The log itself is on disk. Frames come here only once they are there, so nobody sees what a
//! restart would not find. Readers are cursors: nothing here waits for them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use tokio::sync::watch;

use or_store::Frames;

/// Bytes kept for readers that are up to date; others read the disk.
const TAIL: usize = 16 * 1024;

/// Shared by the loop that writes and all who read.
#[derive(Debug)]
pub(crate) struct EventLog {
    tail: Mutex<Tail>,
    /// Sequence number behind the last frame that is on disk.
    next: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tail {
    rows: VecDeque<Frames>,
    bytes: usize,
}

/// What a reader gets.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// The frames from its place on.
    Frames(Frames),
    /// It is behind the tail: they are on disk only.
    OnDisk,
    /// There are none yet.
    UpToDate,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { tail: Mutex::default(), next: watch::Sender::new(0) }
    }

    fn tail(&self) -> std::sync::MutexGuard<'_, Tail> {
        // A panic while the lock was held cannot have left the rows out of order.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows frames that are on disk.
    pub(crate) fn publish(&self, frames: Frames) {
        let next = frames.next();
        {
            let mut tail = self.tail();
            tail.bytes += frames.bytes.len();
            tail.rows.push_back(frames);
            // The last row stays whatever its length: those who are up to date need it next.
            while tail.bytes > TAIL
                && tail.rows.len() > 1
                && let Some(row) = tail.rows.pop_front()
            {
                tail.bytes -= row.bytes.len();
            }
        }
        self.next.send_replace(next);
    }

    /// Frames up to number `next` are on disk from before a restart.
    pub(crate) fn goes_on_at(&self, next: u64) {
        self.next.send_replace(next);
    }

    /// The frames from number `from` on.
    pub(crate) fn read(&self, from: u64) -> Read {
        let tail = self.tail();
        let Some(last) = tail.rows.back() else {
            return if from < *self.next.borrow() { Read::OnDisk } else { Read::UpToDate };
        };
        if from >= last.next() && !last.is_end() {
            return Read::UpToDate;
        }
        let Some(at) = tail.rows.iter().rposition(|row| row.first <= from) else { return Read::OnDisk };
        let mut rows = tail.rows.range(at..).map(|row| row.since(from).bytes);
        let first = rows.next().unwrap_or_default();
        if at + 1 == tail.rows.len() {
            return Read::Frames(Frames { first: from, bytes: first });
        }
        let joined = rows.fold(BytesMut::from(first), |mut all, row| {
            all.extend_from_slice(&row);
            all
        });
        Read::Frames(Frames { first: from, bytes: joined.freeze() })
    }

    /// Sequence number behind the last frame that is on disk for good. What the store shows behind it may still be
    /// lost.
    pub(crate) fn durable(&self) -> u64 {
        *self.next.borrow()
    }

    /// Changes with every publication; its end is the end of the loop.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pretty_assertions::assert_eq;

    use super::*;

    fn row(first: u64, count: u64, len: usize) -> Frames {
        let text = |n: u64| format!("data: {n}{}\n\n", "-".repeat(len));
        Frames { first, bytes: (first..first + count).map(text).collect::<String>().into() }
    }

    #[test]
    fn a_reader_gets_what_is_behind_its_place_from_the_tail() {
        let log = EventLog::new();
        assert_eq!(log.read(0), Read::UpToDate);
        for first in [0, 2, 4] {
            log.publish(row(first, 2, 1));
        }
        assert_eq!(log.read(0), Read::Frames(row(0, 6, 1)));
        assert_eq!(log.read(3), Read::Frames(row(3, 3, 1)));
        assert_eq!(log.read(5), Read::Frames(row(5, 1, 1)));
        assert_eq!(log.read(6), Read::UpToDate);
        assert_eq!(log.read(60), Read::UpToDate);
    }

    #[test]
    fn what_is_no_longer_in_the_tail_is_on_disk() {
        let log = EventLog::new();
        log.publish(row(0, 1, TAIL));
        assert_eq!(log.read(0), Read::Frames(row(0, 1, TAIL)));
        log.publish(row(1, 1, TAIL));
        assert_eq!(log.read(0), Read::OnDisk);
        assert_eq!(log.read(1), Read::Frames(row(1, 1, TAIL)));
    }

    #[test]
    fn a_log_that_goes_on_after_a_restart_begins_on_disk() {
        let log = EventLog::new();
        log.goes_on_at(7);
        assert_eq!(log.read(6), Read::OnDisk);
        assert_eq!(log.read(7), Read::UpToDate);
        log.publish(row(7, 1, 1));
        assert_eq!(log.read(6), Read::OnDisk);
        assert_eq!(log.read(8), Read::UpToDate);
    }

    #[test]
    fn the_mark_of_the_end_reaches_those_who_have_all_else() {
        let log = EventLog::new();
        let end = Frames { first: 0, bytes: Bytes::from_static(b"data: 0\n\ndata: [DONE]\n\n") };
        log.publish(end.clone());
        let done = Frames { first: 1, bytes: Bytes::from_static(b"data: [DONE]\n\n") };
        assert_eq!(log.read(1), Read::Frames(done));
        assert_eq!(log.read(0), Read::Frames(end));
    }
}
