//! Writing down a background response: for as long as the disk takes, and no longer than it can help.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use or_engine::{Action, Input, Outcome, Output, ResponseLoop};
use or_protocol::{ApiError, ErrorKind};
use or_store::{Frames, StoreError, StoredResponse};
use tokio::time::{sleep, timeout};

use super::{Driver, Step};
use crate::response::attend::{Interrupt, Waited};
use crate::response::interrupts::took_too_long;
use crate::response::sink::Sink;
use crate::running::{CancelReason, Phase};

/// A write that takes longer is waited for with an ear for what comes from outside.
const PROMPT: Duration = Duration::from_secs(1);
/// Between two tries to write, first and at most.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
const WRITE_AGAIN_MAX: Duration = Duration::from_secs(2);
/// Most bytes of rows that are written at once, unless one alone is longer.
const PART: usize = 4 << 20;
/// A store that panics over a write so many times will not write it.
const PANICS: u32 = 3;

/// What is to be written beside the frames that the sink holds, and what comes then.
struct Keeping {
    record: Option<Arc<StoredResponse>>,
    then: Step,
    /// The end was decided while this was being written, and whoever asks is told of it before it is on disk.
    early: bool,
    /// A write has failed.
    failed: bool,
    /// If this cannot be written either, nothing is.
    last_resort: bool,
}

/// How many rows are written at once, if nothing has to be written with them: the store has copies of what it writes.
fn first_part(rows: &[Frames]) -> usize {
    let mut bytes = 0;
    let is_over = |row: &Frames| {
        bytes += row.bytes.len();
        bytes > PART
    };
    rows.iter().position(is_over).unwrap_or(rows.len()).max(1)
}

impl Driver {
    /// Writes a record with all frames that are not on disk yet, then goes on with `then`.
    ///
    /// Nothing is told before it is on disk. While the disk does not write, a look, a cancellation, a deletion, the
    /// deadline and a stop of the server have their effect all the same; what can never be written ends the response.
    pub(crate) async fn keep(&mut self, record: Option<StoredResponse>, frames: Vec<u8>, then: Step) -> Step {
        let record = record.map(Arc::new);
        self.span.told(&frames);
        self.attend.sink.hold(frames);
        let mut keeping = Keeping { record, then, early: false, failed: false, last_resort: false };
        if let Some(error) = keeping.record.as_ref().and_then(|record| self.recorder.too_large(record)) {
            self.decide(Input::Failed(error), &mut keeping).await;
        }
        self.keep_all(keeping).await
    }

    async fn keep_all(&mut self, mut keeping: Keeping) -> Step {
        let _phase = self.status.enter(Phase::Storing);
        let (mut pause, mut panics) = (WRITE_AGAIN, 0);
        loop {
            let record = keeping.record.clone();
            let mut rows = self.attend.sink.unwritten();
            if record.is_none() {
                rows.truncate(first_part(&rows));
            }
            let count = rows.len();
            let mut work = Box::pin(self.recorder.write(record.clone(), rows));
            let written = match timeout(PROMPT, work.as_mut()).await {
                Ok(written) => written,
                Err(_) => match self.listen(work.as_mut(), &mut keeping).await {
                    Ok(written) => written,
                    Err(step) => return step,
                },
            };
            match written {
                Ok(()) => {
                    self.attend.sink.publish(count);
                    let is_all = match (&record, &keeping.record) {
                        (Some(written), Some(last)) => Arc::ptr_eq(written, last),
                        (None, None) => true,
                        (Some(_), None) | (None, Some(_)) => false,
                    };
                    if is_all && self.attend.sink.unwritten().is_empty() {
                        return keeping.then;
                    }
                }
                Err(StoreError::Panicked) if panics + 1 >= PANICS => {
                    return self.unwritable(&StoreError::Panicked, keeping).await;
                }
                Err(error) if error.is_permanent() => return self.unwritable(&error, keeping).await,
                Err(error) => {
                    let id = &self.request.facts.id;
                    tracing::error!(response_id = %id, %error, "a background response waits for the disk");
                    panics += u32::from(matches!(error, StoreError::Panicked));
                    keeping.failed = true;
                    let mut rest = std::pin::pin!(sleep(pause));
                    if let Err(step) = self.listen(rest.as_mut(), &mut keeping).await {
                        return step;
                    }
                    pause = (pause * 2).min(WRITE_AGAIN_MAX);
                }
            }
        }
    }

    /// Waits for `work`, and reacts to what comes from outside meanwhile.
    ///
    /// # Errors
    /// What to do in its place.
    async fn listen<W: Future>(
        &mut self,
        mut work: Pin<&mut W>,
        keeping: &mut Keeping,
    ) -> Result<W::Output, Step> {
        loop {
            match self.attend.wait(work.as_mut()).await {
                Waited::Done(done) => return Ok(done),
                Waited::Interrupted(why) => {
                    if let Some(step) = self.while_writing(why, keeping).await {
                        return Err(step);
                    }
                }
                Waited::Silence | Waited::BeginningDue => {}
            }
        }
    }

    async fn while_writing(&mut self, why: Interrupt, keeping: &mut Keeping) -> Option<Step> {
        match why {
            Interrupt::Peek => {
                // An end that came by itself is told once it is on disk.
                let look =
                    if keeping.early { ResponseLoop::current_json } else { ResponseLoop::unfinished_json };
                let json = self.look(look).await;
                for peek in self.attend.mailbox.take_peeks() {
                    let _ = peek.send(json.clone());
                }
                None
            }
            Interrupt::Cancelled(CancelReason::Asked) => {
                self.attend.mailbox.heard();
                self.decide(Input::Cancel, keeping).await;
                let json = self.look(ResponseLoop::current_json).await;
                self.attend.mailbox.tell_ends(&json);
                None
            }
            Interrupt::TooLong => {
                self.attend.end_of_deadline();
                self.decide(Input::Failed(took_too_long()), keeping).await;
                None
            }
            // A disk that is only slow will have written it soon.
            Interrupt::Cancelled(CancelReason::Park) if !keeping.failed => {
                self.attend.mailbox.decline_to_park();
                None
            }
            // What was asked for is a removal, or comes at the next start: nothing need be written for it.
            Interrupt::Cancelled(CancelReason::Park | CancelReason::Shutdown | CancelReason::Removed)
            | Interrupt::ClientLeft => Some(Step::Park),
        }
    }

    /// Ends the response, unless its end is decided: what is being written then comes with its end.
    async fn decide(&mut self, why: Input, keeping: &mut Keeping) {
        if matches!(keeping.then, Step::End(_)) {
            return;
        }
        // Closes the call of the provider.
        self.here = None;
        let mut out = self.handle(why).await;
        if out.next != Some(Action::Commit) {
            return;
        }
        keeping.record = self.conclude(&mut out).await.map(Arc::new);
        self.span.told(&out.frames);
        self.attend.sink.hold(out.frames);
        (keeping.then, keeping.early) = (Step::of(out.next), true);
    }

    /// The record of the end that was decided, short if it would be too large; and the events that tell it.
    pub(crate) async fn conclude(&mut self, out: &mut Output) -> Option<StoredResponse> {
        let mut record = self.stored().await?;
        if let Some(error) = self.recorder.too_large(&record) {
            self.handle_into(Input::Unstorable(error), out).await;
            record = self.stored().await?;
        }
        self.handle_into(Input::Committed(Ok(())), out).await;
        Some(record)
    }

    /// It ends as failed, with a short record and without the frames that could not be written.
    async fn unwritable(&mut self, error: &StoreError, keeping: Keeping) -> Step {
        let id = &self.request.facts.id;
        tracing::error!(response_id = %id, %error, "what a background response has to keep can never be written");
        // A log with a gap would be another stream: its readers are cut off.
        self.attend.sink = Sink::Detached;
        let then = Step::End(Some(Outcome::Failed));
        let text = "What there is of the response could not be stored.";
        let told = ApiError::new(ErrorKind::Storage, text).with_code("storage_error");
        let record = match keeping.record {
            _ if keeping.last_resort => None,
            Some(record) => Some(Arc::unwrap_or_clone(record)),
            None => self.stored().await,
        };
        let Some(record) = record else { return then };
        let (size, why) = (record.size(), told.clone());
        let short =
            self.node.heavy.sized(size, &self.request.facts.owner, move |_| record.failed_short(&why));
        let Ok(Ok(short)) = short.await else { return then };
        self.here = None;
        for input in [Input::Failed(told.clone()), Input::Unstorable(told), Input::Committed(Ok(()))] {
            self.handle(input).await;
        }
        let record = Some(Arc::new(short));
        let keeping = Keeping { record, then, early: true, failed: true, last_resort: true };
        Box::pin(self.keep_all(keeping)).await
    }
}
