//! What a `StoreActor` is asked.

use actix::Message;
use or_engine::HistoryTurn;
use or_protocol::ResponseId;
use or_store::{ApprovalId, ApprovalMark, ChainError, Change, LogPart, StoreError, StoredResponse};

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
