//! Plain synchronous sled code: write a batch, read, remove, expire; and opening anew after an error.

mod batch;
mod client_keys;
mod cutter;
pub(super) mod outbox;
pub(super) mod owners;
pub(super) mod write;

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use or_protocol::ResponseId;

use batch::{forget_key, put, remove};
use outbox::Waiting;
use write::Write;

use super::books::{Books, Ledger};
use super::confirmed::Mark;
use super::disk_space::{check_room, check_writing};
use super::open::{DbOptions, FOLDER, OnCorruption, Open};
use super::pieces::{PIECE, failed};
use super::{keys, rows};
use crate::{Frames, KeyUse, LogPart, LogPlace, StoreError, StoreOpenError, StoredResponse, Usage};

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
    /// What each owner has.
    books: Books,
    /// How many events wait to be told.
    waiting: Waiting,
}

impl Db {
    /// Opens the database in `path`, see [`Open::new`].
    pub(super) fn open(path: &Path, options: &DbOptions) -> Result<Self, StoreOpenError> {
        let open = Open::new(path, options)?;
        let mark = Mark::open(path)?;
        let confirmed = AtomicU64::new(mark.last);
        let batches = AtomicU64::new(open.batches);
        let books = Books::default();
        let counted = books.read(&open.sled);
        counted.map_err(|e| StoreOpenError::io("count what is in", path, io::Error::other(e)))?;
        let (path, options, open) = (path.to_owned(), *options, RwLock::new(Some(Arc::new(open))));
        let db = Self(Arc::new(Shared {
            path,
            options,
            open,
            mark,
            batches,
            confirmed,
            applying: RwLock::default(),
            books,
            waiting: Waiting::default(),
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
        // Nobody knows whether the batch that failed is in it.
        self.0.books.read(&new.sled)?;
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
    pub(super) fn write_all(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
        let any = put(&open.sled, &mut batch, &mut ledger, &writes)?;
        let moved = outbox::put(&open.sled, &mut batch, writes.iter().flat_map(|write| &write.outbox))?;
        // They are in the batch, and sled has copies of its own while it writes.
        drop(writes);
        if any {
            self.apply_entered(&open, batch, ledger)?;
        }
        self.0.waiting.enter(moved);
        Ok(())
    }

    /// The same, in place of all that these responses had.
    pub(super) fn replace(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
        for write in writes {
            remove(&open.sled, &mut batch, &mut ledger, &write.id)?;
        }
        // A batch keeps the last word about each key.
        put(&open.sled, &mut batch, &mut ledger, writes)?;
        self.apply_entered(&open, batch, ledger)
    }

    /// Counts anew what all owners have.
    fn recount(&self) -> Result<(), StoreError> {
        self.0.books.recount(&self.opened()?.sled)
    }

    /// What an owner has.
    pub(super) fn usage(&self, owner: &str) -> Usage {
        self.0.books.usage(owner)
    }

    pub(super) fn total(&self) -> Usage {
        self.0.books.total()
    }

    /// The responses that are not over, oldest first.
    pub(super) fn open_responses(&self) -> Result<Vec<ResponseId>, StoreError> {
        let keys = self.opened()?.sled.scan_prefix(keys::all_open()).keys();
        keys.filter_map(|key| key.map(|key| keys::response_of(&key)).map_err(failed).transpose()).collect()
    }

    /// Whether a response was made in this time, Unix milliseconds, and none later than now.
    pub(super) fn has_witness(&self, then: Range<u64>) -> Result<bool, StoreError> {
        let sled = &self.opened()?.sled;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let any = |range: Range<Vec<u8>>| sled.range(range).next().transpose().map_err(failed);
        Ok(any(keys::made_in(then))?.is_some() && any(keys::made_in(now..u64::MAX))?.is_none())
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

    /// The last use of an idempotency key.
    pub(super) fn key_use(&self, name: &[u8; 32]) -> Result<Option<KeyUse>, StoreError> {
        let last = self.opened()?.sled.get(keys::key_use(name)).map_err(failed)?;
        Ok(last.and_then(|last| KeyUse::decode(&last)))
    }

    /// Removes these responses with all that belongs to them, all or none, and returns when that is durable. Says of each
    /// whether it was there; one that is named twice was there once.
    pub(super) fn remove(&self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
        let open = self.opened()?;
        let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
        let mut found = Vec::with_capacity(ids.len());
        for (n, id) in ids.iter().enumerate() {
            let key = keys::response(id);
            let there = !ids[..n].contains(id) && open.sled.contains_key(&key).map_err(failed)?;
            if there {
                remove(&open.sled, &mut batch, &mut ledger, id)?;
            }
            found.push(there);
        }
        if found.contains(&true) {
            self.apply_entered(&open, batch, ledger)?;
        }
        Ok(found)
    }

    /// Removes what there is of a response that has no record.
    pub(super) fn remove_rest(&self, id: &ResponseId) -> Result<(), StoreError> {
        let open = self.opened()?;
        let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
        remove(&open.sled, &mut batch, &mut ledger, id)?;
        self.apply_entered(&open, batch, ledger)
    }

    /// Whether a response is there and this owner's. Takes the same time for every record.
    pub(super) fn is_of(&self, id: &ResponseId, owner: &str) -> Result<bool, StoreError> {
        let Some(head) = self.opened()?.sled.get(keys::response(id)).map_err(failed)? else {
            return Ok(false);
        };
        if let Some(name) = head.get(2..).and_then(StoredResponse::owner_of) {
            return Ok(name == owner);
        }
        // Its fields are in another order, as some program that made it for an import may have them.
        let bytes = self.read(id)?.ok_or_else(|| StoreError::Damaged(id.to_string()))?;
        StoredResponse::decode(id.as_str(), &bytes).map(|record| record.owner == owner)
    }

    /// The bytes of a record of this owner.
    pub(super) fn read_of(&self, id: &ResponseId, owner: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if self.is_of(id, owner)? { self.read(id) } else { Ok(None) }
    }

    /// The bytes of a record.
    pub(super) fn read(&self, id: &ResponseId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.beginning(id, u16::MAX)?.map(|(bytes, _)| bytes))
    }

    /// The first pieces of a record, at most so many behind the very first, and whether they are all.
    pub(super) fn beginning(
        &self,
        id: &ResponseId,
        pieces: u16,
    ) -> Result<Option<(Vec<u8>, bool)>, StoreError> {
        let sled = &self.opened()?.sled;
        let _whole = self.whole();
        let key = keys::response(id);
        let Some(head) = sled.get(&key).map_err(failed)? else { return Ok(None) };
        let damaged = || StoreError::Damaged(id.to_string());
        let (further, first) = head.split_first_chunk().ok_or_else(damaged)?;
        let further = u16::from_be_bytes(*further);
        let wanted = further.min(pieces);
        let mut bytes = Vec::with_capacity(first.len() + usize::from(wanted) * PIECE);
        bytes.extend_from_slice(first);
        for number in 1..=wanted {
            match sled.get(keys::piece(&key, number)).map_err(failed)? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Err(damaged()),
            }
        }
        Ok(Some((bytes, wanted == further)))
    }

    /// The first piece of a record, and the length of all of it or a little more.
    pub(super) fn head(&self, id: &ResponseId) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
        let Some(head) = self.opened()?.sled.get(keys::response(id)).map_err(failed)? else {
            return Ok(None);
        };
        let (further, first) = head.split_first_chunk().ok_or_else(|| StoreError::Damaged(id.to_string()))?;
        let bytes = first.len() + usize::from(u16::from_be_bytes(*further)) * PIECE;
        Ok(Some((first.to_vec(), bytes as u64)))
    }

    /// Removes up to `limit` keys of the oldest responses, created before `cutoff_ms` (Unix milliseconds). Tells
    /// how many, and the responses whose records were among them.
    pub(super) fn expire(
        &self,
        cutoff_ms: u64,
        limit: usize,
    ) -> Result<(usize, Vec<ResponseId>), StoreError> {
        let open = self.opened()?;
        let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
        let (mut count, mut ids) = (0, Vec::new());
        let ranges = keys::created_before(cutoff_ms).into_iter().map(|range| open.sled.range(range).keys());
        for key in ranges.flatten().take(limit) {
            let key = key.map_err(failed)?;
            if let Some(id) = keys::response_of(&key) {
                if key.as_ref() == keys::response(&id) {
                    ledger.removed(&key)?;
                    forget_key(&open.sled, &mut batch, &id)?;
                }
                ids.push(id);
            }
            batch.remove(key);
            count += 1;
        }
        if count > 0 {
            self.apply_entered(&open, batch, ledger)?;
        }
        Ok((count, ids))
    }

    /// Writes a batch, and what it changes of what owners have.
    fn apply_entered(
        &self,
        open: &Open,
        mut batch: sled::Batch,
        ledger: Ledger<'_>,
    ) -> Result<(), StoreError> {
        let totals = ledger.close(&mut batch, &self.0.books);
        self.apply(open, batch)?;
        self.0.books.enter(totals);
        Ok(())
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

#[cfg(test)]
#[path = "tests/db.rs"]
mod tests;
