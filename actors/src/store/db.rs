//! Plain synchronous sled code: open, write a batch, read, remove, expire.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use or_protocol::ResponseId;

use super::log::{self, Frames, LogPart};
use super::mark::Mark;
use super::{StoreError, StoreOpenError, keys};

/// The database's folder inside the store's folder. The outer one may be a mount point, which cannot be
/// renamed; this one can be moved aside.
const FOLDER: &str = "responses";

/// Longest value of one key. sled keeps up to some 30 keys in a page and writes a page over 128 KiB to a file
/// of its own, which it never syncs; pieces of this length keep pages below that.
pub(super) const PIECE: usize = 3800;

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
    /// sled's only file that grows, as no value is long enough for one of its own.
    file: Arc<File>,
    mark: Arc<Mark>,
    batches: Arc<AtomicU64>,
    /// Held while a batch goes into memory. A read of more than one key would otherwise see a half of it: sled's
    /// batches are atomic for a single key and on disk.
    applying: Arc<RwLock<()>>,
    power_loss_safe: bool,
}

/// What to write of one response: all of it or nothing.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) id: ResponseId,
    /// Takes the place of an earlier record.
    pub(super) record: Option<RecordBytes>,
    /// A further row of its event log.
    pub(super) frames: Option<Frames>,
}

/// An encoded record.
#[derive(Debug)]
pub(super) struct RecordBytes {
    pub(super) bytes: Vec<u8>,
    pub(super) state: RecordState,
}

/// What a record says of its response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RecordState {
    /// It has begun; not written if anything is known of it already.
    Begun,
    /// It is not over.
    Open,
    /// It is over.
    Over,
}

impl Write {
    /// Roughly what it takes on disk.
    pub(super) fn len(&self) -> usize {
        self.record.as_ref().map_or(0, |r| r.bytes.len()) + self.frames.as_ref().map_or(0, |f| f.bytes.len())
    }

    pub(super) fn is_begun(&self) -> bool {
        matches!(&self.record, Some(RecordBytes { state: RecordState::Begun, .. }))
    }
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
        if options.power_loss_safe {
            sync_names(path, &folder)?;
        }
        let file = folder.join("db");
        let file = File::open(&file).map_err(|e| StoreOpenError::io("open", &file, e))?;
        let mark = Mark::open(path)?;
        let batches = match sled.get(keys::BATCHES) {
            Ok(Some(number)) => number.as_ref().try_into().map_or(0, u64::from_be_bytes),
            Ok(None) => 0,
            Err(e) => {
                return Err(StoreOpenError::Corrupt { path: folder, reason: e.to_string() });
            }
        };
        let db = Self {
            sled,
            file: Arc::new(file),
            mark: Arc::new(mark),
            batches: Arc::new(AtomicU64::new(batches)),
            applying: Arc::default(),
            power_loss_safe: options.power_loss_safe,
        };
        if db.lost() > 0 {
            tracing::error!(
                store = %folder.display(), batches = db.lost(),
                "THE END OF THE STORE IS MISSING: confirmed responses are lost (power failure or damaged disk)",
            );
        }
        Ok(db)
    }

    /// How many batches were confirmed and are not in the database, at the time it was opened.
    fn lost(&self) -> u64 {
        self.mark.last.saturating_sub(self.batches.load(Ordering::Relaxed))
    }

    /// Writes everything or nothing, and returns when it is durable.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut any = false;
        for Write { id, record, frames } in writes {
            let key = keys::response(id);
            if let Some(record) = record {
                if record.state == RecordState::Begun && self.sled.contains_key(&key).map_err(failed)? {
                    continue;
                }
                self.put_record(&mut batch, id, &key, record)?;
            }
            if let Some(frames) = frames {
                log::put(&mut batch, &key, frames)?;
            }
            any = true;
        }
        if any { self.apply(batch) } else { Ok(()) }
    }

    fn put_record(
        &self,
        batch: &mut sled::Batch,
        id: &ResponseId,
        key: &[u8],
        record: &RecordBytes,
    ) -> Result<(), StoreError> {
        let (first, rest) = record.bytes.split_at(record.bytes.len().min(PIECE));
        let rest = rest.chunks(PIECE);
        let further = u16::try_from(rest.len()).map_err(|_| {
            StoreError::Io(format!("the record of {id} is too long: {} bytes", record.bytes.len()))
        })?;
        for (piece, number) in rest.zip(1..) {
            batch.insert(keys::piece(key, number), piece);
        }
        batch.insert(key, [&further.to_be_bytes(), first].concat());
        let open = keys::open(id);
        match record.state {
            RecordState::Begun | RecordState::Open => batch.insert(open, &[]),
            // sled writes the removal of a key that is not there, too.
            RecordState::Over if self.sled.contains_key(&open).map_err(failed)? => batch.remove(open),
            RecordState::Over => {}
        }
        Ok(())
    }

    /// The responses that are not over, oldest first.
    pub(super) fn open_responses(&self) -> Result<Vec<ResponseId>, StoreError> {
        let keys = self.sled.scan_prefix(keys::all_open()).keys();
        keys.filter_map(|key| key.map(|key| keys::response_of(&key)).map_err(failed).transpose()).collect()
    }

    /// A part of a response's event log, see [`log::read`].
    pub(super) fn read_log(&self, id: &ResponseId, from: u64) -> Result<LogPart, StoreError> {
        let _whole = self.applying.read().unwrap_or_else(PoisonError::into_inner);
        log::read(&self.sled, &keys::response(id), from)
    }

    /// Removes these responses with all that belongs to them, all or none, and returns when that is durable. Says of each
    /// whether it was there; one that is named twice was there once.
    pub(super) fn remove(&self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
        let mut batch = sled::Batch::default();
        let mut found = Vec::with_capacity(ids.len());
        for (n, id) in ids.iter().enumerate() {
            let key = keys::response(id);
            let there = !ids[..n].contains(id) && self.sled.contains_key(&key).map_err(failed)?;
            if there {
                for key in self.sled.scan_prefix(&key).keys() {
                    batch.remove(key.map_err(failed)?);
                }
                batch.remove(keys::open(id));
            }
            found.push(there);
        }
        if found.contains(&true) {
            self.apply(batch)?;
        }
        Ok(found)
    }

    /// The bytes of a record.
    pub(super) fn read(&self, id: &ResponseId) -> Result<Option<Vec<u8>>, StoreError> {
        let _whole = self.applying.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys::response(id);
        let Some(head) = self.sled.get(&key).map_err(failed)? else { return Ok(None) };
        let damaged = || StoreError::Damaged(id.to_string());
        let (further, first) = head.split_first_chunk().ok_or_else(damaged)?;
        let further = u16::from_be_bytes(*further);
        let mut bytes = Vec::with_capacity(first.len() + usize::from(further) * PIECE);
        bytes.extend_from_slice(first);
        for number in 1..=further {
            match self.sled.get(keys::piece(&key, number)).map_err(failed)? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Err(damaged()),
            }
        }
        Ok(Some(bytes))
    }

    /// Removes up to `limit` keys of the oldest responses, created before `cutoff_ms` (Unix milliseconds),
    /// and tells how many.
    pub(super) fn expire(&self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let mut batch = sled::Batch::default();
        let mut count = 0;
        let ranges = keys::created_before(cutoff_ms).into_iter().map(|range| self.sled.range(range).keys());
        for key in ranges.flatten().take(limit) {
            batch.remove(key.map_err(failed)?);
            count += 1;
        }
        if count > 0 {
            self.apply(batch)?;
        }
        Ok(count)
    }

    fn apply(&self, mut batch: sled::Batch) -> Result<(), StoreError> {
        let number = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        batch.insert(keys::BATCHES, &number.to_be_bytes());
        {
            let _whole = self.applying.write().unwrap_or_else(PoisonError::into_inner);
            self.sled.apply_batch(batch).map_err(failed)?;
        }
        self.sled.flush().map_err(failed)?;
        let io = |e: io::Error| StoreError::Io(e.to_string());
        if self.power_loss_safe {
            self.file.sync_data().map_err(io)?;
        }
        self.mark.write(number).map_err(io)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: sled::Error) -> StoreError {
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
    match open_sled(folder, options) {
        // The lock was ours to get this far, so no other process is writing them.
        Err(StoreOpenError::Corrupt { .. }) if remove_unfinished(folder)? => open_sled(folder, options),
        other => other,
    }
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

#[cfg(test)]
#[path = "db_tests.rs"]
mod tests;
