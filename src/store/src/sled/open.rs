//! Opens sled in a store's folder: locks, damage, and what to do about them.

pub(super) mod private;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::keys;
use crate::StoreOpenError;

/// The database's folder inside the store's folder. The outer one may be a mount point, which cannot be
/// renamed; this one can be moved aside.
pub(super) const FOLDER: &str = "responses";

/// How long to wait for the lock of a process that is about to end, or of a handle that was just dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// What to do at start with a corrupt store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCorruption {
    /// Move the folder aside and start with an empty one.
    Quarantine,
    /// Give up and leave everything as it is.
    Fail,
}

/// How to open a database.
#[derive(Clone, Copy, Debug)]
pub(super) struct DbOptions {
    pub(super) on_corruption: OnCorruption,
    /// Whether a write also waits for the disk's own cache.
    pub(super) power_loss_safe: bool,
    /// Bytes of pages kept in memory.
    pub(super) cache_capacity: u64,
}

/// sled, open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sled: sled::Db,
    /// sled's only file that grows, as no value is long enough for one of its own.
    pub(super) file: File,
    /// How many batches it has, as found.
    pub(super) batches: u64,
}

impl Open {
    /// Opens the database in `path`, which is made if it is missing.
    ///
    /// Only damage moves its folder aside; everything else is an error and leaves the disk as it is.
    pub(super) fn new(path: &Path, options: &DbOptions) -> Result<Self, StoreOpenError> {
        private::make_folder(path).map_err(|e| StoreOpenError::io("create the store folder", path, e))?;
        let folder = path.join(FOLDER);
        let sled = match open_patiently(&folder, options) {
            Err(StoreOpenError::Corrupt { path, reason })
                if options.on_corruption == OnCorruption::Quarantine =>
            {
                let aside = move_aside(&path)?;
                tracing::error!(
                    store = %path.display(), moved_to = %aside.display(), %reason,
                    "THE STORE IS CORRUPT: it was moved aside and an empty one begun; earlier responses are gone until it is restored",
                );
                open_patiently(&folder, options)?
            }
            other => other?,
        };
        private::warn_of_readers(path, &folder);
        if options.power_loss_safe {
            sync_names(path, &folder)?;
        }
        let file = folder.join("db");
        let file = File::open(&file).map_err(|e| StoreOpenError::io("open", &file, e))?;
        let batches = match sled.get(keys::BATCHES) {
            Ok(Some(number)) => number.as_ref().try_into().map_or(0, u64::from_be_bytes),
            Ok(None) => 0,
            Err(e) => {
                return Err(StoreOpenError::Corrupt { path: folder, reason: e.to_string() });
            }
        };
        Ok(Self { sled, file, batches })
    }
}

fn open_patiently(folder: &Path, options: &DbOptions) -> Result<sled::Db, StoreOpenError> {
    let begin = Instant::now();
    loop {
        match open_once(folder, options) {
            Err(StoreOpenError::Locked { .. }) if begin.elapsed() < LOCK_PATIENCE => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

fn open_once(folder: &Path, options: &DbOptions) -> Result<sled::Db, StoreOpenError> {
    let is_new = !folder.exists();
    let failed = |e| StoreOpenError::io("open the store", folder, e);
    private::make_folder(folder).and_then(|()| private::refuse_links(folder)).map_err(failed)?;
    let opened = match open_sled(folder, options) {
        // The lock was ours to get this far, so no other process is writing them.
        Err(StoreOpenError::Corrupt { .. }) if remove_unfinished(folder)? => open_sled(folder, options),
        other => other,
    };
    if is_new && opened.is_ok() {
        private::close_files(folder).map_err(failed)?;
    }
    opened
}

/// Removes snapshots that sled began and did not finish, because of a kill or a full disk: it takes them for
/// finished ones and calls the store corrupt, though it needs none to read its log. Tells whether there were any.
fn remove_unfinished(folder: &Path) -> Result<bool, StoreOpenError> {
    let mut any = false;
    let failed = |e| StoreOpenError::io("look through", folder, e);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            fs::remove_file(&path).map_err(|e| StoreOpenError::io("remove", &path, e))?;
            any = true;
        }
    }
    Ok(any)
}

fn open_sled(folder: &Path, options: &DbOptions) -> Result<sled::Db, StoreOpenError> {
    // sled has assertions where it should have errors.
    let opened = std::panic::catch_unwind(|| {
        sled::Config::new().path(folder).cache_capacity(options.cache_capacity).open()
    });
    let path = folder.to_owned();
    match opened {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(e))) if is_lock(&e) => Err(StoreOpenError::Locked { path }),
        Ok(Err(sled::Error::Io(e))) => Err(StoreOpenError::io("open the store", folder, e)),
        Ok(Err(e @ sled::Error::Corruption { .. })) => {
            Err(StoreOpenError::Corrupt { path, reason: e.to_string() })
        }
        Ok(Err(e)) => Err(StoreOpenError::Unsupported { path, reason: e.to_string() }),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied().unwrap_or("a panic");
            Err(StoreOpenError::Corrupt { path, reason: format!("sled stopped over it: {text}") })
        }
    }
}

/// Makes the files' names durable; sled syncs the contents only.
fn sync_names(path: &Path, folder: &Path) -> Result<(), StoreOpenError> {
    let conf = folder.join("conf");
    for path in [&conf, folder, path] {
        if path.is_file() || cfg!(unix) {
            File::open(path)
                .and_then(|file| file.sync_all())
                .map_err(|e| StoreOpenError::io("sync", path, e))?;
        }
    }
    Ok(())
}

/// sled has no kind of its own for this.
fn is_lock(error: &io::Error) -> bool {
    let text = error.to_string();
    text.starts_with("could not acquire lock") && text.contains("WouldBlock")
}

/// Renames the folder; its new name has the time in it.
fn move_aside(folder: &Path) -> Result<PathBuf, StoreOpenError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut aside = folder.as_os_str().to_owned();
    aside.push(format!(".corrupt-{now}"));
    while Path::new(&aside).exists() {
        aside.push("-");
    }
    fs::rename(folder, &aside).map_err(|e| StoreOpenError::io("move aside the corrupt store", folder, e))?;
    Ok(aside.into())
}
