//! What is written of a response.

use std::io;
use std::sync::Arc;

use or_protocol::ResponseId;

use super::outbox::OutboxChange;
use crate::{Append, StoreError, StoredResponse};

/// What to write of one response: all of it or nothing.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) id: ResponseId,
    /// Takes the place of an earlier record.
    pub(crate) record: Option<RecordBytes>,
    /// What is added to it.
    pub(crate) appends: Vec<Append>,
    /// What is told of it, or was.
    pub(crate) outbox: Vec<OutboxChange>,
}

/// A record to write.
#[derive(Clone, Debug)]
pub(crate) struct RecordBytes {
    pub(crate) content: Content,
    pub(crate) state: RecordState,
}

/// The bytes of a record.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// They are made when they are written, piece by piece.
    Record(Arc<StoredResponse>),
}

impl Content {
    /// How many they are, or somewhat more.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Record(record) => record.size(),
        }
    }

    pub(super) fn write(&self, to: &mut impl io::Write) -> Result<(), StoreError> {
        match self {
            Self::Bytes(bytes) => to.write_all(bytes).map_err(|e| StoreError::Io(e.to_string())),
            Self::Record(record) => record.encode_to(to),
        }
    }
}

/// What a record says of its response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RecordState {
    /// It has begun; not written if anything is known of it already.
    Begun,
    /// It is not over.
    Open,
    /// It is over.
    Over,
}

/// What the use of a key takes: two short rows.
const KEY_USE: usize = 256;

impl Write {
    /// Roughly what it takes on disk.
    pub(crate) fn len(&self) -> usize {
        let added = self.appends.iter().map(|append| match append {
            Append::Frames(frames) => frames.bytes.len(),
            Append::Key(_) => KEY_USE,
        });
        self.record.as_ref().map_or(0, |record| record.content.len()) + added.sum::<usize>()
    }

    pub(crate) fn is_begun(&self) -> bool {
        matches!(&self.record, Some(RecordBytes { state: RecordState::Begun, .. }))
    }
}
