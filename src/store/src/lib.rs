//! The history on disk, behind a narrow trait so that another engine can stand in.
#![warn(missing_docs)]

mod approval;
mod error;
mod frames;
mod idempotency;
mod open_error;
mod outbox;
mod record;
mod sled;
mod store;

pub use approval::{ApprovalId, ApprovalMark, ApprovalState, Marked};
pub use error::{ChainError, StoreError, too_large};
pub use frames::{Frames, LogPart, LogPlace};
pub use idempotency::{IdempotencyKey, KeyUse};
pub use open_error::StoreOpenError;
pub use or_engine::HistoryTurn;
pub use or_keys::KeyRecord;
pub use outbox::{Delivery, Due, EventType, OutboxLevel, Settled, Subscription, Subscriptions};
pub use record::StoredResponse;
pub use sled::{
    Entry, Export, KeyShelf, OnCorruption, Shelf, SledOptions, SledStore, Step, TransferError, import,
};
pub use store::{Append, Change, Health, KeyChange, Outbox, Store, StoreFuture, Usage};
