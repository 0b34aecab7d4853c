//! A history that takes its time, and knows what it has confirmed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use open_responses::protocol::ResponseId;
use open_responses::store::{
    Append, ApprovalId, ApprovalMark, ChainError, Change, Health, HistoryTurn, LogPart, Marked, Store,
    StoreError, StoreFuture, StoredResponse,
};

use crate::stage::memory::Memory;

/// Whose the responses of a server without client keys are.
const LOCAL_OWNER: &str = "local";

/// What a store does that can take long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    /// Written is at once, confirmed later.
    Commit,
    Load,
    ReadLog,
}

type Delay = Arc<dyn Fn(Work) -> Duration + Send + Sync>;

#[derive(Clone)]
pub(crate) struct SlowStore {
    store: Arc<dyn Store>,
    delay: Delay,
    unfinished: Vec<(ResponseId, String)>,
    confirmed: Confirmed,
    full: Arc<AtomicBool>,
}

/// Sequence numbers behind the last confirmed frame, by response.
pub(crate) type Confirmed = Arc<Mutex<HashMap<String, u64>>>;

impl SlowStore {
    pub(crate) fn new(memory: &Memory, delay: impl Fn(Work) -> Duration + Send + Sync + 'static) -> Self {
        let store = Arc::new(memory.clone());
        Self {
            store,
            delay: Arc::new(delay),
            unfinished: Vec::new(),
            confirmed: Arc::default(),
            full: Arc::default(),
        }
    }

    /// As if the process before had left these.
    pub(crate) fn with_unfinished(mut self, id: &str) -> Self {
        self.unfinished.push((ResponseId::parse(id).unwrap(), LOCAL_OWNER.to_owned()));
        self
    }

    /// One whose disk is full as long as this says so.
    pub(crate) fn full(memory: &Memory, full: &Arc<AtomicBool>) -> Self {
        Self { full: Arc::clone(full), ..Self::new(memory, |_| Duration::ZERO) }
    }

    pub(crate) fn confirmed(&self) -> Confirmed {
        Arc::clone(&self.confirmed)
    }

    fn wait(&self, work: Work) -> impl Future<Output = ()> + Send + use<> {
        let delay = (self.delay)(work);
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
    }
}

impl Store for SlowStore {
    fn commit(&self, change: Change) -> StoreFuture<Result<(), StoreError>> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::NoRoom)));
        }
        let next = change.appends.iter().rev().find_map(|append| match append {
            Append::Frames(frames) => Some((change.id.to_string(), frames.next())),
            Append::Key(_) => None,
        });
        let (committed, wait) = (self.store.commit(change), self.wait(Work::Commit));
        let confirmed = self.confirmed();
        Box::pin(async move {
            let result = committed.await;
            wait.await;
            if let Some((id, next)) = next {
                confirmed.lock().unwrap().insert(id, next);
            }
            result
        })
    }

    fn read_log(&self, id: ResponseId, from: u64) -> StoreFuture<Result<LogPart, StoreError>> {
        let (read, wait) = (self.store.read_log(id, from), self.wait(Work::ReadLog));
        Box::pin(async move {
            wait.await;
            read.await
        })
    }

    fn unfinished(&self) -> Vec<(ResponseId, String)> {
        self.unfinished.clone()
    }

    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        let (loaded, wait) = (self.store.load(id, owner), self.wait(Work::Load));
        Box::pin(async move {
            wait.await;
            loaded.await
        })
    }

    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>> {
        self.store.delete(id, owner)
    }

    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        self.store.history(id, owner)
    }

    fn approval_key(&self) -> [u8; 32] {
        self.store.approval_key()
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
        self.store.approval(id)
    }

    fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
        self.store.mark_approval(id, mark)
    }

    fn health(&self) -> Health {
        self.store.health()
    }
}
