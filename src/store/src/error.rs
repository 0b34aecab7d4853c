//! Why a store fails.

use or_protocol::{ApiError, ErrorKind};

/// Why the history could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer is gone.
    #[error("the store is not running")]
    Unavailable,
    /// The disk said no.
    #[error("the store failed: {0}")]
    Io(String),
    /// The disk is about to be full.
    #[error("the disk of the store is full, but for a reserve")]
    NoRoom,
    /// More than a record or a row of a log can have.
    #[error("{0} bytes are too long to be stored")]
    TooLong(usize),
    /// What was to be written is no JSON.
    #[error("the record cannot be written as JSON: {0}")]
    Encode(String),
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

impl StoreError {
    /// Whether it is about what was to be written or read, so that another try would fail as well. All else is about
    /// the disk or the database as a whole, which may be well again.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unavailable | Self::Io(_) | Self::NoRoom | Self::Panicked => false,
            Self::TooLong(_) | Self::Encode(_) | Self::Damaged(_) | Self::Format(_) => true,
        }
    }
}

/// What a client is told of a response whose record would have so many bytes, which is more than the store takes.
pub fn too_large(bytes: usize, limit: usize) -> ApiError {
    let text = format!("The response is too large to be stored: {bytes} bytes, with a limit of {limit}.");
    ApiError::new(ErrorKind::TooLarge, text).with_code("record_too_large")
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
