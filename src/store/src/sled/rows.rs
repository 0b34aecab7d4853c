//! Event logs as rows of the tree: what was appended at once, under the sequence number of its first frame.

use bytes::Bytes;

use super::keys;
use super::pieces::{PIECE, failed};
use crate::{Frames, LogPart, StoreError};

/// Where reading stops at the next row, in bytes.
const PART: usize = 64 * 1024;

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
