//! The stream of one answer, kept while it is made, so that several clients can have it from its beginning.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use memchr::memmem;
use or_bounds::{Budget, Reservation};
use or_protocol::DONE;
use tokio::sync::watch;

use crate::client_queue::{ClientFrames, ToClient, client_queue};

/// The line that tells a failure; inside the data of an event no line begins.
const FAILED: &[u8] = b"event: response.failed\n";

/// Frames of a stream from its first to its last, as far as they are there.
#[derive(Debug)]
pub struct Recording {
    frames: Mutex<Frames>,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct Frames {
    pieces: Vec<Bytes>,
    /// Their bytes, of those in flight.
    held: Option<Reservation>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct State {
    /// Pieces that are there.
    pieces: usize,
    over: bool,
}

impl Recording {
    /// Records a stream to its end, whoever listens. Its bytes count among those in flight as long as it is kept; where they
    /// have no room, it is cut, for all who listen. Needs an actix arbiter.
    pub fn of(mut stream: ClientFrames, budget: &Budget) -> Arc<Self> {
        let recording = Arc::new(Self { frames: Mutex::default(), state: watch::Sender::default() });
        let (kept, budget) = (Arc::clone(&recording), budget.clone());
        actix_rt::spawn(async move {
            while let Some(piece) = poll_fn(|cx| stream.poll_next(cx)).await {
                if !kept.add(piece, &budget) {
                    break;
                }
                kept.state.send_modify(|state| state.pieces += 1);
            }
            kept.state.send_modify(|state| state.over = true);
        });
        recording
    }

    /// Keeps a piece, if there is room for it.
    fn add(&self, piece: Bytes, budget: &Budget) -> bool {
        let mut frames = self.frames();
        let room = match &mut frames.held {
            Some(held) => held.grow(piece.len()),
            held @ None => budget.reserve(piece.len()).map(|new| *held = Some(new)),
        };
        if room.is_ok() {
            frames.pieces.push(piece);
        }
        room.is_ok()
    }

    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when nothing more comes. `true`: it was told to its end.
    pub async fn over(&self) -> bool {
        let mut state = self.state.subscribe();
        // Its sender is here, so it does not go.
        let _ = state.wait_for(|state| state.over).await;
        self.frames().pieces.last().is_some_and(|last| last.ends_with(DONE.as_bytes()))
    }

    /// Whether the stream tells that its response failed.
    pub fn has_failed(&self) -> bool {
        let frames = self.frames();
        let mut joint = Vec::new();
        frames.pieces.iter().rev().any(|piece| {
            // A long frame is cut into pieces, anywhere.
            joint.splice(..0, piece.iter().copied().skip(piece.len().saturating_sub(FAILED.len())));
            joint.truncate(2 * FAILED.len());
            let found = memmem::find(piece, FAILED).or_else(|| memmem::find(&joint, FAILED)).is_some();
            joint.splice(.., piece.iter().copied().take(FAILED.len()));
            found
        })
    }

    /// Bytes of all frames so far.
    pub fn bytes(&self) -> usize {
        self.frames().held.as_ref().map_or(0, Reservation::bytes)
    }

    /// The stream from its beginning. Needs an actix arbiter.
    pub fn listen(self: &Arc<Self>, budget: &Budget) -> ClientFrames {
        let (client, frames) = client_queue(budget);
        actix_rt::spawn(tell(Arc::clone(self), client));
        frames
    }
}

/// Sends all frames to a client, until it leaves.
async fn tell(recording: Arc<Recording>, client: ToClient) {
    let mut state = recording.state.subscribe();
    let mut next = 0;
    loop {
        let State { pieces, over } = *state.borrow_and_update();
        while next < pieces {
            let piece = recording.frames().pieces.get(next).cloned().unwrap_or_default();
            next += 1;
            if !client.send(piece).await {
                return;
            }
        }
        if over {
            return;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = client.closed() => return,
        }
    }
}
