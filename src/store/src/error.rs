//! Why a store fails.

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
    /// Whether it is about the disk or the database as a whole, and not about what was to be written.
    pub(crate) fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Unavailable | Self::Io(_) | Self::NoRoom | Self::Panicked => true,
            Self::TooLong(_) | Self::Damaged(_) | Self::Format(_) => false,
        }
    }
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
