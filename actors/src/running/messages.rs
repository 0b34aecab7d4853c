//! What a running response is told and asked from outside, whoever runs it.

use actix::Message;
use bytes::Bytes;

/// Why a loop shall end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CancelReason {
    /// Whoever owns the response wants it to end.
    Asked,
    /// The same, and its record is removed then: nothing need be written for it.
    Removed,
    /// The server stops; a background response that nobody saw any output of goes on at the next start.
    Park,
    /// The server stops and its grace time is over.
    Shutdown,
}

/// Ends a loop. Sent by the node to any `LoopActor` when the server stops; a client that waits still gets its
/// terminal event.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel(
    /// Why.
    pub CancelReason,
);

/// Asks for a response that is in progress, as it is. Sent by an HTTP handler to the response's `LoopActor`.
///
/// The reply is the response object, JSON.
#[derive(Debug, Message)]
#[rtype(result = "Peeked")]
pub struct Peek {
    /// Who asks.
    pub owner: String,
}

/// What came of a [`Peek`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peeked {
    /// The response object, JSON.
    Response(Bytes),
    /// The response is over, not stored, or another owner's: the store knows.
    AskStore,
    /// Its loop waits for the disk. What the store has of it may not be there to stay.
    Slow,
}

/// Ends a response for its owner. Sent by an HTTP handler to the response's `LoopActor`.
///
/// The reply comes when the response is over and recorded.
#[derive(Debug, Message)]
#[rtype(result = "EndAsked")]
pub struct AskEnd {
    /// Who asks.
    pub owner: String,
    /// Whether only a background response may be ended in this way.
    pub background_only: bool,
}

/// What came of an [`AskEnd`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EndAsked {
    /// It is not stored, or another owner's.
    NotFound,
    /// It is not a background response.
    Foreground,
    /// It is over.
    Over,
    /// It is over, but the disk does not take its record. The response object, JSON.
    Unwritten(Bytes),
    /// Its end takes long, because of the disk.
    Slow,
}
