//! The store's actor: one per arbiter, all in front of the same store.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;
use or_engine::HistoryTurn;
use or_protocol::ResponseId;

use super::{ChainError, Store, StoreError, StoredResponse};

/// Writes a record. Sent by a `LoopActor`; `Ok` means that it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Commit {
    /// Key.
    pub id: ResponseId,
    /// Record.
    pub record: StoredResponse,
}

/// Reads a response with all its predecessors, oldest first. Sent by a `LoopActor`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<HistoryTurn>, ChainError>")]
pub struct LoadChain {
    /// Last link.
    pub id: ResponseId,
    /// Every link must be this owner's.
    pub owner: String,
}

/// Reads one response. Sent by a `LoopActor` that resolves an `item_reference`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<StoredResponse>, StoreError>")]
pub struct LoadResponse {
    /// Key.
    pub id: ResponseId,
    /// Another owner's response is as good as none.
    pub owner: String,
}

/// Forwards to the store. A panic in the store answers that one request with an error.
pub struct StoreActor {
    store: Arc<dyn Store>,
}

impl StoreActor {
    /// An actor in front of `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Each waiting commit is one response; their number is bounded by admission.
        ctx.set_mailbox_capacity(1024);
    }
}

/// Runs `work` and turns its panic into `lost`.
async fn guarded<T, F>(work: impl FnOnce() -> F, lost: T) -> T
where
    F: Future<Output = T>,
{
    let guarded = AssertUnwindSafe(async move { work().await }).catch_unwind();
    guarded.await.unwrap_or(lost)
}

impl Handler<Commit> for StoreActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, message: Commit, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(guarded(move || store.commit(message.id, message.record), Err(StoreError::Panicked)))
    }
}

impl Handler<LoadChain> for StoreActor {
    type Result = ResponseFuture<Result<Vec<HistoryTurn>, ChainError>>;

    fn handle(&mut self, message: LoadChain, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        let lost = Err(ChainError::Store(StoreError::Panicked));
        Box::pin(guarded(move || store.history(message.id, message.owner), lost))
    }
}

impl Handler<LoadResponse> for StoreActor {
    type Result = ResponseFuture<Result<Option<StoredResponse>, StoreError>>;

    fn handle(&mut self, message: LoadResponse, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(guarded(move || store.load(message.id, message.owner), Err(StoreError::Panicked)))
    }
}
