//! The store on a local disk: sled under the [`Store`] trait.

mod outbox;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use or_keys::KeyRecord;
use or_protocol::ResponseId;

use super::cache::{Ready, chain};
use super::db::Db;
use super::db::outbox::entered;
use super::db::write::{Content, RecordBytes, RecordState, Write};
use super::disk_space::{check_room, share};
use super::open::{DbOptions, OnCorruption};
use super::pieces::LONGEST;
use super::recovery::settle;
use super::writer::{Disk, Writer};
use crate::{
    ApprovalId, ApprovalMark, ChainError, Change, Health, HistoryTurn, KeyChange, KeyUse, LogPart, LogPlace,
    Marked, Outbox, Store, StoreError, StoreFuture, StoreOpenError, StoredResponse, Subscriptions, Usage,
};

/// Records up to this length become bytes where they come from.
const ENCODED_HERE: usize = 16 * 1024;

/// How to open a [`SledStore`].
#[derive(Clone, Debug)]
pub struct SledOptions {
    /// The store's folder; made if it is missing.
    pub path: PathBuf,
    /// What to do if it is corrupt.
    pub on_corruption: OnCorruption,
    /// How long a response is kept after its creation; `None`: for ever.
    pub retention: Option<Duration>,
    /// Whether a commit also survives a loss of power; costs time per batch.
    pub power_loss_safe: bool,
    /// Bytes of database pages kept in memory.
    pub cache_capacity: u64,
    /// Longest record, in bytes.
    pub max_record_bytes: usize,
    /// Whether several owners have the disk in common, so that none may have all of it.
    pub several_owners: bool,
    /// Owners by the place of their key in a list, which earlier versions gave their records, and the names that these keys
    /// have. Taken over once, at the first start that gives any.
    pub old_owners: Vec<(String, String)>,
    /// Who is to be told of the ends of background responses. What waits for others is dropped at the opening.
    pub subscriptions: Subscriptions,
}

impl SledOptions {
    /// Defaults for a folder: quarantine, 30 days, safe against `kill -9`, 64 MiB of pages, records of 100 MiB, one owner.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            on_corruption: OnCorruption::Quarantine,
            retention: Some(Duration::from_secs(30 * 24 * 60 * 60)),
            power_loss_safe: false,
            cache_capacity: 64 << 20,
            max_record_bytes: 100 << 20,
            several_owners: false,
            old_owners: Vec::new(),
            subscriptions: Subscriptions::default(),
        }
    }
}

/// Keeps responses in a folder of this machine. One process at a time.
///
/// Commits go to one thread that groups them; reads run on the caller's blocking pool and never wait for it.
pub struct SledStore {
    db: Db,
    ready: Arc<Ready>,
    writer: Writer,
    unfinished: Vec<(ResponseId, String)>,
    approval_key: [u8; 32],
    client_keys: Vec<KeyRecord>,
    max_record_bytes: usize,
    share: Option<u64>,
    subscriptions: Subscriptions,
}

impl SledStore {
    /// Opens the store and settles what the last process left unfinished: a response that nobody can go on with
    /// has failed. Blocks; meant for the start of the process.
    pub fn open(options: SledOptions) -> Result<Arc<Self>, StoreOpenError> {
        let SledOptions { path, on_corruption, retention, power_loss_safe, cache_capacity, .. } = options;
        let max_record_bytes = options.max_record_bytes.min(LONGEST);
        let db = Db::open(&path, &DbOptions { on_corruption, power_loss_safe, cache_capacity })?;
        let approval_key = db
            .approval_key()
            .map_err(|e| StoreOpenError::io("write the key of approvals to", &path, io::Error::other(e)))?;
        if let Err(error) = db.adopt(&options.old_owners) {
            // The next start goes on with it.
            tracing::error!(%error, "owners of earlier versions could not be given their names: nobody can read their responses");
        }
        let subscriptions = options.subscriptions;
        let names: Vec<_> = subscriptions.endpoints.iter().map(|to| to.endpoint.as_str()).collect();
        if let Err(error) = db.sort_outbox(&names) {
            tracing::error!(%error, "the webhook events that wait could not be counted");
        }
        let client_keys = db
            .client_keys()
            .map_err(|e| StoreOpenError::io("read the client keys in", &path, io::Error::other(e)))?;
        let unfinished = settle(&db, max_record_bytes, &subscriptions);
        let ready = Arc::new(Ready::new());
        let disk = Swept { db: db.clone(), ready: Arc::clone(&ready) };
        let writer = Writer::start(disk, retention, check_room(&path).err())
            .map_err(|e| StoreOpenError::io("start the writer of the store", &path, e))?;
        let several = options.several_owners || client_keys.len() > 1;
        let share = if several { share(&path) } else { None };
        Ok(Arc::new(Self {
            db,
            ready,
            writer,
            unfinished,
            approval_key,
            client_keys,
            max_record_bytes,
            share,
            subscriptions,
        }))
    }

    /// A record to write, unless it is too long. The bytes of a long one are made by the writer: here somebody waits.
    fn encoded(&self, record: Arc<StoredResponse>, state: RecordState) -> Result<RecordBytes, StoreError> {
        let content = match record.size() {
            size if size > self.max_record_bytes => return Err(StoreError::TooLong(size)),
            ..=ENCODED_HERE => Content::Bytes(record.encode()?),
            _ => Content::Record(record),
        };
        Ok(RecordBytes { content, state })
    }

    /// Runs a read on the blocking pool of the calling runtime.
    fn read<T, E>(&self, work: impl FnOnce(&Db) -> Result<T, E> + Send + 'static) -> StoreFuture<Result<T, E>>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let db = self.db.clone();
        Box::pin(async move {
            match tokio::task::spawn_blocking(move || work(&db)).await {
                Ok(result) => result,
                Err(e) if e.is_panic() => Err(StoreError::Panicked.into()),
                Err(_) => Err(StoreError::Unavailable.into()),
            }
        })
    }
}

/// A read that somebody waits for; it stops when this is dropped.
#[derive(Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The database as its writer sees it: what was removed from it must not be kept ready either.
struct Swept {
    db: Db,
    ready: Arc<Ready>,
}

impl Disk for Swept {
    fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.db.write_all(writes)
    }

    fn mark(
        &mut self,
        marks: &[(ApprovalId, ApprovalMark)],
        cutoff_ms: u64,
    ) -> Result<Vec<Result<Marked, StoreError>>, StoreError> {
        self.db.mark_approvals(marks, cutoff_ms)
    }

    fn change_keys(&mut self, changes: &[KeyChange]) -> Result<(), StoreError> {
        self.db.change_client_keys(changes)
    }

    fn remove(&mut self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
        let removed = self.db.remove(ids);
        // Also after an error, for then nobody knows what is on disk.
        ids.iter().for_each(|id| self.ready.remove(id));
        removed
    }

    fn expire(&mut self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let (keys, ids) = self.db.expire(cutoff_ms, limit)?;
        ids.iter().for_each(|id| self.ready.remove(id));
        Ok(keys)
    }

    fn has_witness(&self, then: Range<u64>) -> bool {
        self.db.has_witness(then).unwrap_or_default()
    }

    fn close(&mut self) {
        if let Err(error) = self.db.mark_closed() {
            tracing::debug!(%error, "the end of the store was not marked");
        }
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let recovered = self.db.recover();
        // What a failed batch had is gone if the database was opened anew, though it may have been read before.
        self.ready.clear();
        recovered
    }
}

impl Store for SledStore {
    fn commit(&self, change: Change) -> StoreFuture<Result<(), StoreError>> {
        let Change { id, record, appends } = change;
        let outbox = record.as_ref().map(|record| entered(&self.db, &self.subscriptions, &id, record));
        let outbox = outbox.unwrap_or_default();
        let state = |record: &StoredResponse| {
            if record.is_over() { RecordState::Over } else { RecordState::Open }
        };
        match record
            .map(|record| {
                let state = state(&record);
                self.encoded(record, state)
            })
            .transpose()
        {
            Ok(record) => Box::pin(self.writer.commit(Write { id, record, appends, outbox })),
            Err(e) => Box::pin(std::future::ready(Err(e))),
        }
    }

    fn begun(&self, id: ResponseId, record: StoredResponse) -> StoreFuture<Result<(), StoreError>> {
        match self.encoded(Arc::new(record), RecordState::Begun) {
            Ok(record) => {
                let (record, appends, outbox) = (Some(record), Vec::new(), Vec::new());
                Box::pin(self.writer.commit(Write { id, record, appends, outbox }))
            }
            Err(e) => Box::pin(std::future::ready(Err(e))),
        }
    }

    fn longest_record(&self) -> usize {
        self.max_record_bytes
    }

    fn usage(&self, owner: &str) -> Usage {
        self.db.usage(owner)
    }

    fn total(&self) -> Usage {
        self.db.total()
    }

    fn share(&self) -> Option<u64> {
        self.share
    }

    fn read_log_piece(
        &self,
        id: ResponseId,
        place: LogPlace,
        until: u64,
    ) -> StoreFuture<Result<Bytes, StoreError>> {
        self.read(move |db| db.read_log_piece(&id, place, until))
    }

    fn read_log(&self, id: ResponseId, from: u64) -> StoreFuture<Result<LogPart, StoreError>> {
        self.read(move |db| db.read_log(&id, from))
    }

    fn unfinished(&self) -> Vec<(ResponseId, String)> {
        self.unfinished.clone()
    }

    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        self.read(move |db| load(db, &id, &owner))
    }

    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>> {
        // A record keeps its owner, so this may be looked at before the writer's turn; whether it is still there
        // is the writer's to say.
        let key = id.clone();
        let owned = self.read(move |db| db.is_of(&key, &owner));
        let removal = self.writer.remove(id);
        Box::pin(async move { if owned.await? { removal.await } else { Ok(false) } })
    }

    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        let (ready, wanted) = (Arc::clone(&self.ready), Wanted::default());
        let still = wanted.0.clone();
        let read = self.read(move |db| chain::history(db, &ready, id, &owner, &still));
        Box::pin(async move {
            let _wanted = wanted;
            read.await
        })
    }

    fn chain_bytes(&self, id: ResponseId, owner: String, limit: u64) -> StoreFuture<Result<u64, ChainError>> {
        self.read(move |db| chain::bytes(db, id, &owner, limit))
    }

    fn record_bytes(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<u64>, StoreError>> {
        self.read(move |db| chain::record_bytes(db, &id, &owner))
    }

    fn turn(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<HistoryTurn>, StoreError>> {
        let ready = Arc::clone(&self.ready);
        self.read(move |db| chain::turn(db, &ready, &id, &owner))
    }

    fn sealed(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<(usize, String)>, StoreError>> {
        self.read(move |db| chain::sealed(db, &id, &owner))
    }

    fn approval_key(&self) -> [u8; 32] {
        self.approval_key
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
        self.read(move |db| db.approval(&id))
    }

    fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
        Box::pin(self.writer.mark(id, mark))
    }

    fn outbox(&self) -> Option<&dyn Outbox> {
        Some(self)
    }

    fn client_keys(&self) -> Vec<KeyRecord> {
        self.client_keys.clone()
    }

    fn change_client_keys(&self, changes: Vec<KeyChange>) -> StoreFuture<Result<(), StoreError>> {
        Box::pin(self.writer.change_keys(changes))
    }

    fn key_use(&self, name: [u8; 32]) -> StoreFuture<Result<Option<KeyUse>, StoreError>> {
        self.read(move |db| db.key_use(&name))
    }

    fn health(&self) -> Health {
        self.writer.health()
    }
}

fn load(db: &Db, id: &ResponseId, owner: &str) -> Result<Option<StoredResponse>, StoreError> {
    let Some(bytes) = db.read_of(id, owner)? else { return Ok(None) };
    StoredResponse::decode(id.as_str(), &bytes).map(Some)
}
