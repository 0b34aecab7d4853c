//! The steps of a response: it begins, samples, runs tools, tries again, commits.

use std::time::Duration;

use or_adapters::ModelEvent;
use or_engine::{Input, Output, ToolCall, ToolResult};
use or_protocol::{ApiError, ErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::provider::{Batch, SampleError, Sampled};
use crate::response::attend::unix_now;
use crate::response::driver::{Driver, Step};
use crate::response::job::Reply;
use crate::response::record::Recorder;
use crate::response::sink::{Sink, read_along};
use crate::response::tool_round::News;
use crate::response::turn::Translated;
use crate::running::Phase;

/// Bytes of an event's frame, as a rule: most are deltas.
const USUAL_FRAME: usize = 320;

impl Driver {
    /// Writes the first record of a background response, then tells the client that it exists, then goes on: a client
    /// never has an id that a restart would not know.
    pub(super) async fn begin(&mut self) -> Step {
        // What cannot be translated is refused while there is somebody to tell.
        match self.sampler.translate(&self.engine).await.and_then(|turn| self.noted(turn)) {
            Ok(first) => self.sampler.keep(first),
            Err(error) => return self.refuse(error),
        }
        let Some((reply, held)) = self.attend.sink.take_waiting() else { return Step::End(None) };
        let first = Recorder::first_frames(held);
        let written = self.recorder.first(&mut self.engine, first.clone()).await;
        if let Some(Err(error)) = &written {
            tracing::error!(response_id = %self.request.id, %error, "a background response could not begin");
        }
        if !matches!(written, Some(Ok(()))) {
            let text = "The response could not be stored, so it was not begun.";
            self.attend.sink = Sink::Waiting { reply, held: Vec::new() };
            return self.refuse(ApiError::new(ErrorKind::Storage, text).with_code("storage_error"));
        }
        let notes = self.recorder.notes.clone();
        self.attend.sink = self.recorder.detached(0);
        let answer = match &mut self.attend.sink {
            Sink::Log(log) => {
                log.publish(first);
                let frames = read_along(&self.node, self.recorder.store(), self.request.id.clone(), 0);
                Reply::Stream { frames, notes }
            }
            _ => Reply::Json { body: self.engine.current_json(), notes },
        };
        // If the client has left, the response goes on all the same.
        let _ = reply.send(answer);
        self.feed(Input::Begun).await
    }

    /// A translated turn, its notes taken in.
    fn noted(&mut self, mut turn: Translated) -> Result<Translated, ApiError> {
        self.sampler.note(&mut turn.call, &mut self.recorder.notes)?;
        Ok(turn)
    }

    /// One call of the model, from translation to its last event.
    pub(super) async fn sample(&mut self) -> Result<Step, Step> {
        let _phase = self.status.enter(Phase::Sampling);
        let ready = self.sampler.begin_turn();
        self.status.turn(self.sampler.turns(), self.engine.usage().map_or(0, |usage| usage.total_tokens));
        self.sample = Some(self.span.sample(&self.request.provider, self.sampler.turns()));
        let turn = match ready {
            Some(turn) => Ok(turn),
            None => {
                let translation = self.sampler.translate(&self.engine);
                self.wait(translation).await?.and_then(|turn| self.noted(turn))
            }
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return Ok(self.fail_with(error).await),
        };
        // Held for the turn; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let asked = self.sampler.ask(turn, gone);
        match self.wait(asked).await? {
            Ok(Sampled::Whole(events)) => {
                self.open();
                Ok(self.batch(events).await)
            }
            Ok(Sampled::Stream(events)) => {
                self.open();
                self.pull(events).await
            }
            Err(error) => Ok(self.fail(&error).await),
        }
    }

    /// Pulls the turn's events until it is over.
    async fn pull(&mut self, mut events: mpsc::Receiver<Batch>) -> Result<Step, Step> {
        loop {
            let step = match self.wait(events.recv()).await? {
                Some(Ok(batch)) => {
                    let (batch, failed) = self.with_waiting(batch, &mut events);
                    match (self.batch(batch).await, failed) {
                        (Step::More, Some(error)) => self.fail(&error).await,
                        (step, _) => step,
                    }
                }
                Some(Err(error)) => self.fail(&error).await,
                None => return Ok(Step::More),
            };
            if step != Step::More {
                return Ok(step);
            }
        }
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
        for event in events {
            self.engine.handle(Input::Model(event), now, &mut out);
        }
        self.span.first_token();
        self.carry_out(out).await
    }

    /// Makes a failed call again after a pause.
    pub(super) async fn retry(&mut self, after: Duration) -> Step {
        let _phase = self.status.enter(Phase::Retrying);
        match self.wait(sleep(after)).await {
            Ok(()) => self.feed(Input::Retry).await,
            Err(step) => step,
        }
    }

    /// Runs the calls that the engine asks for, to the end of the round.
    pub(super) async fn run_tools(&mut self) -> Result<Step, Step> {
        // An approved call comes before the provider's first answer, and the client shall see it run.
        self.open();
        // The next turn has their results.
        self.sampler.forget();
        let calls = self.engine.tool_calls();
        let names = calls.iter().map(|call| call.name.clone()).collect();
        let _phase = self.status.enter(Phase::RunningTools(names));
        if self.request.background && !self.note_starts(&calls).await {
            return Ok(Step::Park);
        }
        let mut round = self.tools.begin(calls, self.engine.settings());
        loop {
            let step = match self.wait(round.next()).await? {
                News::Progress(text) => {
                    let patience = self.node.limits.client_write_timeout;
                    if self.attend.sink.progress(&text, patience).await { Step::More } else { self.lost() }
                }
                News::Done(index, result) => self.tool_done(index, result).await,
                // The engine has said what is next by then.
                News::Over => return Ok(Step::More),
            };
            if step != Step::More {
                return Ok(step);
            }
        }
    }

    /// Writes down which calls are about to run, so that a restart does not run them again. Only a background
    /// response goes on after one.
    async fn note_starts(&mut self, calls: &[ToolCall]) -> bool {
        for call in calls {
            self.feed(Input::ToolStarted { index: call.index }).await;
        }
        self.recorder.checkpoint(&mut self.engine, Vec::new(), &mut self.attend.sink).await
    }

    async fn tool_done(&mut self, index: usize, result: ToolResult) -> Step {
        let mut out = Output::default();
        self.engine.handle(Input::ToolDone { index, result }, unix_now(), &mut out);
        if self.request.background && out.next.is_none() {
            let written = self.recorder.checkpoint(&mut self.engine, out.frames, &mut self.attend.sink);
            return if written.await { Step::More } else { Step::Park };
        }
        self.carry_out(out).await
    }

    /// Writes the record of the end, and tells it.
    pub(super) async fn commit(&mut self) -> Step {
        if self.request.background && !self.attend.sink.is_waiting() {
            return self.commit_background().await;
        }
        let written = self.recorder.end(&mut self.engine).await;
        self.feed(Input::Committed(written)).await
    }

    /// Writes the end and the events that tell it, all at once.
    async fn commit_background(&mut self) -> Step {
        // Before the events are made: they must not be on disk without the record.
        let Some(record) = self.recorder.take_stored(&mut self.engine) else { return Step::Park };
        let mut out = Output::default();
        self.engine.handle(Input::Committed(Ok(())), unix_now(), &mut out);
        let written = self.recorder.persist(record, out.frames, &mut self.attend.sink).await;
        if written { Step::of(out.next) } else { Step::Park }
    }
}
