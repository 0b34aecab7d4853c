//! Cuts records into pieces as they are encoded, so that no long one is there in one piece beside its pieces.

use std::io;

use crate::StoreError;
use crate::sled::keys;
use crate::sled::pieces::PIECE;

/// Pieces that are written ahead of their record are so many bytes at a time. sled rewrites a page for every few keys that
/// come to it, and lets go of the old pages only behind the batch.
const STEP: usize = 128 << 10;

/// Takes in a record's bytes, in any parts, and puts them into a batch.
pub(super) struct Cutter<'a> {
    batch: &'a mut sled::Batch,
    /// Where the batch goes whenever it is full; `None`: nowhere, it is for all of them.
    ahead: Option<&'a sled::Tree>,
    key: &'a [u8],
    /// Bytes in the batch.
    waiting: usize,
    /// Room for the number of further pieces, and the first piece.
    head: Vec<u8>,
    /// The piece that is being filled.
    piece: Vec<u8>,
    further: u16,
    length: usize,
    is_too_long: bool,
}

/// A record whose further pieces are in a batch.
pub(super) struct Cut {
    /// The value of the record's key: number of further pieces, and the first piece.
    pub(super) head: Vec<u8>,
    /// Bytes of all pieces.
    pub(super) length: usize,
    pub(super) further: u16,
}

const COUNT: usize = size_of::<u16>();

impl<'a> Cutter<'a> {
    /// `key`: that of the record.
    pub(super) fn new(batch: &'a mut sled::Batch, ahead: Option<&'a sled::Tree>, key: &'a [u8]) -> Self {
        let (head, piece) = (vec![0; COUNT], Vec::new());
        Self { batch, ahead, key, waiting: 0, head, piece, further: 0, length: 0, is_too_long: false }
    }

    fn put(&mut self) -> io::Result<()> {
        let Some(number) = self.further.checked_add(1) else {
            self.is_too_long = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.further = number;
        self.batch.insert(keys::piece(self.key, number), self.piece.as_slice());
        self.waiting += self.piece.len();
        self.piece.clear();
        match self.ahead {
            Some(tree) if self.waiting >= STEP => {
                self.waiting = 0;
                tree.apply_batch(std::mem::take(self.batch)).map_err(io::Error::other)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The record is whole, or could not be `written`.
    pub(super) fn end(mut self, mut written: Result<(), StoreError>) -> Result<Cut, StoreError> {
        if written.is_ok() && !self.piece.is_empty() {
            written = self.put().map_err(|e| StoreError::Io(e.to_string()));
        }
        if self.is_too_long {
            return Err(StoreError::TooLong(self.length));
        }
        written?;
        let count = self.further.to_be_bytes();
        for (byte, of_count) in self.head.iter_mut().zip(count) {
            *byte = of_count;
        }
        Ok(Cut { head: self.head, length: self.length, further: self.further })
    }
}

impl io::Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let in_head = (COUNT + PIECE).saturating_sub(self.head.len());
        if in_head == 0 && self.piece.len() == PIECE {
            self.put()?;
        }
        let room = if in_head == 0 { PIECE - self.piece.len() } else { in_head };
        let piece = if in_head == 0 { &mut self.piece } else { &mut self.head };
        let taken = room.min(bytes.len());
        piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        self.length += taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
