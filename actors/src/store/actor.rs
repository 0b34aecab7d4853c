//! The store's actor: one per arbiter, all in front of the same store.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use futures_util::FutureExt as _;
use or_engine::HistoryTurn;
use or_protocol::ResponseId;

use or_store::{ApprovalId, ApprovalMark, ChainError, Change, LogPart, Store, StoreError, StoredResponse};

/// Writes what is new of a response. Sent by a `LoopActor`; `Ok` means that it is durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct Commit(
    /// All of it or nothing.
    pub Change,
);

/// Writes that a response has begun, so that a restart finds it. Sent by a `LoopActor`, which does not wait.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Begun {
    /// Key.
    pub id: ResponseId,
    /// Record.
    pub record: StoredResponse,
}

/// Reads a part of a response's event log. Sent by a `LoopActor` that goes on with a response.
#[derive(Debug, Message)]
#[rtype(result = "Result<LogPart, StoreError>")]
pub struct ReadLog {
    /// Of which.
    pub id: ResponseId,
    /// From this sequence number on.
    pub from: u64,
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

/// Reads whether an approval was used. Sent by a `LoopActor` that was given one.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<ApprovalMark>, StoreError>")]
pub struct LoadApproval(
    /// Which.
    pub ApprovalId,
);

/// Marks an approval as used. Sent by a `LoopActor`, before the approved call and behind it; `Ok` means that it is
/// durable.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StoreError>")]
pub struct MarkApproval {
    /// Which.
    pub id: ApprovalId,
    /// By whom, and how far.
    pub mark: ApprovalMark,
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
