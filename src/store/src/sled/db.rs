//! Plain synchronous sled code: write a batch, read, remove, expire; and opening anew after an error.

mod owners;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::time::Duration;

use bytes::Bytes;
use or_protocol::ResponseId;

pub(super) use owners::Adopted;

use super::confirmed::Mark;
use super::disk_space::{check_room, check_writing};
use super::open::{DbOptions, FOLDER, OnCorruption, Open};
use super::pieces::{PIECE, failed};
use super::{keys, rows};
use crate::{Append, Frames, LogPart, LogPlace, StoreError, StoreOpenError};

/// How long a database that failed may take to close.
const CLOSING: Duration = Duration::from_secs(10);

/// A database. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Db(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    options: DbOptions,
    /// Written only to open it anew; none if that failed.
    open: RwLock<Option<Arc<Open>>>,
    mark: Mark,
    /// Number of the last batch.
    batches: AtomicU64,
    /// Number of the last one that was confirmed.
    confirmed: AtomicU64,
    /// Held while a batch goes into memory. A read of more than one key would otherwise see a half of it: sled's
    /// batches are atomic for a single key and on disk.
    applying: RwLock<()>,
}

/// What to write of one response: all of it or nothing.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) id: ResponseId,
    /// Takes the place of an earlier record.
    pub(super) record: Option<RecordBytes>,
    /// What is added to it.
    pub(super) appends: Vec<Append>,
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
        let added = self.appends.iter().map(|Append::Frames(frames)| frames.bytes.len());
        self.record.as_ref().map_or(0, |r| r.bytes.len()) + added.sum::<usize>()
    }

    pub(super) fn is_begun(&self) -> bool {
        matches!(&self.record, Some(RecordBytes { state: RecordState::Begun, .. }))
    }
}

impl Db {
    /// Opens the database in `path`, see [`Open::new`].
    pub(super) fn open(path: &Path, options: &DbOptions) -> Result<Self, StoreOpenError> {
        let open = Open::new(path, options)?;
        let mark = Mark::open(path)?;
        let confirmed = AtomicU64::new(mark.last);
        let batches = AtomicU64::new(open.batches);
        let (path, options, open) = (path.to_owned(), *options, RwLock::new(Some(Arc::new(open))));
        let db = Self(Arc::new(Shared {
            path,
            options,
            open,
            mark,
            batches,
            confirmed,
            applying: RwLock::default(),
        }));
        db.complain_of_loss();
        Ok(db)
    }

    /// How many batches were confirmed and were not in the database when it was opened.
    fn lost(&self) -> u64 {
        self.0.confirmed.load(Ordering::Relaxed).saturating_sub(self.0.batches.load(Ordering::Relaxed))
    }

    fn complain_of_loss(&self) {
        if self.lost() > 0 {
            tracing::error!(
                store = %self.0.path.join(FOLDER).display(), batches = self.lost(),
                "THE END OF THE STORE IS MISSING: confirmed responses are lost (power failure or damaged disk)",
            );
        }
    }

    /// Whether writing works again. If it does not, and the disk has nothing against it, sled has stopped over an
    /// earlier error: it is closed and opened anew. Reads wait meanwhile; until then they go on as well as sled can.
    ///
    /// A database that is damaged is left as it is, since moving it aside is for a start to do.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let write = || {
            let work = || self.opened().and_then(|open| self.apply(&open, sled::Batch::default()));
            catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StoreError::Panicked))
        };
        if write().is_err() {
            check_writing(&self.0.path)?;
            self.reopen()?;
            self.complain_of_loss();
            write()?;
        }
        self.has_room()
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut open = self.0.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = open.take() {
            let (closed, closing) = mpsc::channel();
            // On a thread of its own, as sled can wait for itself for ever.
            std::thread::spawn(move || {
                while Arc::strong_count(&old) > 1 {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                drop(old);
                let _ = closed.send(());
            });
            if closing.recv_timeout(CLOSING).is_err() {
                return Err(StoreError::Io("the database does not close".into()));
            }
        }
        let options = DbOptions { on_corruption: OnCorruption::Fail, ..self.0.options };
        let new = Open::new(&self.0.path, &options).map_err(|e| StoreError::Io(e.with_cause()))?;
        self.0.batches.store(new.batches, Ordering::Relaxed);
        *open = Some(Arc::new(new));
        Ok(())
    }

    pub(super) fn opened(&self) -> Result<Arc<Open>, StoreError> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| StoreError::Io("the database is closed after an error".into()))
    }

    /// Whether the disk has room for more.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        check_room(&self.0.path)
    }

    /// Writes everything or nothing, and returns when it is durable.
    pub(super) fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        if put(&open.sled, &mut batch, writes)? { self.apply(&open, batch) } else { Ok(()) }
    }

    /// The same, in place of all that these responses had.
    pub(super) fn replace(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        for write in writes {
            remove(&open.sled, &mut batch, &write.id)?;
        }
        // A batch keeps the last word about each key.
        put(&open.sled, &mut batch, writes)?;
        self.apply(&open, batch)
    }

    /// The responses that are not over, oldest first.
    pub(super) fn open_responses(&self) -> Result<Vec<ResponseId>, StoreError> {
        let keys = self.opened()?.sled.scan_prefix(keys::all_open()).keys();
        keys.filter_map(|key| key.map(|key| keys::response_of(&key)).map_err(failed).transpose()).collect()
    }

    /// Keeps batches away while several keys are read.
    fn whole(&self) -> RwLockReadGuard<'_, ()> {
        self.0.applying.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of a response's event log, see [`rows::read`].
    pub(super) fn read_log(&self, id: &ResponseId, from: u64) -> Result<LogPart, StoreError> {
        let _whole = self.whole();
        rows::read(&self.opened()?.sled, &keys::response(id), from)
    }

    /// A piece of a response's event log, see [`rows::read_piece`].
    pub(super) fn read_log_piece(
        &self,
        id: &ResponseId,
        place: LogPlace,
        until: u64,
    ) -> Result<Bytes, StoreError> {
        let _whole = self.whole();
        rows::read_piece(&self.opened()?.sled, &keys::response(id), place, until)
    }

    /// All rows of a response's event log.
    pub(super) fn rows(&self, id: &ResponseId) -> Result<Vec<Frames>, StoreError> {
        let _whole = self.whole();
        rows::rows(&self.opened()?.sled, &keys::response(id))
    }

    /// Removes these responses with all that belongs to them, all or none, and returns when that is durable. Says of each
    /// whether it was there; one that is named twice was there once.
    pub(super) fn remove(&self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        let mut found = Vec::with_capacity(ids.len());
        for (n, id) in ids.iter().enumerate() {
            let key = keys::response(id);
            let there = !ids[..n].contains(id) && open.sled.contains_key(&key).map_err(failed)?;
            if there {
                remove(&open.sled, &mut batch, id)?;
            }
            found.push(there);
        }
        if found.contains(&true) {
            self.apply(&open, batch)?;
        }
        Ok(found)
    }

    /// The bytes of a record.
    pub(super) fn read(&self, id: &ResponseId) -> Result<Option<Vec<u8>>, StoreError> {
        let sled = &self.opened()?.sled;
        let _whole = self.whole();
        let key = keys::response(id);
        let Some(head) = sled.get(&key).map_err(failed)? else { return Ok(None) };
        let damaged = || StoreError::Damaged(id.to_string());
        let (further, first) = head.split_first_chunk().ok_or_else(damaged)?;
        let further = u16::from_be_bytes(*further);
        let mut bytes = Vec::with_capacity(first.len() + usize::from(further) * PIECE);
        bytes.extend_from_slice(first);
        for number in 1..=further {
            match sled.get(keys::piece(&key, number)).map_err(failed)? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Err(damaged()),
            }
        }
        Ok(Some(bytes))
    }

    /// Removes up to `limit` keys of the oldest responses, created before `cutoff_ms` (Unix milliseconds). Tells
    /// how many, and the responses whose records were among them.
    pub(super) fn expire(
        &self,
        cutoff_ms: u64,
        limit: usize,
    ) -> Result<(usize, Vec<ResponseId>), StoreError> {
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        let (mut count, mut ids) = (0, Vec::new());
        let ranges = keys::created_before(cutoff_ms).into_iter().map(|range| open.sled.range(range).keys());
        for key in ranges.flatten().take(limit) {
            let key = key.map_err(failed)?;
            ids.extend(keys::response_of(&key));
            batch.remove(key);
            count += 1;
        }
        if count > 0 {
            self.apply(&open, batch)?;
        }
        Ok((count, ids))
    }

    pub(super) fn apply(&self, open: &Open, mut batch: sled::Batch) -> Result<(), StoreError> {
        let number = self.0.batches.fetch_add(1, Ordering::Relaxed) + 1;
        batch.insert(keys::BATCHES, &number.to_be_bytes());
        {
            let _whole = self.0.applying.write().unwrap_or_else(PoisonError::into_inner);
            open.sled.apply_batch(batch).map_err(failed)?;
        }
        open.sled.flush().map_err(failed)?;
        let io = |e: io::Error| StoreError::Io(e.to_string());
        if self.0.options.power_loss_safe {
            open.file.sync_data().map_err(io)?;
        }
        self.0.confirmed.store(number, Ordering::Relaxed);
        self.0.mark.write(number).map_err(io)
    }
}

/// Adds what is to be written to a batch; `false` if that is nothing.
fn put(sled: &sled::Tree, batch: &mut sled::Batch, writes: &[Write]) -> Result<bool, StoreError> {
    let mut any = false;
    for Write { id, record, appends } in writes {
        let key = keys::response(id);
        if let Some(record) = record {
            if record.state == RecordState::Begun && sled.contains_key(&key).map_err(failed)? {
                continue;
            }
            put_record(sled, batch, id, &key, record)?;
        }
        for Append::Frames(frames) in appends {
            rows::put(batch, &key, frames)?;
        }
        any = true;
    }
    Ok(any)
}

/// Adds the removal of all that a response has to a batch.
fn remove(sled: &sled::Tree, batch: &mut sled::Batch, id: &ResponseId) -> Result<(), StoreError> {
    for key in sled.scan_prefix(keys::response(id)).keys() {
        batch.remove(key.map_err(failed)?);
    }
    batch.remove(keys::open(id));
    Ok(())
}

fn put_record(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    id: &ResponseId,
    key: &[u8],
    record: &RecordBytes,
) -> Result<(), StoreError> {
    let (first, rest) = record.bytes.split_at(record.bytes.len().min(PIECE));
    let rest = rest.chunks(PIECE);
    let further = u16::try_from(rest.len()).map_err(|_| StoreError::TooLong(record.bytes.len()))?;
    for (piece, number) in rest.zip(1..) {
        batch.insert(keys::piece(key, number), piece);
    }
    batch.insert(key, [&further.to_be_bytes(), first].concat());
    let mark = keys::open(id);
    match record.state {
        RecordState::Begun | RecordState::Open => batch.insert(mark, &[]),
        // sled writes the removal of a key that is not there, too.
        RecordState::Over if sled.contains_key(&mark).map_err(failed)? => batch.remove(mark),
        RecordState::Over => {}
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests/db.rs"]
mod tests;
