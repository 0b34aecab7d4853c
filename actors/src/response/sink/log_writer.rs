//! The event log of one response, as its loop writes it.

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;
use or_store::Frames;

use crate::running::EventLog;

/// What comes at once is cut into rows of about this length: who reads the log gets a row as a whole.
const ROW: usize = 256 * 1024;

/// Writes the event log of one response. Frames are shown to readers once they are on disk.
pub(crate) struct LogWriter {
    log: Arc<EventLog>,
    /// Sequence number of the next event.
    next: u64,
    /// What is not on disk yet, in order.
    unwritten: Vec<Frames>,
}

impl LogWriter {
    pub(crate) fn new(log: Arc<EventLog>, next: u64) -> Self {
        log.goes_on_at(next);
        Self { log, next, unwritten: Vec::new() }
    }

    /// Whole frames that are to be written.
    pub(crate) fn hold(&mut self, frames: Vec<u8>) {
        let mut rest = Bytes::from(frames);
        while !rest.is_empty() {
            // A frame that ends just there ends the row.
            let from = ROW.min(rest.len()).saturating_sub(2);
            let mut end = memmem::find(&rest[from..], b"\n\n").map_or(rest.len(), |at| from + at + 2);
            if &rest[end..] == or_protocol::DONE.as_bytes() {
                // The mark of the end has no number, so it stays with the event before it.
                end = rest.len();
            }
            let row = Frames { first: self.next, bytes: rest.split_to(end) };
            self.next = row.next();
            self.unwritten.push(row);
        }
    }

    /// The rows that are to be written.
    pub(crate) fn unwritten(&self) -> Vec<Frames> {
        self.unwritten.clone()
    }

    /// Shows the first rows, which are on disk.
    pub(crate) fn publish(&mut self, count: usize) {
        for row in self.unwritten.drain(..count.min(self.unwritten.len())) {
            self.log.publish(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn rows_are_whole_frames_without_gaps() {
        let frame = |len: usize| format!("data: {}\n\n", "x".repeat(len));
        let done = or_protocol::DONE;
        let cases = [
            (frame(10).repeat(3), vec![3]),
            (frame(ROW) + &frame(1) + &frame(1), vec![1, 2]),
            (frame(ROW - 8) + &frame(1), vec![1, 1]),
            (frame(ROW) + &frame(ROW) + done, vec![1, 1]),
            (frame(1) + done, vec![1]),
            (done.to_owned(), vec![0]),
        ];
        for (text, want) in cases {
            let mut writer = LogWriter::new(Arc::new(EventLog::new()), 7);
            writer.hold(text.clone().into_bytes());
            let rows = writer.unwritten();
            let counts: Vec<_> = rows.iter().map(|row| row.next() - row.first).collect();
            assert_eq!(counts, want);
            assert_eq!(rows.iter().map(|row| row.bytes.len()).sum::<usize>(), text.len());
            assert!(rows.windows(2).all(|two| two[0].next() == two[1].first));
            writer.publish(rows.len());
            assert!(writer.unwritten().is_empty());
        }
    }
}
