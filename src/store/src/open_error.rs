//! Why the store did not open.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store did not open. Nothing was changed on disk, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// Another process, or this one, has it open.
    #[error(
        "the store {} is in use by another process; stop that one, or use another folder",
        path.display()
    )]
    Locked {
        /// The database folder.
        path: PathBuf,
    },
    /// Permissions, a full disk, a file where the folder should be, …
    #[error("cannot {doing} {}{}", path.display(), advice(source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Corrupt, and `on_corruption` says to leave it where it is.
    #[error(
        "the store {} is corrupt ({reason}); restore a backup, move the folder away, or set `on_corruption` to \
         \"quarantine\"",
        path.display()
    )]
    Corrupt {
        /// The database folder.
        path: PathBuf,
        /// In the database's words.
        reason: String,
    },
    /// Made by another version of the database, or a bug in it.
    #[error("the store {} cannot be opened by this version ({reason})", path.display())]
    Unsupported {
        /// The database folder.
        path: PathBuf,
        /// In the database's words.
        reason: String,
    },
}

/// What to do about it, where that is known.
fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (the disk is full: make room and start again; nothing was deleted)"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            " (the disk is read-only: make it writable, or use another folder with `--data`)"
        }
        io::ErrorKind::PermissionDenied => {
            " (give this user the right to read and write there, or use another folder with `--data`)"
        }
        _ => "",
    }
}

impl StoreOpenError {
    /// Its text with the system's words.
    pub(super) fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}
