//! What is on its way to one client, counted in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use or_bounds::{Budget, Reservation};
use or_protocol::DONE;
use tokio::sync::{Notify, mpsc};

/// Bytes that may wait for one client; what is put into the last of the room may go beyond it by a piece.
const ROOM: usize = 12 * 1024;
/// What is longer is cut into pieces of this length: each is copied once more before it is written.
const PIECE: usize = 16 * 1024;
/// What each piece costs beside its bytes.
const OVERHEAD: usize = 64;

/// A queue of frames for one client. Who has put [`ROOM`] bytes into it waits before it makes more; how long is not its own matter,
/// because a client that takes nothing loses its connection, and with that goes the other end.
pub(crate) fn client_queue(budget: &Budget) -> (ToClient, ClientFrames) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let level = Arc::new(Level { bytes: AtomicUsize::new(0), fell: Notify::new() });
    let to = ToClient { pieces: sender, level: Arc::clone(&level), budget: budget.clone() };
    (to, ClientFrames { pieces: receiver, level, held: None })
}

/// How full the queue is.
#[derive(Debug)]
struct Level {
    bytes: AtomicUsize,
    fell: Notify,
}

#[derive(Debug)]
enum Piece {
    Frames(Bytes),
    /// For what comes behind it; kept until all is written.
    Held(Reservation),
}

/// The loop's end. A clone can only be used to see that the client left.
#[derive(Clone, Debug)]
pub(crate) struct ToClient {
    pieces: mpsc::UnboundedSender<Piece>,
    level: Arc<Level>,
    budget: Budget,
}

/// The client's end. Dropping it tells the loop that the client left.
#[derive(Debug)]
pub struct ClientFrames {
    pieces: mpsc::UnboundedReceiver<Piece>,
    level: Arc<Level>,
    held: Option<Reservation>,
}

impl ToClient {
    /// Resolves when the client left.
    pub(crate) async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Sends, and waits for room for more. `false`: the client left.
    pub(crate) async fn send(&self, mut frames: Bytes) -> bool {
        while !frames.is_empty() {
            if !self.put(first(&mut frames)) {
                return false;
            }
            self.has_room().await;
        }
        !self.pieces.is_closed()
    }

    /// Sends frames without waiting, however long: the last ones, so that who made them can end. `false`: the client
    /// left.
    pub(crate) fn push(&self, mut frames: Bytes) -> bool {
        let mut there = !self.pieces.is_closed();
        if frames.len() > ROOM
            && let Ok(held) = self.budget.reserve(frames.len())
        {
            // Without room in the budget they are sent all the same: the work for them is done.
            there = self.pieces.send(Piece::Held(held)).is_ok();
        }
        while there && !frames.is_empty() {
            there = self.put(first(&mut frames));
        }
        there
    }

    /// Returns too when the client left.
    async fn has_room(&self) {
        while self.level.bytes.load(Ordering::Acquire) >= ROOM && !self.pieces.is_closed() {
            self.level.fell.notified().await;
        }
    }

    fn put(&self, piece: Bytes) -> bool {
        self.level.bytes.fetch_add(piece.len() + OVERHEAD, Ordering::AcqRel);
        self.pieces.send(Piece::Frames(piece)).is_ok()
    }
}

/// Takes the first piece. The mark of the end stays whole, because it is looked for.
fn first(frames: &mut Bytes) -> Bytes {
    let all = frames.len();
    frames.split_to(if all <= PIECE + DONE.len() { all } else { PIECE })
}

impl ClientFrames {
    /// Frames that are all there, however long.
    pub fn of(frames: Bytes, budget: &Budget) -> Self {
        let (to, of) = client_queue(budget);
        to.push(frames);
        of
    }

    /// The next piece; `None` at the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match self.pieces.poll_recv(cx) {
                Poll::Ready(Some(Piece::Frames(piece))) => {
                    let taken = piece.len() + OVERHEAD;
                    let before = self.level.bytes.fetch_sub(taken, Ordering::AcqRel);
                    if before >= ROOM && before - taken < ROOM {
                        self.level.fell.notify_one();
                    }
                    return Poll::Ready(Some(piece));
                }
                Poll::Ready(Some(Piece::Held(held))) => self.held = Some(held),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for ClientFrames {
    fn drop(&mut self) {
        self.pieces.close();
        self.level.fell.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use or_bounds::Budget;
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    async fn next(frames: &mut ClientFrames) -> Option<Bytes> {
        poll_fn(|cx| frames.poll_next(cx)).await
    }

    #[tokio::test]
    async fn who_fills_it_waits_when_the_bytes_are_there() {
        let (to, mut frames) = client_queue(&Budget::new(0));
        let long = Bytes::from(vec![b'x'; 10 * ROOM]);
        let mut sending = std::pin::pin!(to.send(long.clone()));
        assert!(timeout(SOON, sending.as_mut()).await.is_err());
        let (mut got, mut sent) = (Vec::new(), false);
        while got.len() < long.len() {
            let waiting = frames.level.bytes.load(Ordering::Acquire);
            assert!(waiting < ROOM + PIECE + DONE.len() + OVERHEAD, "{waiting}");
            let piece = next(&mut frames).await.unwrap();
            assert!(piece.len() <= PIECE + DONE.len());
            got.extend_from_slice(&piece);
            sent = sent || timeout(Duration::ZERO, sending.as_mut()).await == Ok(true);
        }
        assert_eq!(got, long);
        assert_eq!(frames.level.bytes.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_that_the_client_left() {
        let (to, frames) = client_queue(&Budget::new(0));
        let mut sending = std::pin::pin!(to.send(vec![b'x'; 2 * ROOM].into()));
        assert!(timeout(SOON, sending.as_mut()).await.is_err());
        drop(frames);
        assert_eq!(timeout(SOON, sending).await, Ok(false));
        assert!(timeout(SOON, to.closed()).await.is_ok());
        assert!(!to.push("end".into()));
    }

    #[tokio::test]
    async fn the_last_frames_do_not_wait_and_what_they_hold_goes_with_them() {
        let budget = Budget::new(10 * ROOM);
        let (to, mut frames) = client_queue(&budget);
        assert!(to.push(vec![b'x'; 3 * ROOM].into()));
        drop(to);
        let mut got = 0;
        while let Some(piece) = next(&mut frames).await {
            got += piece.len();
        }
        assert_eq!((got, budget.used()), (3 * ROOM, 3 * ROOM));
        drop(frames);
        assert_eq!(budget.used(), 0);
    }
}
