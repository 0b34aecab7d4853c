//! The one thread that writes: many commits, one batch, one flush.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::StoreError;
use super::db::Write;

/// Commits that may wait; a sender beyond them waits with its record in hand.
const QUEUE: usize = 1024;
/// Most records in one batch.
const BATCH: usize = 256;
/// Most bytes in one batch, unless one record alone is longer.
const BATCH_BYTES: usize = 8 << 20;
/// Most keys removed between two batches.
const SWEEP: usize = 500;
/// Time between two looks for expired responses.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The same while there are more of them than one sweep takes.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);

/// What the thread writes to. A trait so that tests can stand in for the disk.
pub(super) trait Disk: Send + 'static {
    /// Writes all or none; durable on return.
    fn write(&mut self, writes: &[Write]) -> Result<(), StoreError>;

    /// Removes up to `limit` responses created before `cutoff_ms` and tells how many.
    fn expire(&mut self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError>;
}

struct Job {
    write: Write,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to the thread. Dropping it writes what is queued, closes the disk and waits for that.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    healthy: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(disk: impl Disk, retention: Option<Duration>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        // Only its clock is used: to wait for jobs and for the next sweep at once.
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let worker = Worker { disk, retention, healthy: Arc::clone(&healthy) };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || worker.run(&clock, queue))?;
        Ok(Self { jobs: Some(jobs), healthy, thread: Some(thread) })
    }

    /// Queues one record; resolves when it is durable or has failed.
    pub(super) fn commit(&self, write: Write) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let jobs = self.jobs.clone();
        async move {
            let (done, answer) = oneshot::channel();
            let jobs = jobs.ok_or(StoreError::Unavailable)?;
            jobs.send(Job { write, done }).await.map_err(|_| StoreError::Unavailable)?;
            drop(jobs);
            answer.await.unwrap_or(Err(StoreError::Unavailable))
        }
    }

    /// Whether the thread runs and its last batch was written.
    pub(super) fn is_alive(&self) -> bool {
        !self.has_died() && self.healthy.load(Ordering::Relaxed)
    }

    /// Whether the thread is gone.
    pub(super) fn has_died(&self) -> bool {
        self.jobs.as_ref().is_none_or(mpsc::Sender::is_closed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's writer had died");
        }
    }
}

struct Worker<D> {
    disk: D,
    retention: Option<Duration>,
    healthy: Arc<AtomicBool>,
}

impl<D: Disk> Worker<D> {
    fn run(mut self, clock: &tokio::runtime::Runtime, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut sweep_at = Instant::now() + SWEEP_EVERY;
        loop {
            let next = clock.block_on(async {
                match self.retention {
                    Some(_) => timeout_at(sweep_at, queue.recv_many(&mut jobs, BATCH)).await.ok(),
                    None => Some(queue.recv_many(&mut jobs, BATCH).await),
                }
            });
            match next {
                Some(0) => return,
                Some(_) => self.write(&mut jobs),
                None => {}
            }
            if let Some(retention) = self.retention
                && Instant::now() >= sweep_at
            {
                sweep_at = Instant::now() + self.sweep(retention);
            }
        }
    }

    fn write(&mut self, jobs: &mut Vec<Job>) {
        let mut jobs = jobs.drain(..).peekable();
        while let Some(first) = jobs.next() {
            let mut bytes = first.write.bytes.len();
            let (mut writes, mut waiters) = (vec![first.write], vec![first.done]);
            while let Some(job) = jobs.next_if(|job| bytes + job.write.bytes.len() <= BATCH_BYTES) {
                bytes += job.write.bytes.len();
                writes.push(job.write);
                waiters.push(job.done);
            }
            let result = self.guarded(|disk| disk.write(&writes));
            if let Err(error) = &result {
                tracing::error!(%error, records = writes.len(), "a batch of responses was not written");
            }
            self.healthy.store(result.is_ok(), Ordering::Relaxed);
            for waiter in waiters {
                // A request that went away meanwhile does not want to know.
                let _ = waiter.send(result.clone());
            }
        }
    }

    /// Removes some expired responses; the answer is the time until the next sweep.
    fn sweep(&mut self, retention: Duration) -> Duration {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return SWEEP_EVERY };
        let cutoff = now.saturating_sub(retention).as_millis();
        let cutoff = u64::try_from(cutoff).unwrap_or(0);
        match self.guarded(|disk| disk.expire(cutoff, SWEEP)) {
            Ok(SWEEP) => SWEEP_AGAIN,
            Ok(_) => SWEEP_EVERY,
            Err(error) => {
                tracing::error!(%error, "expired responses were not removed");
                SWEEP_EVERY
            }
        }
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut D) -> Result<T, StoreError>) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(|| work(&mut self.disk))).unwrap_or(Err(StoreError::Panicked))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc as gate;

    use futures_util::FutureExt as _;
    use or_protocol::ResponseId;
    use pretty_assertions::assert_eq;

    use super::*;

    /// A disk that notes the size of each batch and waits for a word before each write.
    struct Probe {
        gate: gate::Receiver<Result<(), StoreError>>,
        batches: Arc<Mutex<Vec<usize>>>,
    }

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("beyond catching");
        }
    }

    impl Disk for Probe {
        fn write(&mut self, writes: &[Write]) -> Result<(), StoreError> {
            self.batches.lock().unwrap().push(writes.len());
            match self.gate.recv_timeout(Duration::from_secs(20)).unwrap() {
                Err(StoreError::Panicked) => panic!("as told"),
                Err(StoreError::Unavailable) => std::panic::panic_any(PanicsOnDrop),
                other => other,
            }
        }

        fn expire(&mut self, _: u64, _: usize) -> Result<usize, StoreError> {
            Ok(0)
        }
    }

    struct Bench {
        writer: Writer,
        gate: gate::Sender<Result<(), StoreError>>,
        batches: Arc<Mutex<Vec<usize>>>,
    }

    fn bench() -> Bench {
        let (sender, receiver) = gate::channel();
        let batches = Arc::default();
        let probe = Probe { gate: receiver, batches: Arc::clone(&batches) };
        Bench { writer: Writer::start(probe, None).unwrap(), gate: sender, batches }
    }

    fn write(len: usize) -> Write {
        Write { id: ResponseId::new(), bytes: vec![1; len] }
    }

    /// Queues so many commits and waits until they are in the queue.
    async fn queue(
        bench: &Bench,
        count: usize,
        len: usize,
    ) -> Vec<tokio::task::JoinHandle<Result<(), StoreError>>> {
        let free = || bench.writer.jobs.as_ref().unwrap().capacity();
        let wanted = free().saturating_sub(count);
        let tasks = (0..count).map(|_| tokio::spawn(bench.writer.commit(write(len)))).collect();
        while free() > wanted {
            tokio::task::yield_now().await;
        }
        tasks
    }

    /// Occupies the thread with a first commit.
    async fn occupy(bench: &Bench) -> tokio::task::JoinHandle<Result<(), StoreError>> {
        let first = tokio::spawn(bench.writer.commit(write(1)));
        while bench.batches.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        first
    }

    async fn results(tasks: Vec<tokio::task::JoinHandle<Result<(), StoreError>>>) -> Vec<Option<String>> {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap().err().map(|e| e.to_string()));
        }
        all
    }

    #[tokio::test]
    async fn commits_that_wait_share_a_batch_and_all_are_answered() {
        let bench = bench();
        let mut tasks = vec![occupy(&bench).await];
        tasks.extend(queue(&bench, 300, 1).await);
        for _ in 0..3 {
            bench.gate.send(Ok(())).unwrap();
        }
        assert_eq!(results(tasks).await, vec![None; 301]);
        assert_eq!(*bench.batches.lock().unwrap(), [1, BATCH, 300 - BATCH]);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_bytes() {
        let bench = bench();
        let mut tasks = vec![occupy(&bench).await];
        tasks.extend(queue(&bench, 3, BATCH_BYTES / 2).await);
        tasks.extend(queue(&bench, 1, BATCH_BYTES + 1).await);
        for _ in 0..4 {
            bench.gate.send(Ok(())).unwrap();
        }
        assert_eq!(results(tasks).await, vec![None; 5]);
        assert_eq!(*bench.batches.lock().unwrap(), [1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_full_queue_makes_senders_wait() {
        let bench = bench();
        let first = occupy(&bench).await;
        let mut tasks = queue(&bench, QUEUE, 1).await;
        let mut late = std::pin::pin!(bench.writer.commit(write(1)));
        assert!(late.as_mut().now_or_never().is_none(), "it waits for a place");
        for _ in 0..2 + QUEUE / BATCH {
            bench.gate.send(Ok(())).unwrap();
        }
        assert!(late.await.is_ok());
        tasks.push(first);
        assert_eq!(results(tasks).await, vec![None; QUEUE + 1]);
    }

    #[tokio::test]
    async fn a_failed_batch_fails_all_of_it_and_nothing_after_it() {
        let bench = bench();
        let first = occupy(&bench).await;
        let tasks = queue(&bench, 3, 1).await;
        bench.gate.send(Ok(())).unwrap();
        bench.gate.send(Err(StoreError::Io("disk full".into()))).unwrap();
        assert_eq!(first.await.unwrap().err().map(|e| e.to_string()), None);
        assert_eq!(results(tasks).await, vec![Some("the store failed: disk full".to_owned()); 3]);
        assert!(!bench.writer.is_alive(), "the last batch failed");
        assert!(!bench.writer.has_died());
        bench.gate.send(Ok(())).unwrap();
        assert!(bench.writer.commit(write(1)).await.is_ok());
        assert!(bench.writer.is_alive());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_its_batch_only() {
        let bench = bench();
        bench.gate.send(Err(StoreError::Panicked)).unwrap();
        bench.gate.send(Ok(())).unwrap();
        assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::Panicked)));
        assert!(bench.writer.commit(write(1)).await.is_ok());
    }

    #[tokio::test]
    async fn without_its_thread_the_writer_is_unavailable() {
        let bench = bench();
        assert!(bench.writer.is_alive());
        bench.gate.send(Err(StoreError::Unavailable)).unwrap();
        for _ in 0..2 {
            assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::Unavailable)));
        }
        assert!(!bench.writer.is_alive());
        assert!(bench.writer.has_died());
    }

    #[tokio::test]
    async fn dropping_the_writer_writes_what_is_queued() {
        let bench = bench();
        let first = occupy(&bench).await;
        let tasks = queue(&bench, 5, 1).await;
        bench.gate.send(Ok(())).unwrap();
        bench.gate.send(Ok(())).unwrap();
        drop(bench.writer);
        assert_eq!(*bench.batches.lock().unwrap(), [1, 5]);
        assert!(first.await.unwrap().is_ok());
        assert_eq!(results(tasks).await, vec![None; 5]);
    }

    /// What a probe that only expires was asked.
    struct Sweeper(gate::Sender<(u64, usize)>);

    impl Disk for Sweeper {
        fn write(&mut self, _: &[Write]) -> Result<(), StoreError> {
            Ok(())
        }

        fn expire(&mut self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError> {
            self.0.send((cutoff_ms, limit)).unwrap();
            Ok(if cutoff_ms > 0 { limit } else { 0 })
        }
    }

    #[test]
    fn a_full_sweep_is_soon_followed_by_another() {
        let (asked, asks) = gate::channel();
        let mut worker = Worker { disk: Sweeper(asked), retention: None, healthy: Arc::default() };
        assert_eq!(worker.sweep(Duration::from_secs(60)), SWEEP_AGAIN);
        // Older than time itself: a clock that runs behind removes nothing.
        assert_eq!(worker.sweep(Duration::MAX), SWEEP_EVERY);
        assert_eq!(asks.try_iter().map(|(_, limit)| limit).collect::<Vec<_>>(), [SWEEP, SWEEP]);
    }
}
