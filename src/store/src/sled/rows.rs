//! Event logs as rows of the tree: what was appended at once, under the sequence number of its first frame.

use bytes::Bytes;
use memchr::memmem;
use or_protocol::DONE;

use super::keys;
use super::pieces::{PIECE, failed};
use crate::{Frames, LogPart, LogPlace, StoreError};

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

/// Bytes from `place` on, to the end of a row or of what comes before number `until`, some 64 KiB at most.
pub(super) fn read_piece(
    tree: &sled::Tree,
    response: &[u8],
    place: LogPlace,
    until: u64,
) -> Result<Bytes, StoreError> {
    let damaged = || StoreError::Damaged(String::from_utf8_lossy(response).into_owned());
    let row_of = |key: &[u8]| keys::row_of(key).ok_or_else(damaged);
    let to_here = keys::rows(response)..=keys::row(response, place.frame, u16::MAX);
    let Some((key, _)) = tree.range(to_here).next_back().transpose().map_err(failed)? else {
        return Ok(Bytes::new());
    };
    let (first, _) = row_of(&key)?;
    let start = start_of(tree, response, first, place.frame - first)? + place.skip;
    let number = u16::try_from(start / PIECE).map_err(|_| damaged())?;
    let (mut bytes, mut row, mut skip) = (Vec::new(), first, start % PIECE);
    for pair in tree.range(keys::row(response, first, number)..=keys::row(response, u64::MAX, u16::MAX)) {
        let (key, piece) = pair.map_err(failed)?;
        let (of, _) = row_of(&key)?;
        let full = bytes.len() >= PART;
        // The mark of the end has no number of its own, and is not cut.
        let hidden = of >= until && piece != DONE.as_bytes();
        if hidden || (full && (of != row || piece.len() >= DONE.len())) {
            break;
        }
        (row, bytes) = (of, appended(bytes, piece.get(skip..).unwrap_or_default()));
        skip = 0;
    }
    // What ends a frame stays whole.
    if bytes.ends_with(b"\n") && !bytes.ends_with(b"\n\n") {
        bytes.pop();
    }
    Ok(bytes.into())
}

fn appended(mut bytes: Vec<u8>, piece: &[u8]) -> Vec<u8> {
    bytes.extend_from_slice(piece);
    bytes
}

/// Where the frame behind `count` others begins in a row, in bytes; behind the last event that is the mark of the end,
/// or the end of the row.
fn start_of(tree: &sled::Tree, response: &[u8], first: u64, count: u64) -> Result<usize, StoreError> {
    if count == 0 {
        return Ok(0);
    }
    let (mut left, mut found, mut before) = (count, None, 0);
    // The last bytes of what came before: an end may lie across two pieces.
    let mut window = Vec::new();
    for pair in tree.range(keys::row(response, first, 0)..=keys::row(response, first, u16::MAX)) {
        if found.is_some() {
            break;
        }
        let (_, piece) = pair.map_err(failed)?;
        let kept = usize::from(window.ends_with(b"\n") && !window.ends_with(b"\n\n"));
        let text = [&window[window.len() - kept..], &piece[..]].concat();
        for at in memmem::find_iter(&text, b"\n\n") {
            left -= 1;
            if left == 0 {
                found = Some(before + at + 2 - kept);
                break;
            }
        }
        before += piece.len();
        let from = (window.len() + piece.len()).saturating_sub(DONE.len());
        window = [window, piece.to_vec()].concat().split_off(from);
        // An end in the middle of the row is not the mark's.
        if let Some(at) = found
            && at < before
        {
            return Ok(at);
        }
    }
    let end = if window.ends_with(DONE.as_bytes()) { before - DONE.len() } else { before };
    Ok(found.unwrap_or(end).min(end))
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
