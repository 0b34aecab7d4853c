//! The loop's end of the way back to the client.

use bytes::Bytes;
use or_adapters::Note;
use or_protocol::ApiError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{CancelReason, Reply};

/// Batches of frames that may wait for a slow client.
const QUEUE: usize = 16;

/// Where the answer goes.
pub(crate) enum Client {
    /// Nothing was sent yet. Frames made meanwhile are held back.
    Waiting { reply: oneshot::Sender<Reply>, held: Vec<u8> },
    /// A stream is open.
    Open(mpsc::Sender<Bytes>),
    /// Answered, or left.
    Done,
}

impl Client {
    pub(crate) fn new(reply: oneshot::Sender<Reply>) -> Self {
        Self::Waiting { reply, held: Vec::new() }
    }

    /// Whether an error can still be an ordinary HTTP answer.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// Answers with an error, if nothing was sent yet.
    pub(crate) fn refuse(&mut self, error: ApiError) {
        if let Self::Waiting { reply, .. } = std::mem::replace(self, Self::Done) {
            // The client may have left; then nobody needs the answer.
            let _ = reply.send(Reply::Error(error));
        }
    }

    /// Answers with a whole response.
    pub(crate) fn answer(&mut self, body: Vec<u8>, notes: Vec<Note>) {
        if let Self::Waiting { reply, .. } = std::mem::replace(self, Self::Done) {
            let _ = reply.send(Reply::Json { body, notes });
        }
    }

    /// Opens the stream and sends what was held back.
    pub(crate) fn open(&mut self, notes: &[Note]) {
        if let Self::Waiting { reply, held } = std::mem::replace(self, Self::Done) {
            let (sender, frames) = mpsc::channel(QUEUE);
            if !held.is_empty() {
                // The channel is new and has room.
                let _ = sender.try_send(Bytes::from(held));
            }
            if reply.send(Reply::Stream { frames, notes: notes.to_vec() }).is_ok() {
                *self = Self::Open(sender);
            }
        }
    }

    /// Sends frames, or holds them back. `false`: the client left, or took nothing for `patience`.
    pub(crate) async fn send(&mut self, frames: Vec<u8>, patience: std::time::Duration) -> bool {
        match self {
            Self::Done => false,
            Self::Waiting { held, .. } => {
                held.extend_from_slice(&frames);
                true
            }
            Self::Open(sender) => {
                let sent = match sender.try_send(Bytes::from(frames)) {
                    Ok(()) => true,
                    Err(mpsc::error::TrySendError::Closed(_)) => false,
                    Err(mpsc::error::TrySendError::Full(frames)) => {
                        matches!(timeout(patience, sender.send(frames)).await, Ok(Ok(())))
                    }
                };
                if !sent {
                    *self = Self::Done;
                }
                sent
            }
        }
    }

    /// Resolves when the reader of an open stream leaves or has left; never for a client that waits.
    pub(crate) fn watch(&self) -> impl Future<Output = ()> + use<> {
        let sender = match self {
            Self::Open(sender) => Some(sender.clone()),
            Self::Waiting { .. } | Self::Done => None,
        };
        let gone = matches!(self, Self::Done);
        async move {
            match sender {
                Some(sender) => sender.closed().await,
                // Left between the provider's head and the opening of the stream.
                None if gone => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Whether a client that waits has left.
    pub(crate) fn has_left(&self) -> bool {
        matches!(self, Self::Waiting { reply, .. } if reply.is_closed())
    }

    /// Resolves when the client leaves.
    pub(crate) async fn left(&mut self) {
        match self {
            Self::Waiting { reply, .. } => reply.closed().await,
            Self::Open(sender) => sender.closed().await,
            Self::Done => {}
        }
    }
}

/// What ends a loop from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interrupt {
    ClientLeft,
    Cancelled(CancelReason),
    TooLong,
}

/// Resolves when a loop has to end for a reason that is not the model's.
pub(crate) async fn interrupted(
    left: impl Future<Output = ()>,
    mut cancelled: watch::Receiver<Option<CancelReason>>,
    deadline: Instant,
) -> Interrupt {
    tokio::select! {
        () = left => Interrupt::ClientLeft,
        reason = cancelled.wait_for(Option::is_some) => match reason.as_deref() {
            Ok(Some(reason)) => Interrupt::Cancelled(*reason),
            // The actor that holds the other end is gone: so are we, in a moment.
            _ => std::future::pending().await,
        },
        () = sleep_until(deadline) => Interrupt::TooLong,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_client_that_left_before_its_stream_was_opened_has_left() {
        let (reply, answer) = oneshot::channel();
        let mut client = Client::new(reply);
        assert_eq!(client.watch().now_or_never(), None);
        drop(answer);
        client.open(&[]);
        assert_eq!(client.watch().now_or_never(), Some(()));
    }
}
