//! Plain synchronous sled code: open, write a batch, read, expire.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use or_protocol::ResponseId;

use super::{StoreError, StoreOpenError, keys};

/// The database's folder inside the store's folder. The outer one may be a mount point, which cannot be
/// renamed; this one can be moved aside.
const FOLDER: &str = "responses";

/// How long to wait for the lock of a process that is about to end, or of a handle that was just dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// What to do at start with a corrupt store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnCorruption {
    /// Move the folder aside and start with an empty one.
    Quarantine,
    /// Give up and leave everything as it is.
    Fail,
}

/// How to open a [`Db`].
#[derive(Clone, Copy, Debug)]
pub(super) struct DbOptions {
    pub(super) on_corruption: OnCorruption,
    /// Whether a write also waits for the disk's own cache.
    pub(super) power_loss_safe: bool,
    /// Bytes of pages kept in memory.
    pub(super) cache_capacity: u64,
}

/// An open database. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Db {
    sled: sled::Db,
    /// The folder, if writes must survive a loss of power.
    sync: Option<PathBuf>,
}

/// One record to write.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) id: ResponseId,
    pub(super) bytes: Vec<u8>,
}

impl Db {
    /// Opens the database in `path`, which is made if it is missing.
    ///
    /// Only damage moves its folder aside; everything else is an error and leaves the disk as it is.
    pub(super) fn open(path: &Path, options: &DbOptions) -> Result<Self, StoreOpenError> {
        fs::create_dir_all(path).map_err(|e| StoreOpenError::io("create the store folder", path, e))?;
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
        Ok(Self { sled, sync: options.power_loss_safe.then_some(folder) })
    }

    /// Writes all records or none, and returns when they are durable.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for Write { id, bytes } in writes {
            batch.insert(keys::response(id), bytes.as_slice());
        }
        self.apply(batch)
    }

    /// The bytes of a record.
    pub(super) fn read(&self, id: &ResponseId) -> Result<Option<sled::IVec>, StoreError> {
        self.sled.get(keys::response(id)).map_err(failed)
    }

    /// Removes up to `limit` of the oldest responses that were created before `cutoff_ms` (Unix
    /// milliseconds) and tells how many.
    pub(super) fn expire(&self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let mut batch = sled::Batch::default();
        let mut count = 0;
        for key in self.sled.range(keys::responses_before(cutoff_ms)).keys().take(limit) {
            batch.remove(key.map_err(failed)?);
            count += 1;
        }
        if count > 0 {
            self.apply(batch)?;
        }
        Ok(count)
    }

    fn apply(&self, batch: sled::Batch) -> Result<(), StoreError> {
        self.sled.apply_batch(batch).map_err(failed)?;
        self.sled.flush().map_err(failed)?;
        match &self.sync {
            Some(folder) => File::open(folder.join("db"))
                .and_then(|file| file.sync_data())
                .map_err(|e| StoreError::Io(e.to_string())),
            None => Ok(()),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: sled::Error) -> StoreError {
    StoreError::Io(error.to_string())
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
        Err(_) => Err(StoreOpenError::Corrupt { path, reason: "sled panicked over it".into() }),
    }
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
