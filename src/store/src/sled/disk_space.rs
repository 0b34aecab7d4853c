//! Whether the disk has room for more.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::open::FOLDER;
use crate::StoreError;

/// Bytes that are left free on the disk. A full disk stops sled until it is opened anew, for which it needs room
/// itself; with some left, reads, deletions, retention and a restart go on while commits are refused.
const RESERVE: u64 = 32 << 20;
/// On a small disk the reserve is this share of it.
const SHARE: u64 = 8;
/// What a trial of the disk writes: more than sled takes at once.
const TRIAL: usize = 1 << 20;

/// Refuses to go on when the disk of the store's folder is about to be full.
pub(super) fn check_room(path: &Path) -> Result<(), StoreError> {
    // Where this cannot be told the disk itself will say no.
    let Ok(disk) = rustix::fs::statvfs(path) else { return Ok(()) };
    let reserve = RESERVE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / SHARE);
    if disk.f_bavail.saturating_mul(disk.f_frsize) < reserve {
        return Err(StoreError::NoRoom);
    }
    Ok(())
}

/// What one of several owners may have: a quarter of the disk. Bytes are counted as they are sent and answered, and
/// take about twice as much on disk, so that half of it stays for the others.
pub(super) fn share(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_blocks.saturating_mul(disk.f_frsize) / 4)
}

/// Writes something in the database's folder, to a file without a name, so that nothing of it stays.
pub(super) fn check_writing(path: &Path) -> Result<(), StoreError> {
    let name = path.join(FOLDER).join("trial");
    let trial = || -> io::Result<()> {
        // What was left of an earlier one, or was put there.
        let _ = fs::remove_file(&name);
        let mut file = File::create_new(&name)?;
        fs::remove_file(&name)?;
        file.write_all(&vec![1; TRIAL])?;
        file.sync_all()
    };
    trial().map_err(|e| StoreError::Io(e.to_string()))
}
