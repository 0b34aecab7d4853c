//! What can be wrong with an answer. The texts are ours and hold nothing that the other side sent but names.

use std::io;

/// Why an exchange came to no good end. Travels through awc inside an [`io::Error`].
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
pub(crate) enum Fault {
    #[error("it is not HTTP/1")]
    NotHttp,
    #[error("its head cannot be read: {0}")]
    Head(String),
    #[error("its head, with interim answers, has more than {0} bytes")]
    HeadTooLarge(usize),
    #[error("its length is no number, or it has several that differ")]
    Length,
    #[error("its transfer coding is not `chunked`")]
    Coding,
    #[error("it switches to another protocol, which was not asked for")]
    Switched,
    #[error("its chunks cannot be read: {0}")]
    Chunk(&'static str),
    /// The connection ended inside the answer.
    #[error("the connection ended before it was complete")]
    Cut,
    /// Bytes on a connection that was used before, at a time when they cannot be the answer to this request.
    #[error("bytes came that nobody had asked for")]
    OutOfTurn,
    /// The connection was of no use, and nothing of the request was sent.
    #[error("the connection was closed while it was idle")]
    Stale,
}

impl Fault {
    /// The fault in an error that came back through awc.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::Cut => io::ErrorKind::UnexpectedEof,
            Fault::Stale => io::ErrorKind::ConnectionAborted,
            Fault::NotHttp
            | Fault::Head(_)
            | Fault::HeadTooLarge(_)
            | Fault::Length
            | Fault::Coding
            | Fault::Switched
            | Fault::Chunk(_)
            | Fault::OutOfTurn => io::ErrorKind::InvalidData,
        };
        Self::new(kind, fault)
    }
}
