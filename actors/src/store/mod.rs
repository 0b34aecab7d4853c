//! The history on disk, behind a narrow trait so that another engine can stand in.

mod actor;
mod db;
mod keys;
mod mark;
mod open_error;
mod ready;
mod record;
mod sled_store;
mod writer;

use std::future::Future;
use std::pin::Pin;

use or_engine::HistoryTurn;
use or_protocol::ResponseId;

pub use actor::{Commit, LoadChain, LoadResponse, StoreActor};
pub use db::OnCorruption;
pub use open_error::StoreOpenError;
pub use record::StoredResponse;
pub use sled_store::{SledOptions, SledStore};

/// A future that a store returns.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Keeps responses. Shared by all arbiters.
pub trait Store: Send + Sync + 'static {
    /// Writes one record; resolves when it is durable (see docs/storage for the promise in words).
    fn commit(&self, id: ResponseId, record: StoredResponse) -> StoreFuture<Result<(), StoreError>>;

    /// One response of this owner; `None` if there is none, or it is another's.
    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>>;

    /// Removes a response of this owner for good; resolves when that is as durable as a commit. `false` if there
    /// is none, or it is another's. Whoever asks after that does not find it any more.
    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>>;

    /// A response and all its predecessors, oldest first.
    fn chain(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<StoredResponse>, ChainError>>;

    /// Like [`Self::chain`], but each response as input and output items, which is all that a context needs.
    ///
    /// A store may keep them ready; the default reads the records.
    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        let links = self.chain(id.clone(), owner);
        Box::pin(async move {
            let links = links.await?;
            Ok(links.iter().map(|link| link.history_turn(id.as_str())).collect::<Result<_, _>>()?)
        })
    }

    /// Whether commits can succeed; false makes the server not ready.
    fn is_alive(&self) -> bool;

    /// Whether no commit will ever succeed again in this process; the server then ends.
    fn has_died(&self) -> bool {
        false
    }
}

/// Why the history could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer is gone.
    #[error("the store is not running")]
    Unavailable,
    /// The disk said no.
    #[error("the store failed: {0}")]
    Io(String),
    /// A record does not read.
    #[error("the record of {0} is damaged")]
    Damaged(String),
    /// A record of a newer format.
    #[error("the record has format {0}, which this version does not know")]
    Format(u8),
    /// A bug in the store.
    #[error("the store panicked")]
    Panicked,
}

/// Why a chain could not be followed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChainError {
    /// A link is missing, expired, or another owner's.
    #[error("response {0} not found")]
    NotFound(String),
    /// The response is still being made.
    #[error("response {0} is not finished")]
    Unfinished(String),
    /// More links than allowed, or a circle.
    #[error("the chain of responses is longer than {0}")]
    TooLong(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
