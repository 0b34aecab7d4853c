//! The store's actor: one per arbiter, all in front of the same store.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;
use or_engine::HistoryTurn;
use or_store::{ApprovalMark, ChainError, LogPart, Store, StoreError, StoredResponse};

use crate::store::{Begun, Commit, LoadApproval, LoadChain, LoadResponse, MarkApproval, ReadLog};

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
        Box::pin(guarded(move || store.commit(message.0), Err(StoreError::Panicked)))
    }
}

impl Handler<Begun> for StoreActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, message: Begun, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        let written = guarded(move || store.begun(message.id, message.record), Err(StoreError::Panicked));
        Box::pin(async move {
            if let Err(error) = written.await {
                tracing::warn!(%error, "the beginning of a response was not recorded");
            }
        })
    }
}

impl Handler<ReadLog> for StoreActor {
    type Result = ResponseFuture<Result<LogPart, StoreError>>;

    fn handle(&mut self, message: ReadLog, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(guarded(move || store.read_log(message.id, message.from), Err(StoreError::Panicked)))
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

impl Handler<LoadApproval> for StoreActor {
    type Result = ResponseFuture<Result<Option<ApprovalMark>, StoreError>>;

    fn handle(&mut self, message: LoadApproval, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(guarded(move || store.approval(message.0), Err(StoreError::Panicked)))
    }
}

impl Handler<MarkApproval> for StoreActor {
    type Result = ResponseFuture<Result<(), StoreError>>;

    fn handle(&mut self, message: MarkApproval, _: &mut Self::Context) -> Self::Result {
        let store = Arc::clone(&self.store);
        Box::pin(guarded(move || store.mark_approval(message.id, message.mark), Err(StoreError::Panicked)))
    }
}
