//! One turn of a loop: translate, wait for the provider's head, pull its events.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::spawn_blocking;
use or_adapters::{ModelEvent, ModelRequest, ResponseTranslator, UpstreamCall};
use or_engine::{Input, Output, ResponseLoop};
use or_protocol::ApiError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use crate::provider::{Batch, Sample, SampleError, Sampled};
use crate::response::attend::{Interrupt, interrupted};
use crate::response::driver::{Driver, Step, unix_now};
use crate::response::prepare::strict;
use crate::response::tool_media;

/// How often a unary client is looked after while its answer is collected from a stream.
const LEFT_CHECK: Duration = Duration::from_millis(500);

/// Bytes of an event's frame, as a rule: most are deltas.
const USUAL_FRAME: usize = 320;

/// A turn as the provider is asked for it, and what reads the answer.
pub(crate) type Translated = (UpstreamCall, Box<dyn ResponseTranslator>);

impl Driver {
    /// Translates the turn, off the arbiter if it is large.
    pub(crate) async fn translate(&mut self) -> Result<Translated, ApiError> {
        let Some(target) = self.request.route.first() else { return Err(ApiError::interrupted()) };
        let (adapter, model) = (Arc::clone(&target.provider.adapter), target.model.clone());
        let client_key = target.uses_client_key();
        // What a background response has made so far is kept when it is cancelled, so it comes piece by piece.
        let stream = self.request.stream || self.request.background;
        let work = move |engine: &ResponseLoop| {
            let settings = engine.turn_settings();
            let request =
                ModelRequest { model: &model, context: engine.context(), settings: &settings, stream };
            let (translated, context) = tool_media::translate(&*adapter, &request);
            let request = match &context {
                Some(context) => ModelRequest { context, ..request },
                None => request,
            };
            translated.map(|call| (call, adapter.translator(&request)))
        };
        let Some(engine) = self.engine.take() else { return Err(ApiError::internal()) };
        let (engine, result) = if self.request.heavy {
            let heavy = move || {
                let result = work(&engine);
                (engine, result)
            };
            spawn_blocking(heavy).await.map_err(|_| ApiError::internal())?
        } else {
            let result = work(&engine);
            (engine, result)
        };
        self.engine = Some(engine);
        let (mut call, translator) = result.map_err(|e| e.to_api(client_key))?;
        // What the request itself could not keep. Later turns have only what was made meanwhile beside it: that an answer
        // cannot go back as it came is no reason to refuse what was begun.
        if self.request.strict && self.turns <= 1 {
            strict::check(&call.notes)?;
            strict::check(&self.notes)?;
        }
        for note in std::mem::take(&mut call.notes) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Ok((call, translator))
    }

    /// One call of the model, from translation to its last event.
    pub(crate) async fn turn(&mut self) -> Step {
        let translated = match self.translated.take() {
            Some(translated) => Ok(translated),
            None => self.translate().await,
        };
        let (call, translator) = match translated {
            Ok(translated) => translated,
            Err(error) => return self.fail_with(error).await,
        };
        let (Some(target), Some(provider)) = (self.request.route.first(), &self.neighbours.provider) else {
            return self.fail_with(ApiError::interrupted()).await;
        };
        // Held for the turn; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let key = target.key.clone();
        let sampling = provider.send(Sample { call, translator, key, gone });
        let sampled = match self.head(sampling).await {
            Ok(sampled) => sampled,
            Err(next) => return next,
        };
        match sampled {
            Ok(Sampled::Whole(events)) => {
                if self.request.stream {
                    self.sink.open(&self.notes);
                }
                self.batch(events).await
            }
            Ok(Sampled::Stream(events)) => {
                if self.request.stream {
                    self.sink.open(&self.notes);
                }
                self.pull(events).await
            }
            Err(error) => self.fail(&error).await,
        }
    }

    /// Waits for the head of the provider's answer. A stream's own head goes out when that takes long.
    async fn head(
        &mut self,
        sampling: impl Future<Output = Result<Result<Sampled, SampleError>, actix::MailboxError>>,
    ) -> Result<Result<Sampled, SampleError>, Step> {
        let mut sampling = pin!(sampling);
        let keepalive = self.neighbours.node.limits.keepalive;
        loop {
            let mailbox = Rc::clone(&self.neighbours.mailbox);
            let waited = tokio::select! {
                biased;
                // Closed: the provider actor died of a panic outside its guard.
                sampled = &mut sampling => return Ok(sampled.unwrap_or(Err(SampleError::Panicked))),
                why = interrupted(self.sink.left(), &mailbox, self.deadline) => Waited::Interrupted(why),
                () = begun(self.begun_at) => Waited::Begun,
                () = sleep(keepalive), if self.request.stream => Waited::Silence,
            };
            match waited {
                Waited::Interrupted(why) => {
                    if let Some(next) = self.interrupt(why).await {
                        return Err(next);
                    }
                }
                Waited::Begun => self.note_beginning(),
                Waited::Silence => {
                    self.sink.open(&self.notes);
                    self.sink.keep_alive(self.neighbours.node.limits.client_write_timeout).await;
                }
            }
        }
    }

    /// Pulls the turn's events until it is over.
    async fn pull(&mut self, mut events: mpsc::Receiver<Batch>) -> Step {
        let period = if self.sink.is_waiting() { LEFT_CHECK } else { self.neighbours.node.limits.keepalive };
        let mut tick = interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mailbox = Rc::clone(&self.neighbours.mailbox);
        let mut interrupt = pin!(interrupted(self.sink.watch(), &mailbox, self.deadline));
        let mut due = pin!(begun(self.begun_at));
        let mut last = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                batch = events.recv() => {
                    last = Instant::now();
                    match batch {
                        Some(Ok(batch)) => {
                            let (batch, failed) = self.with_waiting(batch, &mut events);
                            match (self.batch(batch).await, failed) {
                                (Step::More, Some(error)) => self.fail(&error).await,
                                (next, _) => next,
                            }
                        }
                        Some(Err(error)) => self.fail(&error).await,
                        None => return Step::More,
                    }
                }
                why = &mut interrupt => {
                    let next = self.interrupt(why).await;
                    interrupt.set(interrupted(self.sink.watch(), &mailbox, self.deadline));
                    next.unwrap_or(Step::More)
                }
                () = &mut due => {
                    self.note_beginning();
                    due.set(begun(None));
                    Step::More
                }
                now = tick.tick() => {
                    if self.sink.has_left() {
                        self.interrupt(Interrupt::ClientLeft).await.unwrap_or(Step::More)
                    } else if now.duration_since(last) >= period {
                        last = now;
                        self.keep_alive().await
                    } else {
                        Step::More
                    }
                }
            };
            if !matches!(next, Step::More) {
                return next;
            }
        }
    }

    pub(crate) async fn keep_alive(&mut self) -> Step {
        let patience = self.neighbours.node.limits.client_write_timeout;
        if self.sink.keep_alive(patience).await { Step::More } else { self.lost() }
    }

    /// A batch with all that came while the last one was written to the log: one append for all of it.
    fn with_waiting(
        &self,
        mut batch: Vec<ModelEvent>,
        events: &mut mpsc::Receiver<Batch>,
    ) -> (Vec<ModelEvent>, Option<Box<SampleError>>) {
        while self.request.background
            && let Ok(more) = events.try_recv()
        {
            match more {
                Ok(more) => batch.extend(more),
                Err(error) => return (batch, Some(error)),
            }
        }
        (batch, None)
    }

    /// Feeds the events of one read; their frames go out in one write.
    async fn batch(&mut self, events: Vec<ModelEvent>) -> Step {
        let room = if self.request.stream { events.len() * USUAL_FRAME } else { 0 };
        let mut out = Output { frames: Vec::with_capacity(room), next: None };
        let now = unix_now();
        let Some(engine) = &mut self.engine else { return Step::End(None) };
        for event in events {
            engine.handle(Input::Model(event), now, &mut out);
        }
        if self.log_line.first_token() {
            let (provider, after) = (&self.request.provider, self.log_line.age());
            self.neighbours.node.metrics.first_token(provider, after);
        }
        self.carry_out(out).await
    }
}

/// What came of waiting for the head of an answer.
enum Waited {
    Interrupted(Interrupt),
    Begun,
    Silence,
}

/// Resolves when the record of the beginning is due, if it is.
pub(crate) async fn begun(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
