//! Why there is no answer, or not the whole of it.

use std::error::Error as _;
use std::io;

use awc::error::{ConnectError, PayloadError, SendRequestError};

use super::fault::Fault;

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
pub enum WireError {
    /// No connection could be made.
    #[error("{0}")]
    Unreachable(String),
    /// No connection was made in time.
    #[error("the connection took too long")]
    ConnectTimeout,
    /// The head of the answer did not come in time.
    #[error("no answer came in time")]
    HeadTimeout,
    /// The connection was closed in place of an answer.
    #[error("the connection was closed in place of an answer")]
    Closed,
    /// The connection broke, or what came on it cannot be the answer.
    #[error("{0}")]
    Broken(String),
    /// What came is no answer by the rules of HTTP. The text holds nothing of it.
    #[error("{0}")]
    Malformed(String),
    /// The answer is packed in this way, which was not asked for.
    #[error("it is compressed ({0}), which was not asked for")]
    Encoded(String),
}

/// Why an answer's body is not whole.
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
pub enum BodyError {
    /// The connection ended before the body.
    #[error("the connection ended before the answer was complete")]
    Cut,
    /// The connection broke, or what came on it is no body.
    #[error("{0}")]
    Broken(String),
}

/// What was sent of a request that failed.
pub(crate) enum Failed {
    /// Nothing: it can be sent again.
    Unsent,
    /// Who knows.
    For(WireError),
}

impl From<SendRequestError> for Failed {
    fn from(error: SendRequestError) -> Self {
        Self::For(match error {
            SendRequestError::Timeout => WireError::HeadTimeout,
            SendRequestError::Connect(ConnectError::Timeout) => WireError::ConnectTimeout,
            SendRequestError::Connect(ConnectError::Disconnected) => WireError::Closed,
            SendRequestError::Connect(error) => WireError::Unreachable(error.to_string()),
            SendRequestError::Send(error) => return Self::of(&error),
            // awc cannot find fault with a head of ours: what it tells is what the connection told.
            SendRequestError::Response(error) => {
                match error.source().and_then(|inner| inner.downcast_ref()) {
                    Some(inner) => return Self::of(inner),
                    None => WireError::Malformed(error.to_string()),
                }
            }
            other => WireError::Broken(other.to_string()),
        })
    }
}

impl Failed {
    fn of(error: &io::Error) -> Self {
        Self::For(match Fault::of(error) {
            Some(Fault::Stale) => return Self::Unsent,
            Some(fault @ (Fault::Cut | Fault::OutOfTurn)) => WireError::Broken(fault.to_string()),
            Some(fault) => WireError::Malformed(fault.to_string()),
            None => WireError::Broken(error.to_string()),
        })
    }
}

impl From<PayloadError> for BodyError {
    fn from(error: PayloadError) -> Self {
        match &error {
            PayloadError::Incomplete(Some(inner)) | PayloadError::Io(inner) => match Fault::of(inner) {
                Some(Fault::Cut) => Self::Cut,
                Some(fault) => Self::Broken(fault.to_string()),
                None => Self::Broken(inner.to_string()),
            },
            other => Self::Broken(other.to_string()),
        }
    }
}
