//! What a store does, whatever keeps its bytes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use or_keys::{KeyId, KeyRecord};
use or_protocol::ResponseId;
use tokio::sync::watch;

use crate::{
    ApprovalId, ApprovalMark, ChainError, Delivery, Due, Frames, HistoryTurn, IdempotencyKey, KeyUse,
    LogPart, LogPlace, Marked, OutboxLevel, Settled, StoreError, StoredResponse,
};

/// A future that a store returns.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is written of one response at once: its record and all appends, or nothing.
#[derive(Clone, Debug)]
pub struct Change {
    /// Of which.
    pub id: ResponseId,
    /// Takes the place of an earlier record.
    pub record: Option<Arc<StoredResponse>>,
    /// In this order.
    pub appends: Vec<Append>,
}

/// What is added behind what is there.
#[derive(Clone, Debug)]
pub enum Append {
    /// A further row of the response's event log.
    Frames(Frames),
    /// The client's key for the request. It takes the place of an earlier use.
    Key(IdempotencyKey),
}

impl Change {
    /// A record alone.
    pub fn record(id: ResponseId, record: StoredResponse) -> Self {
        Self { id, record: Some(Arc::new(record)), appends: Vec::new() }
    }

    /// Frames alone.
    pub fn frames(id: ResponseId, frames: Frames) -> Self {
        Self { id, record: None, appends: vec![Append::Frames(frames)] }
    }
}

/// Whether commits can succeed, and if not why, in words for whoever runs the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Health {
    /// They can.
    Good,
    /// They fail at the moment; the server is not ready until they can succeed again.
    Trouble(String),
    /// None will ever succeed again in this process; the server ends.
    Dead(String),
}

/// A change of a client key.
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// It is kept, in place of what was known of it.
    Put(Arc<KeyRecord>),
    /// It is forgotten.
    Remove(KeyId),
}

/// What an owner has in a store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Bytes of its records and event logs, and some for each response.
    pub bytes: u64,
    /// How many responses they are.
    pub responses: u64,
}

/// Keeps responses. Shared by all arbiters.
pub trait Store: Send + Sync + 'static {
    /// Writes a change; resolves when it is durable (see docs/storage for the promise in words).
    fn commit(&self, change: Change) -> StoreFuture<Result<(), StoreError>>;

    /// Writes the record of a response that has begun, unless something is known of it already. If the process
    /// dies before a commit of its end, the next start finds it. A store that does not outlive its process has
    /// no need of it.
    fn begun(&self, id: ResponseId, record: StoredResponse) -> StoreFuture<Result<(), StoreError>> {
        let _ = (id, record);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Longest record that it takes, in bytes, as [`StoredResponse::size`] has it. What is longer can never be written.
    fn longest_record(&self) -> usize {
        usize::MAX
    }

    /// What this owner has here. Answers at once, so it may leave out what is being written.
    fn usage(&self, owner: &str) -> Usage {
        let _ = owner;
        Usage::default()
    }

    /// What all owners have here, in the same way.
    fn total(&self) -> Usage {
        Usage::default()
    }

    /// How many bytes an owner may have for which nothing else is said; `None`: any number.
    fn share(&self) -> Option<u64> {
        None
    }

    /// Frames of a response's event log from sequence number `from` on, some at a time: ask again behind the last
    /// one. Empty if there are none behind `from` yet. The caller has made sure whose response it is.
    fn read_log(&self, id: ResponseId, from: u64) -> StoreFuture<Result<LogPart, StoreError>>;

    /// Bytes of a response's event log from a place on, up to sequence number `until`: some 64 KiB at a time, so that
    /// a reader never holds more of a long frame. They end where [`LogPlace::behind`] can go on, and never inside the
    /// mark of the end.
    ///
    /// A store that does without gives what [`Store::read_log`] gives.
    fn read_log_piece(
        &self,
        id: ResponseId,
        place: LogPlace,
        until: u64,
    ) -> StoreFuture<Result<Bytes, StoreError>> {
        let part = self.read_log(id, place.frame);
        Box::pin(async move {
            let bytes = part.await?.before(until).bytes;
            Ok(bytes.slice(place.skip.min(bytes.len())..))
        })
    }

    /// The responses that a process before this one left to be gone on with, and their owners; oldest first.
    fn unfinished(&self) -> Vec<(ResponseId, String)> {
        Vec::new()
    }

    /// One response of this owner; `None` if there is none, or it is another's.
    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>>;

    /// Removes a response of this owner for good; resolves when that is as durable as a commit. `false` if there
    /// is none, or it is another's. Whoever asks after that does not find it any more.
    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>>;

    /// A response and all its predecessors, oldest first: of each what a context needs, which is what
    /// [`StoredResponse::history_turn`] makes of its record. All must be over, and this owner's.
    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>>;

    /// How many bytes the records of a response and of all its predecessors have, as a bound for what
    /// [`Store::history`] gives: it is asked first. Counting may stop above `limit`.
    ///
    /// A store that cannot tell without reading everything is asked twice for the same.
    fn chain_bytes(&self, id: ResponseId, owner: String, limit: u64) -> StoreFuture<Result<u64, ChainError>> {
        let _ = limit;
        let history = self.history(id, owner);
        Box::pin(async move { Ok(history.await?.iter().map(HistoryTurn::bytes).sum()) })
    }

    /// The same of one record; `None` if there is none, or it is another's.
    fn record_bytes(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<u64>, StoreError>> {
        let loaded = self.load(id, owner);
        let bytes = |record: StoredResponse| (record.input.get().len() + record.response.get().len()) as u64;
        Box::pin(async move { Ok(loaded.await?.map(bytes)) })
    }

    /// What a context needs of one record, whether or not it is over; `None` if there is none, or it is another's.
    fn turn(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<HistoryTurn>, StoreError>> {
        let (name, loaded) = (id.to_string(), self.load(id, owner));
        Box::pin(async move { loaded.await?.map(|record| record.history_turn(&name)).transpose() })
    }

    /// The reasoning state that a record keeps from its client, by output index; empty if there is no record of this
    /// owner. A store that can should not read the rest of the record for it.
    fn sealed(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<(usize, String)>, StoreError>> {
        let loaded = self.load(id, owner);
        Box::pin(async move { Ok(loaded.await?.map(|record| record.sealed).unwrap_or_default()) })
    }

    /// What proves a request for approval to be of this store: random, and the same as long as there is the store.
    fn approval_key(&self) -> [u8; 32];

    /// What is known of the use of an approval; `None` if it was not used, or is so old that nobody knows. An error
    /// must not be taken for that.
    fn approval(&self, id: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>>;

    /// Marks an approval as used; resolves when that is as durable as a commit. Only a mark that was written allows
    /// the approved call.
    ///
    /// Whether it is written [`ApprovalMark::follow`] says, so of several at once one is; and it is not if the
    /// approval is so old that its mark may be gone. The mark stays when the response is deleted.
    fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>>;

    /// Where events of background responses wait to be told; `None`: this store keeps none, so nobody can be told. Who
    /// wants which events it knows from its opening, and it enters them with the commit that ends a response.
    fn outbox(&self) -> Option<&dyn Outbox> {
        None
    }

    /// The client keys that it has, as it was opened. Whoever asks keeps them, with the changes that are made later.
    fn client_keys(&self) -> Vec<KeyRecord> {
        Vec::new()
    }

    /// Makes all of these changes or none; resolves when that is as durable as a commit. A store that does not outlive its
    /// process has no need of it.
    fn change_client_keys(&self, changes: Vec<KeyChange>) -> StoreFuture<Result<(), StoreError>> {
        let _ = changes;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The last use of an idempotency key, by [`IdempotencyKey::name`], as long as its response is there; it may be of any
    /// age. A store that keeps none finds none.
    fn key_use(&self, name: [u8; 32]) -> StoreFuture<Result<Option<KeyUse>, StoreError>> {
        let _ = name;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether commits can succeed. Asked by `/ready` and `/metrics` and once a second beside them, so it answers
    /// at once.
    fn health(&self) -> Health;
}

/// Keeps deliveries; see [`Store::outbox`].
pub trait Outbox: Send + Sync {
    /// At most `limit` deliveries to an endpoint that are due at `now_ms`, Unix milliseconds.
    ///
    /// They are given again until they are settled, so whoever asks knows which are under way. A store that several
    /// servers share gives each of them others for a while.
    fn due(&self, endpoint: &str, now_ms: u64, limit: usize) -> StoreFuture<Result<Due, StoreError>>;

    /// Says what came of a delivery, as [`Outbox::due`] gave it; resolves when that is as durable as a commit.
    fn settle(&self, delivery: Delivery, then: Settled) -> StoreFuture<Result<(), StoreError>>;

    /// How full it is. Answers at once.
    fn level(&self) -> OutboxLevel;

    /// Changes whenever something was added or refused.
    fn news(&self) -> watch::Receiver<u64>;
}
