//! Tests of the thread that writes.

use std::sync::mpsc as gate;

use futures_util::FutureExt as _;
use or_protocol::ResponseId;
use pretty_assertions::assert_eq;

use super::*;
use crate::ApprovalState;
use crate::sled::db::write::{Content, RecordBytes, RecordState};

/// What a recovery is noted as.
const RECOVERY: isize = 0;

/// What a batch of marks is noted as, beside its size.
const MARKS: isize = 10_000;

/// A disk that notes the size of each batch, with a minus if it removes, and waits for a word before each.
struct Probe {
    gate: gate::Receiver<Result<(), StoreError>>,
    batches: Arc<Mutex<Vec<isize>>>,
}

impl Probe {
    fn note(&self, size: isize) -> Result<(), StoreError> {
        self.batches.lock().unwrap().push(size);
        match self.gate.recv_timeout(Duration::from_secs(60)).unwrap() {
            Err(StoreError::Panicked) => panic!("as told"),
            Err(StoreError::Unavailable) => std::panic::panic_any(PanicsOnDrop),
            other => other,
        }
    }
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("beyond catching");
    }
}

impl Disk for Probe {
    fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.note(writes.len().cast_signed())
    }

    /// Every second one was used.
    fn mark(
        &mut self,
        marks: &[(ApprovalId, ApprovalMark)],
        _: u64,
    ) -> Result<Vec<Result<Marked, StoreError>>, StoreError> {
        self.note(MARKS + marks.len().cast_signed())?;
        let told = |n, by: &ResponseId| if n % 2 == 0 { Marked::Written } else { Marked::Used(by.clone()) };
        Ok(marks.iter().enumerate().map(|(n, (_, mark))| Ok(told(n, &mark.by))).collect())
    }

    /// Every second one is there.
    fn remove(&mut self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
        self.note(-ids.len().cast_signed())?;
        Ok((0..ids.len()).map(|n| n % 2 == 0).collect())
    }

    fn expire(&mut self, _: u64, _: usize) -> Result<usize, StoreError> {
        Ok(0)
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        self.note(RECOVERY)
    }
}

struct Bench {
    writer: Writer,
    gate: gate::Sender<Result<(), StoreError>>,
    batches: Arc<Mutex<Vec<isize>>>,
}

fn bench() -> Bench {
    let (sender, receiver) = gate::channel();
    let batches = Arc::default();
    let probe = Probe { gate: receiver, batches: Arc::clone(&batches) };
    Bench { writer: Writer::start(probe, None, None).unwrap(), gate: sender, batches }
}

fn trouble(error: &StoreError) -> Health {
    Health::Trouble(error.to_string())
}

fn write(len: usize) -> Write {
    let record = RecordBytes { content: Content::Bytes(vec![1; len]), state: RecordState::Over };
    Write { id: ResponseId::new(), record: Some(record), appends: Vec::new(), outbox: Vec::new() }
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
    assert_eq!(*bench.batches.lock().unwrap(), [1, BATCH.cast_signed(), 300 - BATCH.cast_signed()]);
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
    assert_eq!(bench.writer.health(), trouble(&StoreError::Io("disk full".into())), "the last batch failed");
    bench.gate.send(Ok(())).unwrap();
    bench.gate.send(Ok(())).unwrap();
    assert!(bench.writer.commit(write(1)).await.is_ok());
    assert_eq!(bench.writer.health(), Health::Good);
    assert_eq!(*bench.batches.lock().unwrap(), [1, 3, RECOVERY, 1]);
}

#[tokio::test]
async fn a_disk_that_failed_is_tried_again_by_itself() {
    let bench = bench();
    let full = || StoreError::Io("disk full".into());
    for answer in [Err(full()), Err(full())] {
        bench.gate.send(answer).unwrap();
    }
    assert!(bench.writer.commit(write(1)).await.is_err());
    // It was tried again at once; until the next time nobody waits for the disk.
    while bench.batches.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(bench.writer.commit(write(1)).await.is_err());
    assert!(bench.writer.remove(ResponseId::new()).await.is_err());
    assert_eq!(bench.writer.health(), trouble(&full()));
    bench.gate.send(Ok(())).unwrap();
    while bench.writer.health() != Health::Good {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*bench.batches.lock().unwrap(), [1, RECOVERY, RECOVERY]);
}

#[tokio::test]
async fn without_room_something_can_be_removed() {
    let bench = bench();
    for answer in [Err(StoreError::NoRoom), Err(StoreError::NoRoom), Ok(())] {
        bench.gate.send(answer).unwrap();
    }
    assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::NoRoom)));
    assert!(matches!(bench.writer.remove(ResponseId::new()).await, Ok(true)));
    assert_eq!(bench.writer.health(), trouble(&StoreError::NoRoom));
    assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::NoRoom)));
    assert_eq!(*bench.batches.lock().unwrap(), [1, RECOVERY, -1]);
}

#[tokio::test]
async fn a_disk_that_does_not_answer_is_trouble_until_it_does() {
    let bench = bench();
    let first = occupy(&bench).await;
    assert_eq!(bench.writer.health(), Health::Good);
    while bench.writer.health() == Health::Good {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(bench.writer.health(), Health::Trouble(_)));
    bench.gate.send(Ok(())).unwrap();
    assert!(first.await.unwrap().is_ok());
    while bench.writer.health() != Health::Good {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_the_disks_fault() {
    let bench = bench();
    bench.gate.send(Err(StoreError::TooLong(7))).unwrap();
    bench.gate.send(Ok(())).unwrap();
    assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::TooLong(7))));
    assert_eq!(bench.writer.health(), Health::Good);
    assert!(bench.writer.commit(write(1)).await.is_ok());
}

#[tokio::test]
async fn removals_keep_their_place_among_commits() {
    let bench = bench();
    let mut commits = vec![occupy(&bench).await];
    let mut removals = Vec::new();
    for round in 0..2 {
        commits.extend(queue(&bench, 3, 1).await);
        for _ in 0..REMOVALS + 1 - round {
            let free = bench.writer.jobs.as_ref().unwrap().capacity();
            removals.push(tokio::spawn(bench.writer.remove(ResponseId::new())));
            while bench.writer.jobs.as_ref().unwrap().capacity() == free {
                tokio::task::yield_now().await;
            }
        }
    }
    for n in 0..7 {
        let full = || StoreError::Io("disk full".into());
        bench.gate.send(if n == 3 { Err(full()) } else { Ok(()) }).unwrap();
    }
    assert_eq!(results(commits).await, vec![None; 7]);
    let mut got = Vec::new();
    for removal in removals {
        got.push(removal.await.unwrap().map_err(|e| e.to_string()));
    }
    let batch = |size: usize| (0..size).map(|n| Ok(n % 2 == 0)).collect::<Vec<_>>();
    let failed = vec![Err("the store failed: disk full".to_owned())];
    assert_eq!(got, [batch(REMOVALS), failed, batch(REMOVALS)].concat());
    let all = REMOVALS.cast_signed();
    assert_eq!(*bench.batches.lock().unwrap(), [1, 3, -all, -1, RECOVERY, 3, -all]);
}

fn marked(bench: &Bench) -> impl Future<Output = Result<Marked, StoreError>> + Send + use<> {
    let mark = ApprovalMark { state: ApprovalState::Started, by: ResponseId::new() };
    bench.writer.mark(ApprovalId { response: ResponseId::new(), index: 0 }, mark)
}

#[tokio::test]
async fn marks_that_wait_share_a_batch_and_each_is_told_its_own() {
    let bench = bench();
    let first = occupy(&bench).await;
    let mut marks = Vec::new();
    for _ in 0..4 {
        let free = bench.writer.jobs.as_ref().unwrap().capacity();
        marks.push(tokio::spawn(marked(&bench)));
        while bench.writer.jobs.as_ref().unwrap().capacity() == free {
            tokio::task::yield_now().await;
        }
    }
    let last = queue(&bench, 1, 1).await;
    for _ in 0..3 {
        bench.gate.send(Ok(())).unwrap();
    }
    assert_eq!(results(vec![first]).await, [None]);
    assert_eq!(results(last).await, [None]);
    for (n, mark) in marks.into_iter().enumerate() {
        assert_eq!(mark.await.unwrap().unwrap() == Marked::Written, n % 2 == 0, "{n}");
    }
    assert_eq!(bench.writer.health(), Health::Good, "a refusal is not the disk's fault");
    assert_eq!(*bench.batches.lock().unwrap(), [1, MARKS + 4, 1]);
}

#[tokio::test]
async fn an_approval_is_not_marked_on_a_disk_that_cannot_write() {
    for error in [StoreError::NoRoom, StoreError::Io("disk full".into())] {
        let bench = bench();
        // The mark itself, and the trial behind it.
        for _ in 0..2 {
            bench.gate.send(Err(error.clone())).unwrap();
        }
        let want = Some(error.to_string());
        assert_eq!(marked(&bench).await.err().map(|e| e.to_string()), want);
        assert_eq!(bench.writer.health(), trouble(&error));
        assert_eq!(marked(&bench).await.err().map(|e| e.to_string()), want);
        assert_eq!(*bench.batches.lock().unwrap(), [MARKS + 1, RECOVERY]);
    }
}

#[tokio::test]
async fn a_panic_is_an_error_for_its_batch_only() {
    let bench = bench();
    bench.gate.send(Err(StoreError::Panicked)).unwrap();
    bench.gate.send(Ok(())).unwrap();
    bench.gate.send(Ok(())).unwrap();
    assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::Panicked)));
    assert!(bench.writer.commit(write(1)).await.is_ok());
}

#[tokio::test]
async fn without_its_thread_the_writer_is_unavailable() {
    let bench = bench();
    assert_eq!(bench.writer.health(), Health::Good);
    bench.gate.send(Err(StoreError::Unavailable)).unwrap();
    for _ in 0..2 {
        assert!(matches!(bench.writer.commit(write(1)).await, Err(StoreError::Unavailable)));
    }
    assert_eq!(bench.writer.health(), Health::Dead("the store is not running".into()));
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

#[test]
fn a_disk_that_never_closes_does_not_stop_the_stop() {
    struct Stuck(gate::Receiver<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    impl Disk for Stuck {
        fn write(&mut self, _: Vec<Write>) -> Result<(), StoreError> {
            Ok(())
        }

        fn mark(
            &mut self,
            _: &[(ApprovalId, ApprovalMark)],
            _: u64,
        ) -> Result<Vec<Result<Marked, StoreError>>, StoreError> {
            Ok(Vec::new())
        }

        fn remove(&mut self, _: &[ResponseId]) -> Result<Vec<bool>, StoreError> {
            Ok(Vec::new())
        }

        fn expire(&mut self, _: u64, _: usize) -> Result<usize, StoreError> {
            Ok(0)
        }

        fn recover(&mut self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    let (release, stuck) = gate::channel();
    // Comes back at all: the disk is released only afterwards.
    drop(Writer::start(Stuck(stuck), None, None).unwrap());
    drop(release);
}
