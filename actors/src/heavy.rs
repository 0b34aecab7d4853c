//! Work that is too large for an arbiter: on threads of its own, a few pieces at a time, the owners in turn.
//!
//! There are fewer threads than cores, so that something is left of a small machine for the arbiters. They are not those
//! of the blocking pool: memory that one thread gave back is not at hand for another, and that pool has hundreds.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use or_protocol::ApiError;
use or_telemetry::Metrics;
use tokio::sync::oneshot;

use crate::limits::HEAVY;

/// The places for heavy work, and who waits for one. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Heavy(Arc<Inner>);

struct Inner {
    queue: Mutex<Queue>,
    /// To the threads, which end with it. As many jobs as there are places.
    jobs: mpsc::Sender<Job>,
    metrics: Metrics,
}

/// A piece of work in its place. It does not panic.
type Job = Box<dyn FnOnce() + Send>;

struct Queue {
    free: usize,
    /// By owner.
    waiting: HashMap<Arc<str>, VecDeque<oneshot::Sender<Place>>>,
    /// The owners that wait, each once, in the order of their turns.
    turns: VecDeque<Arc<str>>,
}

/// A place at work; the next one's when it is dropped.
#[must_use]
pub struct Place(Option<Heavy>);

/// Whether anybody still waits for a piece of work. It is to be asked between its parts.
#[derive(Clone, Debug, Default)]
pub struct Gone(Arc<AtomicBool>);

/// The work panicked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("work on a large request panicked")]
pub struct WorkPanicked;

impl From<WorkPanicked> for ApiError {
    fn from(_: WorkPanicked) -> Self {
        Self::internal()
    }
}

impl fmt::Debug for Heavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heavy").finish_non_exhaustive()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl Gone {
    /// Whether nobody waits any more.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whoever waits; sets the flag when it is dropped.
struct Waiter(Gone);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl Heavy {
    /// One place less than there are cores, and one at least.
    pub fn new(metrics: Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_places(cores.saturating_sub(1).max(1), metrics)
    }

    fn with_places(free: usize, metrics: Metrics) -> Self {
        let queue = Queue { free, waiting: HashMap::new(), turns: VecDeque::new() };
        let (jobs, coming) = mpsc::channel::<Job>();
        let coming = Arc::new(Mutex::new(coming));
        for n in 0..free {
            let coming = Arc::clone(&coming);
            let thread = thread::Builder::new().name(format!("heavy-{n}")).spawn(move || work(&coming));
            if let Err(error) = thread {
                tracing::error!(%error, "a thread for work on large requests did not start");
            }
        }
        Self(Arc::new(Inner { queue: Mutex::new(queue), jobs, metrics }))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while the lock was held cannot have left the queue half-changed.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. Who stops waiting has no place in the queue any more.
    pub async fn place(&self, owner: &str) -> Place {
        let coming = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Place(Some(self.clone()));
            }
            queue.enter(owner)
        };
        let (_waiting, begun) = (self.0.metrics.heavy_waiting(), Instant::now());
        let place = coming.await;
        self.0.metrics.heavy_waited(begun.elapsed());
        // The queue keeps all senders.
        place.unwrap_or(Place(None))
    }

    /// Does a piece of work in a place of its own. Its time in the queue is its client's; if that is not waited for
    /// any more, neither is the work, and what has begun is told so.
    ///
    /// # Errors
    /// When the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        owner: &str,
        work: impl FnOnce(&Gone) -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        let place = self.place(owner).await;
        self.run_in(place, work).await
    }

    /// The same in a place that was waited for before.
    pub(crate) async fn run_in<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce(&Gone) -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        let gone = Gone::default();
        let _waiter = Waiter(gone.clone());
        let (done, coming) = oneshot::channel();
        let job = move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&gone)));
            drop(place);
            // If nobody waits for it, it is dropped here.
            let _ = done.send(result.map_err(|_| WorkPanicked));
        };
        // The threads live as long as this does.
        let _ = self.0.jobs.send(Box::new(job));
        let result = coming.await.unwrap_or(Err(WorkPanicked));
        if result.is_err() {
            self.0.metrics.panicked();
        }
        result
    }

    /// Does a piece of work on `bytes`: in a place of its own if they are many, otherwise at once.
    ///
    /// # Errors
    /// When the work panicked elsewhere.
    pub async fn sized<T: Send + 'static>(
        &self,
        bytes: usize,
        owner: &str,
        work: impl FnOnce(&Gone) -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        if bytes < HEAVY { Ok(work(&Gone::default())) } else { self.run(owner, work).await }
    }

    /// Hands a place that is free to the next one who waits.
    fn pass_on(&self) {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.leave();
                if next.is_none() {
                    queue.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Place(Some(self.clone()))) {
                Ok(()) => return,
                // It left. Its place is not to be passed on twice.
                Err(mut place) => place.0 = None,
            }
        }
    }
}

/// Does what comes, one after the other.
fn work(coming: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = coming.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        job();
    }
}

impl Queue {
    fn enter(&mut self, owner: &str) -> oneshot::Receiver<Place> {
        let (sender, coming) = oneshot::channel();
        match self.waiting.get_mut(owner) {
            Some(others) => {
                // A client that comes and leaves again and again leaves nothing behind.
                others.retain(|other| !other.is_closed());
                others.push_back(sender);
            }
            None => {
                let owner: Arc<str> = owner.into();
                self.turns.push_back(Arc::clone(&owner));
                self.waiting.insert(owner, VecDeque::from([sender]));
            }
        }
        coming
    }

    /// The next one, of the owner whose turn it is.
    fn leave(&mut self) -> Option<oneshot::Sender<Place>> {
        let owner = self.turns.pop_front()?;
        let others = self.waiting.get_mut(&owner)?;
        let next = others.pop_front();
        if others.is_empty() {
            self.waiting.remove(&owner);
        } else {
            self.turns.push_back(owner);
        }
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(heavy) = self.0.take() {
            heavy.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use pretty_assertions::assert_eq;

    use super::*;

    fn heavy(places: usize) -> Heavy {
        Heavy::with_places(places, Metrics::new().unwrap())
    }

    #[actix_rt::test]
    async fn the_owners_have_their_turns() {
        let heavy = heavy(1);
        let first = heavy.place("alice").await;
        let mut waiting: Vec<_> = ["alice", "alice", "alice", "bob", "carol"]
            .iter()
            .map(|owner| (*owner, Box::pin(heavy.place(owner))))
            .collect();
        assert!(waiting.iter_mut().all(|(_, place)| place.now_or_never_ref().is_none()));
        // One that leaves has no turn.
        drop(waiting.remove(1));
        let (mut order, mut at_work) = (Vec::new(), first);
        while !waiting.is_empty() {
            drop(at_work);
            let found = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, place))| place.now_or_never_ref().map(|place| (at, place)));
            let (at, place) = found.unwrap();
            order.push(waiting.remove(at).0);
            at_work = place;
        }
        assert_eq!(order, ["alice", "bob", "carol", "alice"]);
        drop(at_work);
        assert_eq!(heavy.queue().free, 1);
    }

    trait Look {
        fn now_or_never_ref(&mut self) -> Option<Place>;
    }

    impl<F: Future<Output = Place> + Unpin> Look for F {
        fn now_or_never_ref(&mut self) -> Option<Place> {
            self.now_or_never()
        }
    }

    #[actix_rt::test]
    async fn work_that_nobody_waits_for_is_told_so_and_keeps_its_place_until_it_ends() {
        let heavy = heavy(1);
        let (begun, has_begun) = mpsc::channel();
        let work = heavy.run("alice", move |gone| {
            begun.send(()).unwrap();
            for _ in 0..3000 {
                if gone.is_set() {
                    std::thread::sleep(Duration::from_millis(100));
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            panic!("it was not told");
        });
        {
            let mut work = std::pin::pin!(work);
            while has_begun.try_recv().is_err() {
                assert!((&mut work).now_or_never().is_none());
                actix_rt::time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(heavy.queue().free, 0);
        }
        assert_eq!(heavy.queue().free, 0);
        drop(heavy.place("bob").await);
        assert_eq!(heavy.queue().free, 1);
    }

    #[actix_rt::test]
    async fn a_panic_frees_the_place() {
        let heavy = heavy(1);
        let work = heavy.run("alice", |_| panic!("as a test wants it")).await;
        assert_eq!(work.map(|(): ()| ()), Err(WorkPanicked));
        assert_eq!(heavy.queue().free, 1);
    }

    #[actix_rt::test]
    async fn small_work_is_done_at_once() {
        let heavy = heavy(0);
        assert_eq!(heavy.sized(HEAVY - 1, "alice", |_| 7).now_or_never(), Some(Ok(7)));
        assert_eq!(heavy.sized(HEAVY, "alice", |_| 7).now_or_never(), None);
    }
}
