//! The responses in progress on all arbiters.

use std::collections::{HashMap, HashSet};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use or_protocol::ResponseId;

use super::messages::{CancelReason, EndAsked, Peeked};
use super::places::{Full, Next, Place, Places, Unfinished};
use super::status::{RunningResponse, Status};
use super::tail::EventLog;
use crate::limits::Limits;

/// Reaches a running response, wherever it runs.
pub(crate) trait Door: Send + Sync {
    /// Asks it to end, without waiting for that.
    fn cancel(&self, reason: CancelReason);

    /// Asks for the response as it is.
    fn peek(&self, owner: &str) -> Answer<Peeked>;

    /// Asks it to end for its owner, and waits for that.
    fn end(&self, owner: &str, background_only: bool) -> Answer<EndAsked>;
}

/// What comes back through a door.
pub(crate) type Answer<T> = Pin<Box<dyn Future<Output = T>>>;

/// A running response as the registry has it.
pub(crate) struct Handle {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) status: Arc<Status>,
    /// Of a background response that streams.
    pub(crate) log: Option<Arc<EventLog>>,
    /// Its place, which is given back with this.
    pub(crate) _place: Place,
}

/// The responses in progress on all arbiters.
pub struct Running {
    places: Arc<Places>,
    stopping: AtomicBool,
    handles: Mutex<HashMap<ResponseId, Handle>>,
    /// What a process before left, and has no loop yet.
    coming: Mutex<HashSet<ResponseId>>,
}

impl Running {
    /// Nothing runs yet. `unfinished`: what is to be gone on with, and whose it is.
    pub(crate) fn new(limits: &Limits, unfinished: Vec<(ResponseId, String)>) -> Self {
        let coming = unfinished.iter().map(|(id, _)| id.clone()).collect();
        let places = Places::new(limits, unfinished);
        let (stopping, handles) = (AtomicBool::new(false), Mutex::new(HashMap::new()));
        Self { places, stopping, handles, coming: Mutex::new(coming) }
    }

    /// Takes a place for this owner, or says why there is none.
    pub(crate) fn admit(&self, owner: &str, background: bool) -> Result<Place, Full> {
        if self.stopping() { Err(Full::Stopping) } else { self.places.take(owner, background) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.places.count()
    }

    /// How many wait to be gone on with.
    pub fn waiting(&self) -> usize {
        self.places.unfinished()
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<ResponseId, Handle>> {
        // A panic while the lock was held cannot have left the map half-changed.
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: ResponseId, handle: Handle) {
        self.handles().insert(id.clone(), handle);
        // Behind that, so that whoever does not find it here finds its loop, or what that left.
        self.stays_away(&id);
    }

    fn coming(&self) -> MutexGuard<'_, HashSet<ResponseId>> {
        // The same.
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a response without a loop gets one: it is what a process before left.
    pub(crate) fn is_coming(&self, id: &ResponseId) -> bool {
        self.coming().contains(id)
    }

    /// It does not, or has it.
    pub(crate) fn stays_away(&self, id: &ResponseId) {
        self.coming().remove(id);
    }

    pub(crate) fn unregister(&self, id: &ResponseId) {
        let ended = self.handles().remove(id);
        drop(ended);
    }

    /// Waits for a place for one of the responses that are to be gone on with; each is given out once. `None`: there
    /// are no more, or the server stops.
    pub(crate) async fn next_unfinished(&self) -> Option<Unfinished> {
        loop {
            let mut freed = pin!(self.places.freed.notified());
            // From here on, so that nothing is missed between the look and the wait.
            freed.as_mut().enable();
            if self.stopping() {
                return None;
            }
            match self.places.next_unfinished() {
                Next::Go(unfinished) => return Some(unfinished),
                Next::Done => return None,
                Next::Wait => freed.await,
            }
        }
    }

    /// Whether the response is in progress.
    pub(crate) fn contains(&self, id: &ResponseId) -> bool {
        self.handles().contains_key(id)
    }

    /// The log of a running background response that streams.
    pub(crate) fn event_log(&self, id: &ResponseId) -> Option<Arc<EventLog>> {
        self.handles().get(id).and_then(|handle| handle.log.clone())
    }

    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<RunningResponse> {
        let all: Vec<_> = self.handles().values().map(|handle| Arc::clone(&handle.status)).collect();
        let mut all: Vec<_> = all.iter().map(|status| status.look()).collect();
        all.sort_by_key(|response| std::cmp::Reverse(response.age));
        all
    }

    fn door(&self, id: &ResponseId) -> Option<Arc<dyn Door>> {
        self.handles().get(id).map(|handle| Arc::clone(&handle.door))
    }

    /// A response of this owner that is in progress, as it is.
    pub async fn peek(&self, id: &ResponseId, owner: &str) -> Peeked {
        match self.door(id) {
            Some(door) => door.peek(owner).await,
            None => Peeked::AskStore,
        }
    }

    /// Ends a response of this owner that is in progress, and waits for that; `None` if it is not.
    pub(super) async fn end(&self, id: &ResponseId, owner: &str, background_only: bool) -> Option<EndAsked> {
        let Some(door) = self.door(id) else {
            self.places.hurry(id, owner);
            return None;
        };
        Some(door.end(owner, background_only).await)
    }

    /// Takes over new bounds of how many there may be; what runs goes on.
    pub fn set_limits(&self, limits: &Limits) {
        self.places.set_limits(limits);
    }

    /// Takes no new work from now on.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.places.freed.notify_waiters();
    }

    /// Whether `begin_stop` was called.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Leaves background responses of which nothing was shown to the next start.
    pub fn park(&self) {
        self.cancel_all(CancelReason::Park);
    }

    /// Ends every running response with a terminal event. Returns how many there were.
    pub fn stop_all(&self) -> usize {
        self.cancel_all(CancelReason::Shutdown)
    }

    fn cancel_all(&self, reason: CancelReason) -> usize {
        let all: Vec<_> = self.handles().values().map(|handle| Arc::clone(&handle.door)).collect();
        for door in &all {
            door.cancel(reason);
        }
        all.len()
    }
}
