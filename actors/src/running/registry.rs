//! The responses in progress on all arbiters.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use or_protocol::{ApiError, ErrorKind, ResponseId};

use super::messages::{CancelReason, EndAsked, Peeked};
use super::status::{RunningResponse, Status};
use super::tail::EventLog;

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
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) status: Arc<Status>,
    /// Of a background response that streams.
    pub(crate) log: Option<Arc<EventLog>>,
}

/// The responses in progress on all arbiters.
pub struct Running {
    /// How many there may be.
    limit: usize,
    admitted: AtomicUsize,
    stopping: AtomicBool,
    handles: Mutex<HashMap<ResponseId, Handle>>,
    /// What the process before left to be gone on with; each supervisor takes some at its start.
    unfinished: Mutex<VecDeque<(ResponseId, String)>>,
}

impl Running {
    /// Nothing runs yet. `limit`: how many may at the same time. `unfinished`: what is to be gone on with, and whose it
    /// is.
    pub(crate) fn new(limit: usize, unfinished: Vec<(ResponseId, String)>) -> Self {
        Self {
            limit,
            admitted: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            handles: Mutex::new(HashMap::new()),
            unfinished: Mutex::new(unfinished.into()),
        }
    }

    /// Takes a place, or says why there is none.
    pub(crate) fn admit(&self) -> Result<(), ApiError> {
        if self.stopping() {
            let text = "The server is shutting down. Please try again later.";
            let error = ApiError::new(ErrorKind::Unavailable, text).with_code("shutting_down");
            return Err(ApiError { retry_after_s: Some(5), ..error });
        }
        if self.admitted.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.admitted.fetch_sub(1, Ordering::Relaxed);
            let text = "Too many responses are in progress on this server. Please try again later.";
            let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("rate_limit_exceeded");
            return Err(ApiError { retry_after_s: Some(1), ..error });
        }
        Ok(())
    }

    /// Takes a place for a response that was admitted before a restart.
    pub(crate) fn admit_again(&self) {
        self.admitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a place back.
    pub(crate) fn release(&self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<ResponseId, Handle>> {
        // A panic while the lock was held cannot have left the map half-changed.
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self, id: ResponseId, handle: Handle) {
        self.handles().insert(id, handle);
    }

    pub(crate) fn unregister(&self, id: &ResponseId) {
        self.handles().remove(id);
    }

    /// A response that is to be gone on with; each is given out once.
    pub(crate) fn next_unfinished(&self) -> Option<(ResponseId, String)> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
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
        Some(self.door(id)?.end(owner, background_only).await)
    }

    /// Takes no new work from now on.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
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
