//! Carries out what the engine of one response says, until it is over.

use std::rc::Rc;
use std::sync::Arc;

use or_engine::{Action, Input, Outcome, Output, ResponseLoop};
use or_protocol::{ApiError, ResponseStatus};
use or_telemetry::{ResponseSpan, SampleSpan};

use crate::node::Node;
use crate::provider::SampleError;
use crate::response::attend::{Attend, Waited, unix_now};
use crate::response::prepare::{Preparation, Prepared};
use crate::response::record::Recorder;
use crate::response::request::Request;
use crate::response::sink::Sink;
use crate::response::tool_round::ToolRunner;
use crate::response::turn::Sampler;
use crate::running::Status;

/// One response in the making: the engine, which decides, and whoever carries out what it says.
pub(crate) struct Driver {
    pub(super) request: Rc<Request>,
    pub(super) node: Arc<Node>,
    pub(super) engine: ResponseLoop,
    pub(super) attend: Attend,
    pub(super) recorder: Recorder,
    pub(super) sampler: Sampler,
    pub(super) tools: ToolRunner,
    pub(super) span: ResponseSpan,
    pub(super) status: Arc<Status>,
    /// The call of the provider that is under way, or was the last.
    pub(super) sample: Option<SampleSpan>,
    /// The engine's first input.
    first: Option<Input>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Begin,
    Sample,
    RunTools,
    Commit,
    End(Option<Outcome>),
    /// Leave it as it is on disk; the next start goes on with it.
    Park,
    /// Wait for more of what is under way.
    More,
}

impl Step {
    /// What the engine asks for.
    pub(super) fn of(next: Option<Action>) -> Self {
        match next {
            None => Self::More,
            Some(Action::RunTools) => Self::RunTools,
            Some(Action::Begin) => Self::Begin,
            Some(Action::CallModel) => Self::Sample,
            Some(Action::Commit) => Self::Commit,
            Some(Action::End(outcome)) => Self::End(Some(outcome)),
        }
    }
}

impl Driver {
    pub(crate) fn new(preparation: Preparation, prepared: Prepared) -> Self {
        let Preparation { request, neighbours, mut attend, span, .. } = preparation;
        let Prepared { engine, first, beginning, notes, kept, servers } = prepared;
        attend.begin_at(beginning);
        let recorder = Recorder::new(Rc::clone(&request), &neighbours, kept, notes);
        let tools = ToolRunner::new(Rc::clone(&request), &neighbours, servers);
        let sampler = Sampler::new(Rc::clone(&request), neighbours.provider);
        let (node, status, first) = (neighbours.node, neighbours.status, Some(first));
        Self { request, node, engine, attend, recorder, sampler, tools, span, status, sample: None, first }
    }

    /// Makes the response, to its end. `None`: it ended as an HTTP error before it began, or is parked.
    pub(crate) async fn run(&mut self) -> Option<Outcome> {
        let mut step = match self.first.take() {
            Some(first) => self.feed(first).await,
            None => Step::End(None),
        };
        loop {
            let went = match step {
                Step::Begin => Ok(self.begin().await),
                Step::Sample => self.sample().await,
                Step::RunTools => self.run_tools().await,
                Step::Commit => Ok(self.commit().await),
                Step::End(outcome) => return self.finish(outcome),
                Step::Park => return self.park(),
                // The turn ended without an end: an adapter forgot to finish.
                Step::More => Ok(self.fail(&SampleError::Broken("the turn did not finish".into())).await),
            };
            step = went.unwrap_or_else(|interrupted| interrupted);
        }
    }

    /// Waits for `work`, and reacts to all that comes from outside meanwhile.
    ///
    /// # Errors
    /// What to do in its place.
    pub(super) async fn wait<W: Future>(&mut self, work: W) -> Result<W::Output, Step> {
        let mut work = std::pin::pin!(work);
        loop {
            match self.attend.wait(work.as_mut()).await {
                Waited::Done(done) => return Ok(done),
                Waited::Interrupted(why) => {
                    if let Some(step) = self.interrupt(why).await {
                        return Err(step);
                    }
                }
                Waited::BeginningDue => self.recorder.beginning(&mut self.engine),
                Waited::Silence => {
                    self.open();
                    let patience = self.node.limits.client_write_timeout;
                    if !self.attend.sink.keep_alive(patience).await {
                        return Err(self.lost());
                    }
                }
            }
        }
    }

    /// Opens the client's stream, if it wants one and has none. A background response opens its own when it is on
    /// disk.
    pub(super) fn open(&mut self) {
        if self.request.stream && !self.request.background {
            self.attend.sink.open(&self.recorder.notes);
        }
    }

    /// Feeds the engine and sends what comes of it.
    pub(super) async fn feed(&mut self, input: Input) -> Step {
        let mut out = Output::default();
        self.engine.handle(input, unix_now(), &mut out);
        self.carry_out(out).await
    }

    /// Sends the frames before the next step is taken: what that makes may be told only behind them. Those of a
    /// background response that end a step go to disk with the record of it, so that a restart finds both or neither.
    pub(super) async fn carry_out(&mut self, out: Output) -> Step {
        let step = Step::of(out.next);
        if self.request.background && self.ends_step(step) {
            let written = self.recorder.checkpoint(&mut self.engine, out.frames, &mut self.attend.sink);
            return if written.await { step } else { Step::Park };
        }
        if !out.frames.is_empty() {
            let patience = self.node.limits.client_write_timeout;
            let sent = self.attend.sink.send(out.frames, patience).await;
            // After the terminal event a client that left makes no difference.
            if !sent && !matches!(step, Step::End(_)) {
                return self.lost();
            }
        }
        step
    }

    /// Whether what comes next ends what the record of a background response must have: a turn, or a round of tools.
    fn ends_step(&self, next: Step) -> bool {
        match next {
            // The first record is on disk when the first turn begins.
            Step::Sample => self.sampler.turns() > 0 || self.engine.has_output(),
            Step::RunTools => true,
            Step::Begin | Step::Commit | Step::End(_) | Step::Park | Step::More => false,
        }
    }

    /// Ends with an HTTP error; nothing was sent and nothing is kept.
    pub(super) fn refuse(&mut self, error: ApiError) -> Step {
        self.span.error(&error);
        self.attend.sink.refuse(error);
        Step::End(None)
    }

    /// A call of the provider failed: it is made again if that is called for, and otherwise ends the response.
    pub(super) async fn fail(&mut self, error: &SampleError) -> Step {
        let (fresh, left) = (!self.engine.turn_has_output(), self.attend.left());
        let again = self.sampler.after(error, fresh, left, &self.node.limits);
        if let Some(call) = &self.sample {
            match again {
                Some(after) => call.failed_for_now(error.reason(), error, self.sampler.retries(), after),
                None => call.failed(error.reason(), error),
            }
        }
        match again {
            // Boxed: every loop would carry the room for it.
            Some(after) => Box::pin(self.retry(after)).await,
            None => self.fail_with(error.to_api(self.request.route.uses_client_key())).await,
        }
    }

    /// An HTTP error while that is possible, otherwise `error` and `response.failed`. After a call was made the
    /// response is kept in any case: its result would be lost, and an approval is used up.
    pub(super) async fn fail_with(&mut self, error: ApiError) -> Step {
        if self.attend.sink.is_waiting() && !self.engine.has_acted() {
            return self.refuse(error);
        }
        self.span.error(&error);
        self.feed(Input::Failed(error)).await
    }

    /// Gives a unary client its answer, and tells the end.
    fn finish(&mut self, outcome: Option<Outcome>) -> Option<Outcome> {
        self.recorder.notes.extend(self.engine.take_notes());
        if let Some(error) = self.engine.error() {
            self.span.error(error);
        }
        if self.attend.sink.is_waiting() {
            match self.engine.error() {
                Some(error) => {
                    let kept = self.engine.is_kept().then(|| self.request.id.clone());
                    self.attend.sink.fail(error.clone(), kept);
                }
                None => {
                    let notes = self.recorder.notes.clone();
                    self.attend.sink.answer(self.engine.take_response_json(), notes);
                }
            }
        }
        // Closes the stream.
        self.attend.sink = Sink::Done;
        let status = outcome.map_or("refused", word);
        self.span.end(status, self.engine.usage().copied(), &self.recorder.notes);
        outcome
    }

    /// Ends without an end: the record says that it goes on.
    fn park(&mut self) -> Option<Outcome> {
        self.attend.sink = Sink::Done;
        self.span.end("parked", None, &[]);
        None
    }

    /// After a panic: the response ends as failed, told and recorded.
    pub(crate) async fn crashed(&mut self) {
        if self.fail_with(ApiError::internal()).await == Step::Commit {
            self.commit().await;
        }
        self.finish(Some(Outcome::Failed));
    }

    /// The last resort, when even the orderly end panicked: an HTTP client gets its error, a stream is cut.
    pub(crate) fn give_up(&mut self) {
        self.attend.sink.refuse(ApiError::internal());
        self.attend.sink = Sink::Done;
    }
}

/// The wire word of an outcome.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => ResponseStatus::Completed.as_str(),
        Outcome::Incomplete => ResponseStatus::Incomplete.as_str(),
        Outcome::Failed => ResponseStatus::Failed.as_str(),
        Outcome::Cancelled => ResponseStatus::Cancelled.as_str(),
    }
}
