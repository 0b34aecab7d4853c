//! What is large: work on it is done elsewhere or in pieces, and there must be room for it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use actix_rt::task::yield_now;
use bytes::Bytes;
use or_adapters::ModelEvent;
use or_bounds::Full;
use or_engine::{Input, Output, ResponseLoop};
use or_protocol::ApiError;
use or_store::StoredResponse;
use tokio::time::{Instant, sleep};

use super::{Driver, Step};
use crate::limits::HEAVY;
use crate::response::attend::unix_now;

/// Frames of one read are sent in parts of at most this length, as a rule.
const PART: usize = 16 * 1024;
/// A part with no more room than this is sent: a frame that does not fit would double its buffer, which stays as it is for
/// as long as the client lets it wait.
const ROOM_LEFT: usize = 1024;
/// Bytes of an event's frame, as a rule: most are deltas.
const USUAL_FRAME: usize = 320;
/// Events that are fed at once; others have the arbiter between.
const AT_ONCE: usize = 256;
/// Room for output is made for so many bytes at a time.
const STEP: usize = 256 * 1024;
/// How long output waits for room. Its provider is not read meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Driver {
    /// Feeds the engine.
    pub(crate) async fn handle(&mut self, input: Input) -> Output {
        let mut out = Output::default();
        self.handle_into(input, &mut out).await;
        out
    }

    /// The same, with what comes of it behind what there is.
    pub(super) async fn handle_into(&mut self, input: Input, out: &mut Output) {
        let mut all = std::mem::take(out);
        *out = self
            .with_engine(move |engine| {
                engine.handle(input, unix_now(), &mut all);
                all
            })
            .await;
    }

    /// The response object at this moment, JSON. Whoever gets it shares it.
    pub(crate) async fn look(&mut self, look: fn(&ResponseLoop) -> Vec<u8>) -> Bytes {
        self.with_engine(move |engine| look(engine).into()).await
    }

    /// The response as it goes to disk; `None` if it has no place there.
    pub(crate) async fn stored(&mut self) -> Option<StoredResponse> {
        let draft = self.recorder.draft(&mut self.engine);
        self.with_engine(move |engine| draft.record(engine)).await
    }

    /// Writes down that the response has begun.
    pub(super) async fn write_beginning(&mut self) {
        if let Some(record) = self.stored().await {
            self.recorder.beginning(record);
        }
    }

    /// Does a piece of work on the engine, elsewhere if there is much in it.
    async fn with_engine<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut ResponseLoop) -> T + Send + 'static,
    ) -> T {
        if self.request.bytes() < HEAVY { work(&mut self.engine) } else { self.elsewhere(work).await }
    }

    /// Feeds the events of one read; their frames go out in one write, unless they are many. `bytes`: what they come
    /// to.
    ///
    /// # Errors
    /// What to do in place of the rest.
    pub(super) async fn handle_all(&mut self, events: Vec<ModelEvent>, bytes: usize) -> Result<Output, Step> {
        // The end makes the whole response once more.
        let ends = matches!(events.last(), Some(ModelEvent::Finished { .. }));
        self.request.set_bytes(self.request.bytes().saturating_add(bytes));
        if !(bytes >= HEAVY || ends && self.request.bytes() >= HEAVY) {
            return self.handle_here(events).await;
        }
        let work = move |engine: &mut ResponseLoop| {
            let (mut out, now) = (Output::default(), unix_now());
            for event in events {
                engine.handle(Input::Model(event), now, &mut out);
            }
            out
        };
        Ok(self.elsewhere(work).await)
    }

    async fn handle_here(&mut self, events: Vec<ModelEvent>) -> Result<Output, Step> {
        let streams = self.request.facts.stream;
        let fresh = |events: usize| {
            let room = if streams { PART.min(events * USUAL_FRAME) } else { 0 };
            Output { frames: Vec::with_capacity(room), next: None }
        };
        let mut out = fresh(events.len());
        let now = unix_now();
        let mut events = events.into_iter().enumerate();
        while let Some((n, event)) = events.next() {
            if n > 0 && n % AT_ONCE == 0 {
                yield_now().await;
            }
            self.engine.handle(Input::Model(event), now, &mut out);
            // The rest is smaller as events, for as long as a slow client lets it wait.
            let is_full = out.frames.len() >= PART - ROOM_LEFT;
            if is_full && out.next.is_none() && !self.request.facts.background {
                match self.part(std::mem::take(&mut out)).await {
                    Step::More => out = fresh(events.len()),
                    step => return Err(step),
                }
            }
        }
        Ok(out)
    }

    /// Lends the engine to heavy work. Nothing else of the response goes on meanwhile.
    async fn elsewhere<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut ResponseLoop) -> T + Send + 'static,
    ) -> T {
        let mut engine = std::mem::replace(&mut self.engine, ResponseLoop::over());
        let held = self.request.held.clone();
        let work = move |_: &_| {
            let _held = held;
            // After a panic it is still needed, for an orderly end.
            let done = catch_unwind(AssertUnwindSafe(|| work(&mut engine)));
            (engine, done)
        };
        // Boxed: every loop would carry the room for it.
        let done = Box::pin(self.node.heavy.run(&self.request.facts.owner, work)).await;
        // It does not panic. Without it the process is at its end.
        let Ok((engine, done)) = done else { return std::future::pending().await };
        self.engine = engine;
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Makes room for output before it is taken in. While there is none, nothing more is read of the provider, but not
    /// for long: then the answer is the error with which the response ends.
    ///
    /// # Errors
    /// What to do in its place.
    pub(super) async fn make_room(&mut self, bytes: usize) -> Result<Option<ApiError>, Step> {
        self.unreserved = self.unreserved.saturating_add(bytes);
        if self.unreserved < STEP {
            return Ok(None);
        }
        // Boxed: every loop would carry the room for it.
        Box::pin(self.wait_for_room()).await
    }

    async fn wait_for_room(&mut self) -> Result<Option<ApiError>, Step> {
        let begun = Instant::now();
        while let Err(full) = self.request.held.more(self.unreserved) {
            if full.never || begun.elapsed() >= PATIENCE {
                return Ok(Some(Full { never: false }.into()));
            }
            self.wait(sleep(LOOK_AGAIN)).await?;
        }
        self.unreserved = 0;
        Ok(None)
    }

    /// The engine is not needed any more. To let go of a large one takes its time.
    pub(crate) fn let_go(&mut self) {
        if self.request.bytes() >= HEAVY {
            let engine = std::mem::replace(&mut self.engine, ResponseLoop::over());
            drop(actix_rt::task::spawn_blocking(move || drop(engine)));
        }
    }
}

/// What the output grows by.
pub(super) fn bytes(events: &[ModelEvent]) -> usize {
    events.iter().map(ModelEvent::bytes).fold(0, usize::saturating_add)
}
