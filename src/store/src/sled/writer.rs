//! The one thread that writes: many commits, one batch, one flush.

mod disk;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use or_protocol::ResponseId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

pub(super) use disk::Disk;

use super::db::write::Write;
use super::retention::Retention;
use crate::{ApprovalId, ApprovalMark, Health, KeyChange, Marked, StoreError};

/// Commits that may wait; a sender beyond them waits with its record in hand.
const QUEUE: usize = 1024;
/// Most records in one batch.
const BATCH: usize = 256;
/// Most bytes in one batch, unless one record alone is longer.
const BATCH_BYTES: usize = 8 << 20;
/// Most responses removed in one batch; one may have thousands of keys.
const REMOVALS: usize = 32;
/// Time between two trials of a disk that failed; the first comes at once.
const RETRY: Duration = Duration::from_secs(2);

/// How long the disk may work on one batch before it counts as failed: a share on a network, say, that does not
/// answer. It may still come back.
const STUCK: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });

/// How long the disk may take to close. By then everything that was answered for is written; sled 0.34 can
/// wait for itself for ever when it is closed.
const CLOSING: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });

/// What is asked of the thread. It does one after the other, in the order of their coming.
enum Job {
    Commit { write: Write, done: oneshot::Sender<Result<(), StoreError>> },
    Mark { id: ApprovalId, mark: ApprovalMark, done: oneshot::Sender<Result<Marked, StoreError>> },
    Remove { id: ResponseId, done: oneshot::Sender<Result<bool, StoreError>> },
    Keys { changes: Vec<KeyChange>, done: oneshot::Sender<Result<(), StoreError>> },
}

/// How the disk is, as others may know.
#[derive(Default)]
struct State {
    /// Why it cannot be written to.
    trouble: Option<StoreError>,
    /// Since when it works on something.
    busy_since: Option<Instant>,
}

/// The way to the thread. Dropping it writes what is queued, closes the disk and waits for that,
/// though not for ever.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread is over. The lock makes it shareable; it is never taken.
    over: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Writer {
    /// Starts the thread. `trouble`: why the disk cannot be written to from the start.
    pub(super) fn start(
        disk: impl Disk,
        retention: Option<Duration>,
        trouble: Option<StoreError>,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (ends, over) = std::sync::mpsc::channel();
        // Only its clock is used: to wait for jobs and for the next sweep at once.
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let wall = SystemTime::now();
        let mut retention = retention.map(|keep| Retention::new(keep, wall, Instant::now()));
        if let Some(retention) = &mut retention
            && let Some(then) = retention.witness(wall)
            && disk.has_witness(then)
        {
            retention.believe(wall);
        }
        let retry_at = trouble.as_ref().map(|_| Instant::now() + RETRY);
        let worker = Worker { disk, retention, state: Arc::default(), retry_at };
        worker.is_now(trouble);
        let state = Arc::clone(&worker.state);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            let _over = ends;
            worker.run(&clock, queue);
        })?;
        Ok(Self { jobs: Some(jobs), state, thread: Some(thread), over: Mutex::new(over) })
    }

    /// Queues one record; resolves when it is durable or has failed.
    pub(super) fn commit(&self, write: Write) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.queue(move |done| Job::Commit { write, done })
    }

    /// Queues the mark of one approval; resolves when it is durable, is not to be written, or has failed.
    pub(super) fn mark(
        &self,
        id: ApprovalId,
        mark: ApprovalMark,
    ) -> impl Future<Output = Result<Marked, StoreError>> + Send + use<> {
        self.queue(move |done| Job::Mark { id, mark, done })
    }

    /// Queues the removal of one response; resolves when that is durable or has failed, and says whether it was
    /// there.
    pub(super) fn remove(
        &self,
        id: ResponseId,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + use<> {
        self.queue(move |done| Job::Remove { id, done })
    }

    /// Queues changes of client keys; resolves when they are durable or have failed.
    pub(super) fn change_keys(
        &self,
        changes: Vec<KeyChange>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.queue(move |done| Job::Keys { changes, done })
    }

    fn queue<T, F>(&self, job: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send,
        F: FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job + Send,
    {
        let jobs = self.jobs.clone();
        async move {
            let (done, answer) = oneshot::channel();
            let jobs = jobs.ok_or(StoreError::Unavailable)?;
            jobs.send(job(done)).await.map_err(|_| StoreError::Unavailable)?;
            drop(jobs);
            answer.await.unwrap_or(Err(StoreError::Unavailable))
        }
    }

    /// Whether commits can succeed; never again if the thread is gone.
    pub(super) fn health(&self) -> Health {
        if self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Health::Dead(StoreError::Unavailable.to_string());
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = match state.busy_since.map(|since| since.elapsed()) {
            Some(busy) if busy > STUCK => {
                Some(StoreError::Io(format!("the disk has not answered for {} seconds", busy.as_secs())))
            }
            Some(_) | None => state.trouble.clone(),
        };
        trouble.map_or(Health::Good, |error| Health::Trouble(error.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        let over = self.over.get_mut().unwrap_or_else(PoisonError::into_inner);
        if over.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
            return tracing::error!("the store did not close in time; what was answered for is on disk");
        }
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's writer had died");
        }
    }
}

type Jobs<'a> = std::iter::Peekable<std::vec::Drain<'a, Job>>;

struct Worker<D> {
    disk: D,
    retention: Option<Retention>,
    state: Arc<Mutex<State>>,
    /// When to try a disk that failed again.
    retry_at: Option<Instant>,
}

impl<D: Disk> Worker<D> {
    fn run(mut self, clock: &tokio::runtime::Runtime, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        loop {
            let sweep_at = self.retention.as_ref().map(Retention::next);
            let wake_at = self.retry_at.into_iter().chain(sweep_at).min();
            let next = clock.block_on(async {
                match wake_at {
                    Some(at) => timeout_at(at, queue.recv_many(&mut jobs, BATCH)).await.ok(),
                    None => Some(queue.recv_many(&mut jobs, BATCH).await),
                }
            });
            match next {
                Some(0) => return self.disk.close(),
                Some(_) => self.work(&mut jobs),
                None => {}
            }
            // Said to whoever asks.
            let _ = self.mended();
            self.sweep();
        }
    }

    /// Does the jobs in their order; neighbours of one kind share a batch.
    fn work(&mut self, jobs: &mut Vec<Job>) {
        let mut jobs = jobs.drain(..).peekable();
        while let Some(first) = jobs.next() {
            match first {
                Job::Commit { write, done } => self.write(write, done, &mut jobs),
                Job::Mark { id, mark, done } => self.mark(id, mark, done, &mut jobs),
                Job::Remove { id, done } => self.remove(id, done, &mut jobs),
                Job::Keys { changes, done } => {
                    let _ = done.send(
                        self.removable().and_then(|()| self.attempt(|disk| disk.change_keys(&changes))),
                    );
                }
            }
        }
    }

    fn write(&mut self, write: Write, done: oneshot::Sender<Result<(), StoreError>>, jobs: &mut Jobs<'_>) {
        let mut bytes = write.len();
        let (mut writes, mut waiters) = (vec![write], vec![done]);
        let fits = |job: &Job, bytes| match job {
            Job::Commit { write, .. } => bytes + write.len() <= BATCH_BYTES,
            Job::Mark { .. } | Job::Remove { .. } | Job::Keys { .. } => false,
        };
        while let Some(Job::Commit { write, done }) = jobs.next_if(|job| fits(job, bytes)) {
            bytes += write.len();
            // Its end is in the same batch.
            if let Some(begun) = writes.iter().position(|other| other.is_begun() && other.id == write.id) {
                writes.remove(begun);
            }
            writes.push(write);
            waiters.push(done);
        }
        let records = writes.len();
        let result = self.mended().and_then(|()| self.attempt(|disk| disk.write(writes)));
        if let Err(error) = &result {
            tracing::debug!(%error, records, "a batch of responses was not written");
        }
        for waiter in waiters {
            // A request that went away meanwhile does not want to know.
            let _ = waiter.send(result.clone());
        }
    }

    fn mark(
        &mut self,
        id: ApprovalId,
        mark: ApprovalMark,
        done: oneshot::Sender<Result<Marked, StoreError>>,
        jobs: &mut Jobs<'_>,
    ) {
        let (mut marks, mut waiters) = (vec![(id, mark)], vec![done]);
        while let Some(Job::Mark { id, mark, done }) = jobs.next_if(|job| matches!(job, Job::Mark { .. })) {
            marks.push((id, mark));
            waiters.push(done);
        }
        let cutoff_ms = self.retention.as_ref().and_then(|keep| keep.cutoff(SystemTime::now()));
        let work = |disk: &mut D| disk.mark(&marks, cutoff_ms.unwrap_or(0));
        let told = self.mended().and_then(|()| self.attempt(work)).unwrap_or_else(|error| {
            tracing::debug!(%error, approvals = marks.len(), "approvals were not marked");
            vec![Err(error); marks.len()]
        });
        for (waiter, told) in waiters.into_iter().zip(told) {
            let _ = waiter.send(told);
        }
    }

    fn remove(
        &mut self,
        id: ResponseId,
        done: oneshot::Sender<Result<bool, StoreError>>,
        jobs: &mut Jobs<'_>,
    ) {
        let (mut ids, mut waiters) = (vec![id], vec![done]);
        while ids.len() < REMOVALS
            && let Some(Job::Remove { id, done }) = jobs.next_if(|job| matches!(job, Job::Remove { .. }))
        {
            ids.push(id);
            waiters.push(done);
        }
        let result = self.removable().and_then(|()| self.attempt(|disk| disk.remove(&ids)));
        if let Err(error) = &result {
            tracing::debug!(%error, responses = ids.len(), "responses were not removed");
        }
        for (n, waiter) in waiters.into_iter().enumerate() {
            let there = result.as_ref().map(|found| found.get(n).copied().unwrap_or_default());
            let _ = waiter.send(there.map_err(Clone::clone));
        }
    }

    /// Removes some expired responses if it is time.
    fn sweep(&mut self) {
        let Some(retention) = &mut self.retention else { return };
        let begin = Instant::now();
        let Some((cutoff_ms, limit)) = retention.due(SystemTime::now(), begin) else { return };
        let removed = self.removable().and_then(|()| self.attempt(|disk| disk.expire(cutoff_ms, limit)));
        if let Some(retention) = &mut self.retention {
            retention.swept(removed.unwrap_or(0), begin, Instant::now());
        }
    }

    /// Works on the disk, and notes it if that fails.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut D) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = self.guarded(work);
        if let Err(error) = &result
            && !error.is_permanent()
        {
            self.retry_at = Some(Instant::now());
            self.is_now(Some(error.clone()));
        }
        result
    }

    /// Whether the disk is well; one that failed is tried again when it is time.
    fn mended(&mut self) -> Result<(), StoreError> {
        let Some(retry_at) = self.retry_at else { return Ok(()) };
        if Instant::now() >= retry_at {
            match self.guarded(Disk::recover) {
                Ok(()) => {
                    self.retry_at = None;
                    self.is_now(None);
                }
                Err(error) => {
                    self.retry_at = Some(Instant::now() + RETRY);
                    self.is_now(Some(error));
                }
            }
        }
        self.state().trouble.clone().map_or(Ok(()), Err)
    }

    /// Whether something can be removed: some room is kept for that.
    fn removable(&mut self) -> Result<(), StoreError> {
        match self.mended() {
            Err(StoreError::NoRoom) => Ok(()),
            other => other,
        }
    }

    /// Notes the disk's state, and says so in the log when it changes.
    fn is_now(&self, trouble: Option<StoreError>) {
        let mut state = self.state();
        match (&state.trouble, &trouble) {
            (None, Some(error)) => {
                tracing::error!(%error, "THE STORE CANNOT WRITE: stored responses fail until it can")
            }
            (Some(_), None) => tracing::warn!("the store writes again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        state.trouble = trouble;
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut D) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.state().busy_since = Some(Instant::now());
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut self.disk)));
        self.state().busy_since = None;
        result.unwrap_or(Err(StoreError::Panicked))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tests/writer.rs"]
mod tests;
