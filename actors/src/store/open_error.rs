//! Why the store did not open.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store did not open. Nothing was changed on disk, unless the text says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// Another process, or this one, has it open.
    #[error("the store {} is in use by another process", path.display())]
    Locked {
        /// The database folder.
        path: PathBuf,
    },
    /// Permissions, a full disk, a file where the folder should be, …
    #[error("cannot {doing} {}", path.display())]
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

impl StoreOpenError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}
