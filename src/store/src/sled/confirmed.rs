//! The number of the last confirmed batch, in a file beside the database.
//!
//! sled takes damage in its log for an unfinished write: it cuts the log there and opens as if nothing had
//! happened. The database counts its batches too, so a lower count there shows that something is missing.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::open::private::open_file;
use crate::StoreOpenError;

const NAME: &str = "confirmed";

/// The open file, and what it said.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    /// As found; 0 if there was none.
    pub(super) last: u64,
}

impl Mark {
    /// Opens the file in a store's folder, or makes it.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreOpenError> {
        let path = folder.join(NAME);
        let open = || {
            let mut file = open_file(&path)?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok((file, text))
        };
        let (file, text) = open().map_err(|e| StoreOpenError::io("open", &path, e))?;
        let last = String::from_utf8_lossy(&text).trim().parse().unwrap_or(0);
        Ok(Self { file, last })
    }

    /// Not synced: after a crash of the process it is there all the same, and after a loss of power a lower
    /// number is no harm.
    pub(super) fn write(&self, number: u64) -> io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        // Always of the same length, so that nothing is left of an earlier one.
        file.write_all(format!("{number:020}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Mark::open(folder.path()).unwrap();
        assert_eq!(mark.last, 0);
        mark.write(u64::MAX).unwrap();
        mark.write(7).unwrap();
        assert_eq!(Mark::open(folder.path()).unwrap().last, 7);
        std::fs::write(folder.path().join(NAME), [0xff, 0]).unwrap();
        assert_eq!(Mark::open(folder.path()).unwrap().last, 0, "damage here is no reason not to start");
    }
}
