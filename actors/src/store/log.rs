//! The event log of one response: the frames of its stream, byte for byte as its first reader gets them.
//!
//! A row is what was appended at once, whole frames; its key has the sequence number of the first one. Numbers
//! have no gaps, and no frame has an empty line in it, so counting frames is counting numbers.

use bytes::Bytes;
use memchr::memmem;
use or_protocol::DONE;

use super::db::{PIECE, failed};
use super::{StoreError, keys};

/// What ends a frame.
const END: &[u8] = b"\n\n";
/// Where reading stops at the next row, in bytes.
const PART: usize = 64 * 1024;

/// Frames in a row, as they are sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frames {
    /// Sequence number of the first one.
    pub first: u64,
    /// Whole frames.
    pub bytes: Bytes,
}

impl Frames {
    /// Sequence number behind the last event.
    pub fn next(&self) -> u64 {
        let marks = u64::from(self.is_end());
        self.first + count(&self.bytes) - marks
    }

    /// Whether nothing comes behind them.
    pub fn is_end(&self) -> bool {
        self.bytes.ends_with(DONE.as_bytes())
    }

    /// The frames from number `from` on, which must not be before the first one.
    #[must_use]
    pub fn since(&self, from: u64) -> Self {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let at = match skip {
            0 => 0,
            _ => {
                let end = memmem::find_iter(&self.bytes, END).nth(skip - 1);
                end.map_or(self.bytes.len(), |end| end + END.len())
            }
        };
        // Behind the last event there is still the mark of the end.
        let at = if self.is_end() { at.min(self.bytes.len() - DONE.len()) } else { at };
        Self { first: from.max(self.first), bytes: self.bytes.slice(at..) }
    }

    /// The frames before number `to`.
    #[must_use]
    pub(crate) fn before(self, to: u64) -> Self {
        if self.next() <= to {
            return self;
        }
        let keep = usize::try_from(to.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = keep.checked_sub(1).and_then(|last| memmem::find_iter(&self.bytes, END).nth(last));
        Self { first: self.first, bytes: self.bytes.slice(..end.map_or(0, |end| end + END.len())) }
    }
}

fn count(bytes: &[u8]) -> u64 {
    memmem::find_iter(bytes, END).count() as u64
}

/// What a reader of the log gets at once; empty if there is nothing behind its place yet.
pub type LogPart = Frames;

/// Adds a row to a batch.
pub(super) fn put(batch: &mut sled::Batch, response: &[u8], frames: &Frames) -> Result<(), StoreError> {
    for (number, piece) in frames.bytes.chunks(PIECE).enumerate() {
        let number = u16::try_from(number).map_err(|_| StoreError::TooLong(frames.bytes.len()))?;
        batch.insert(keys::row(response, frames.first, number), piece);
    }
    Ok(())
}

/// The frames from number `from` on: the rest of the row that has it, and further rows up to some 64 KiB.
pub(super) fn read(tree: &sled::Tree, response: &[u8], from: u64) -> Result<LogPart, StoreError> {
    let prefix = keys::rows(response);
    let damaged = || StoreError::Damaged(String::from_utf8_lossy(response).into_owned());
    let place = |key: &[u8]| keys::row_of(key).ok_or_else(damaged);
    let empty = LogPart { first: from, bytes: Bytes::new() };
    let before = tree.range(prefix.clone()..=keys::row(response, from, u16::MAX)).next_back().transpose();
    let Some((key, _)) = before.map_err(failed)? else { return Ok(empty) };
    let (first, _) = place(&key)?;
    let (mut bytes, mut last) = (Vec::new(), first);
    for pair in tree.range(keys::row(response, first, 0)..=keys::row(response, u64::MAX, u16::MAX)) {
        let (key, piece) = pair.map_err(failed)?;
        let (row, _) = place(&key)?;
        if row != last && bytes.len() >= PART {
            break;
        }
        last = row;
        bytes.extend_from_slice(&piece);
    }
    Ok(LogPart { first, bytes: bytes.into() }.since(from))
}

/// All rows, as they were put.
pub(super) fn rows(tree: &sled::Tree, response: &[u8]) -> Result<Vec<Frames>, StoreError> {
    let mut rows: Vec<(u64, Vec<u8>)> = Vec::new();
    for pair in tree.scan_prefix(keys::rows(response)) {
        let (key, piece) = pair.map_err(failed)?;
        let place = keys::row_of(&key);
        let (first, _) =
            place.ok_or_else(|| StoreError::Damaged(String::from_utf8_lossy(response).into()))?;
        match rows.last_mut() {
            Some((last, bytes)) if *last == first => bytes.extend_from_slice(&piece),
            Some(_) | None => rows.push((first, piece.to_vec())),
        }
    }
    Ok(rows.into_iter().map(|(first, bytes)| Frames { first, bytes: bytes.into() }).collect())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn frames(first: u64, text: &'static str) -> Frames {
        Frames { first, bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[track_caller]
    fn check(frames: &Frames, from: u64, want: &str) {
        let got = frames.since(from);
        assert_eq!((got.first, &got.bytes[..]), (from, want.as_bytes()));
    }

    #[test]
    fn frames_are_cut_at_a_sequence_number() {
        let open = frames(5, "a\n\nb\n\nc\n\n");
        assert_eq!((open.next(), open.is_end()), (8, false));
        check(&open, 5, "a\n\nb\n\nc\n\n");
        check(&open, 7, "c\n\n");
        check(&open, 8, "");
        check(&open, 9, "");
    }

    #[test]
    fn frames_are_cut_before_a_sequence_number() {
        let whole = || frames(5, "a\n\nb\n\ndata: [DONE]\n\n");
        for (to, want) in [(4, ""), (5, ""), (6, "a\n\n"), (7, "a\n\nb\n\ndata: [DONE]\n\n")] {
            assert_eq!(whole().before(to).bytes, want, "{to}");
        }
    }

    #[test]
    fn behind_the_last_event_is_the_mark_of_the_end() {
        let whole = frames(0, "a\n\nb\n\ndata: [DONE]\n\n");
        assert_eq!((whole.next(), whole.is_end()), (2, true));
        check(&whole, 1, "b\n\ndata: [DONE]\n\n");
        check(&whole, 2, "data: [DONE]\n\n");
        check(&whole, 40, "data: [DONE]\n\n");
    }
}
