//! The one way to the store.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor as _, Addr};
use bytes::Bytes;
use or_engine::HistoryTurn;
use or_protocol::ResponseId;
use or_store::{
    ApprovalId, ApprovalMark, ChainError, Change, KeyUse, LogPart, LogPlace, Marked, Store, StoreError,
    StoreFuture, StoredResponse,
};
use tokio::sync::oneshot;

use super::actor::StoreActor;
use super::messages::AskStore;

/// Reaches a store through an actor of this arbiter, which keeps a panic of the store from all but the call that met
/// it. Cheap to clone; lives on one arbiter.
///
/// Whatever implements [`Store`] can stand behind it: an engine, or something in front of one.
#[derive(Clone)]
pub struct StoreHandle(Rc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    actor: RefCell<Addr<StoreActor>>,
}

impl fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreHandle").finish_non_exhaustive()
    }
}

impl StoreHandle {
    /// A way to `store`. Needs an actix arbiter.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let actor = StoreActor::new(Arc::clone(&store)).start();
        Self(Rc::new(Inner { store, actor: RefCell::new(actor) }))
    }

    /// The actor, or a new one if it died.
    fn actor(&self) -> Addr<StoreActor> {
        let mut actor = self.0.actor.borrow_mut();
        if !actor.connected() {
            *actor = StoreActor::new(Arc::clone(&self.0.store)).start();
        }
        actor.clone()
    }

    async fn ask<T, E>(
        &self,
        call: impl FnOnce(&dyn Store) -> StoreFuture<Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let message = AskStore { call: Box::new(call), panicked: Err(StoreError::Panicked.into()) };
        self.actor().send(message).await.unwrap_or_else(|_| Err(StoreError::Unavailable.into()))
    }

    /// [`Store::commit`].
    pub async fn commit(&self, change: Change) -> Result<(), StoreError> {
        self.ask(move |store| store.commit(change)).await
    }

    /// [`Store::begun`], without waiting for it: what is not written is in the log.
    pub fn begun(&self, id: ResponseId, record: StoredResponse) {
        let call = move |store: &dyn Store| -> StoreFuture<()> {
            let written = store.begun(id, record);
            Box::pin(async move {
                if let Err(error) = written.await {
                    tracing::warn!(%error, "the beginning of a response was not recorded");
                }
            })
        };
        self.actor().do_send(AskStore { call: Box::new(call), panicked: () });
    }

    /// [`Store::read_log`].
    pub async fn read_log(&self, id: ResponseId, from: u64) -> Result<LogPart, StoreError> {
        self.ask(move |store| store.read_log(id, from)).await
    }

    /// [`Store::read_log_piece`].
    pub async fn read_log_piece(
        &self,
        id: ResponseId,
        place: LogPlace,
        until: u64,
    ) -> Result<Bytes, StoreError> {
        self.ask(move |store| store.read_log_piece(id, place, until)).await
    }

    /// [`Store::load`].
    pub async fn load(&self, id: ResponseId, owner: String) -> Result<Option<StoredResponse>, StoreError> {
        self.ask(move |store| store.load(id, owner)).await
    }

    /// [`Store::delete`].
    pub async fn delete(&self, id: ResponseId, owner: String) -> Result<bool, StoreError> {
        self.ask(move |store| store.delete(id, owner)).await
    }

    /// [`Store::history`]. The reading ends when nobody waits for it any more.
    pub async fn history(&self, id: ResponseId, owner: String) -> Result<Vec<HistoryTurn>, ChainError> {
        let (_here, gone) = oneshot::channel::<()>();
        let call = move |store: &dyn Store| -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
            let read = store.history(id, owner);
            Box::pin(async move {
                tokio::select! {
                    biased;
                    turns = read => turns,
                    _ = gone => Err(StoreError::Unavailable.into()),
                }
            })
        };
        self.ask(call).await
    }

    /// [`Store::chain_bytes`].
    pub async fn chain_bytes(&self, id: ResponseId, owner: String, limit: u64) -> Result<u64, ChainError> {
        self.ask(move |store| store.chain_bytes(id, owner, limit)).await
    }

    /// [`Store::record_bytes`].
    pub async fn record_bytes(&self, id: ResponseId, owner: String) -> Result<Option<u64>, StoreError> {
        self.ask(move |store| store.record_bytes(id, owner)).await
    }

    /// [`Store::turn`].
    pub async fn turn(&self, id: ResponseId, owner: String) -> Result<Option<HistoryTurn>, StoreError> {
        self.ask(move |store| store.turn(id, owner)).await
    }

    /// [`Store::sealed`].
    pub async fn sealed(&self, id: ResponseId, owner: String) -> Result<Vec<(usize, String)>, StoreError> {
        self.ask(move |store| store.sealed(id, owner)).await
    }

    /// [`Store::longest_record`].
    pub fn longest_record(&self) -> usize {
        self.0.store.longest_record()
    }

    /// [`Store::approval_key`].
    pub fn approval_key(&self) -> [u8; 32] {
        self.0.store.approval_key()
    }

    /// [`Store::approval`].
    pub async fn approval(&self, id: ApprovalId) -> Result<Option<ApprovalMark>, StoreError> {
        self.ask(move |store| store.approval(id)).await
    }

    /// [`Store::key_use`].
    pub async fn key_use(&self, name: [u8; 32]) -> Result<Option<KeyUse>, StoreError> {
        self.ask(move |store| store.key_use(name)).await
    }

    /// [`Store::mark_approval`].
    pub async fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> Result<Marked, StoreError> {
        self.ask(move |store| store.mark_approval(id, mark)).await
    }
}
