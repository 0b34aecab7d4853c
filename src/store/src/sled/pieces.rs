//! Values of bounded length, and how sled's errors are told.

use crate::StoreError;

/// Longest value of one key. sled keeps up to some 30 keys in a page and writes a page over 128 KiB to a file
/// of its own, which it never syncs; pieces of this length keep pages below that.
pub(super) const PIECE: usize = 3800;

/// Longest record or row that has few enough pieces.
pub(super) const LONGEST: usize = PIECE * u16::MAX as usize;

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: sled::Error) -> StoreError {
    StoreError::Io(error.to_string())
}
