//! The event log of one response, as its loop writes it.

use std::sync::Arc;

use bytes::Bytes;
use or_protocol::ResponseId;
use or_store::{Change, Frames};

use super::disk::Disk;
use crate::running::EventLog;

/// Writes the event log of one response. Frames are shown to readers once they are on disk.
pub(crate) struct LogWriter {
    id: ResponseId,
    disk: Disk,
    log: Arc<EventLog>,
    /// Sequence number of the next event.
    next: u64,
}

impl LogWriter {
    pub(crate) fn new(id: ResponseId, disk: Disk, log: Arc<EventLog>, next: u64) -> Self {
        log.goes_on_at(next);
        Self { id, disk, log, next }
    }

    /// Frames as the next row.
    pub(crate) fn row(&self, frames: Vec<u8>) -> Frames {
        Frames { first: self.next, bytes: Bytes::from(frames) }
    }

    /// Shows a row that is on disk.
    pub(crate) fn publish(&mut self, row: Frames) {
        self.next = row.next();
        self.log.publish(row);
    }

    /// Appends whole frames. `false`: the server is stopping and they were not written.
    pub(crate) async fn append(&mut self, frames: Vec<u8>) -> bool {
        let row = self.row(frames);
        let written = self.disk.persist(Change::frames(self.id.clone(), row.clone())).await;
        if written {
            self.publish(row);
        }
        written
    }
}
