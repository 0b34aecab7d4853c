//! Carries out what the engine of one response says, until it is over.

mod checkpoints;
mod failure;
mod hedge;
mod keeping;
mod large;
mod middleware;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use or_adapters::ModelEvent;
use or_engine::{Action, Input, Outcome, Output, ResponseLoop};
use or_middleware::Run;
use or_protocol::ApiError;
use or_telemetry::{ResponseSpan, SampleSpan};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use self::checkpoints::Checkpoints;
use self::hedge::Beginning;
use crate::node::Node;
use crate::provider::{Batch, SampleError, Sampled};
use crate::response::attempts::Attempts;
use crate::response::attend::{Attend, Waited};
use crate::response::prepare::{Preparation, Prepared};
use crate::response::record::Recorder;
use crate::response::request::Request;
use crate::response::sink::Sink;
use crate::response::tool_round::ToolRunner;
use crate::response::turn::{Sampler, Translated};
use crate::running::{Phase, Status};

/// The header that names whoever was asked last before the answer began.
const PROVIDER: &str = "openresponses-provider";
/// The header that says which of the calls for it that was; 1 if none failed.
const ATTEMPTS: &str = "openresponses-attempts";

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
    /// The middlewares; `None` if none has a part in it, and while one is asked.
    pub(super) middleware: Option<Box<Run>>,
    /// The HTTP error with which it ended before it began.
    pub(super) refusal: Option<ApiError>,
    /// The call of the provider that is under way, or was the last.
    pub(super) sample: Option<SampleSpan>,
    /// Held for a turn; dropping it closes the upstream connection.
    pub(super) here: Option<oneshot::Sender<()>>,
    /// Of a background response, between results of tools.
    checkpoints: Checkpoints,
    /// Bytes of output for which no room was made yet.
    pub(super) unreserved: usize,
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

    /// A closed word, for those who watch the loop.
    fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Sample => "sample",
            Self::RunTools => "run_tools",
            Self::Commit | Self::End(_) => "end",
            Self::Park => "park",
            Self::More => "more",
        }
    }
}

impl Driver {
    pub(crate) fn new(preparation: Preparation, prepared: Prepared) -> Self {
        let Preparation { request, neighbours, mut attend, span, middleware, .. } = preparation;
        let Prepared { engine, first, beginning, notes, kept, servers } = prepared;
        attend.begin_at(beginning);
        let recorder = Recorder::new(Rc::clone(&request), &neighbours, kept, notes);
        let tools = ToolRunner::new(Rc::clone(&request), &neighbours, servers);
        let metrics = neighbours.node.metrics.clone();
        let attempts = Attempts::new(Rc::clone(&request), metrics, neighbours.providers);
        let sampler = Sampler::new(Rc::clone(&request), neighbours.node.heavy.clone(), attempts);
        let (node, status, first) = (neighbours.node, neighbours.status, Some(first));
        let (sample, here, unreserved) = (None, None, 0);
        Self {
            request,
            node,
            engine,
            attend,
            recorder,
            sampler,
            tools,
            span,
            status,
            middleware,
            refusal: None,
            sample,
            here,
            checkpoints: Checkpoints::new(),
            unreserved,
            first,
        }
    }

    /// Makes the response, to its end. `None`: it ended as an HTTP error before it began, or is parked.
    pub(crate) async fn run(&mut self) -> Option<Outcome> {
        let mut step = match self.first.take() {
            Some(first) => self.feed(first).await,
            None => Step::End(None),
        };
        loop {
            // Its call of the provider may still fail.
            if step != Step::More {
                self.step_over(step);
            }
            let went = match step {
                Step::Begin => Ok(Box::pin(self.begin()).await),
                Step::Sample => {
                    let went = self.sample().await;
                    if went.is_ok() {
                        self.sampler.attempts.over();
                    }
                    self.here = None;
                    went
                }
                // Boxed, like others below: every loop would carry the room for what few of them do.
                Step::RunTools => {
                    let begun = Instant::now();
                    let went = Box::pin(self.run_tools()).await;
                    self.span.waited(begun.elapsed());
                    went
                }
                Step::Commit => Ok(self.commit().await),
                Step::End(outcome) => return self.finish(outcome),
                Step::Park => return self.park(),
                // The turn ended without an end: an adapter forgot to finish.
                Step::More => Ok(self.fail(&SampleError::Broken("the turn did not finish".into())).await),
            };
            step = went.unwrap_or_else(|interrupted| interrupted);
        }
    }

    /// Says how the step before `next` went.
    fn step_over(&mut self, next: Step) {
        self.span.counted(&self.engine.take_event_counts());
        if let Some(turn) = self.sample.take() {
            self.span.waited(turn.end(next.as_str()));
        }
    }

    /// One call of the model, from translation to its last event.
    async fn sample(&mut self) -> Result<Step, Step> {
        let _phase = self.status.enter(Phase::Sampling);
        let ready = self.sampler.begin_turn();
        let (provider, turn, usage) = (self.request.provider(), self.sampler.turns(), self.engine.usage());
        self.status.turn(provider, turn, usage.map_or(0, |usage| usage.total_tokens));
        let (asked, why) = (self.request.told(), self.sampler.attempts.why());
        self.sample = Some(self.span.sample(&asked, turn, why));
        self.span.hears(&asked, usage);
        // What middlewares made of a turn that was translated before is not at hand for another translation.
        let mut may_hedge = self.middleware.is_none();
        let mut request = None;
        let turn = match ready {
            Some(turn) => Ok(turn),
            None => {
                may_hedge = true;
                if self.middleware.is_some() {
                    // Boxed: every loop would carry the room for it.
                    request = Box::pin(self.before_sample()).await?;
                }
                let translation = self.sampler.translate(&self.engine, request.as_ref());
                self.wait(translation).await?.and_then(|turn| self.noted(turn))
            }
        };
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) => return Ok(self.untranslated(error).await),
        };
        let (here, gone) = oneshot::channel();
        self.here = Some(here);
        self.sampler.attempts.asks();
        self.tell_trail();
        let mut turn = turn;
        if let Some(span) = &mut self.sample {
            Self::ask_in(span, &mut turn, &self.request, &self.engine);
        }
        let asked = self.sampler.ask(turn, gone);
        let begun = match self.sampler.attempts.hedge_after().filter(|_| may_hedge) {
            None => self.wait(asked).await?.map(Beginning::from),
            // Boxed: every loop would carry the room for it.
            Some(after) => Box::pin(self.hedged(asked, after, request)).await?,
        };
        match begun {
            Ok(Beginning { sampled: Sampled::Whole(events), .. }) => {
                self.open();
                self.sampler.attempts.answers();
                self.take_in(events).await
            }
            Ok(Beginning { sampled: Sampled::Stream(events), first }) => {
                // Where another target may take its place, what is no beginning of an answer is not told as one.
                if self.request.route.targets.len() < 2 {
                    self.open();
                }
                self.pull(first, events).await
            }
            Err(error) => Ok(self.fail(&error).await),
        }
    }

    /// The call is made now: its span says where and how, and the provider is told of the span.
    fn ask_in(span: &mut SampleSpan, turn: &mut Translated, request: &Request, engine: &ResponseLoop) {
        span.asked();
        turn.call.headers.extend(span.headers());
        if let Some(target) = request.target() {
            span.request(engine.settings(), &target.provider.base_url);
        }
    }

    /// Who is asked, and in how many calls, for the headers of the answer.
    pub(crate) fn tell_trail(&mut self) {
        self.attend.sink.header(PROVIDER, &**self.request.provider());
        self.attend.sink.header(ATTEMPTS, self.sampler.attempts.number().to_string());
    }

    /// A translated turn, its notes taken in.
    pub(super) fn noted(&mut self, mut turn: Translated) -> Result<Translated, ApiError> {
        self.sampler.note(&mut turn.call, &mut self.recorder.notes)?;
        Ok(turn)
    }

    /// Pulls the turn's events until it is over.
    async fn pull(
        &mut self,
        mut first: Option<Batch>,
        mut events: mpsc::Receiver<Batch>,
    ) -> Result<Step, Step> {
        loop {
            let next = match first.take() {
                Some(first) => Some(first),
                None => self.wait(events.recv()).await?,
            };
            let step = match next {
                Some(Ok(batch)) => {
                    self.open();
                    self.sampler.attempts.answers();
                    let (batch, failed) = self.with_waiting(batch, &mut events);
                    match (self.take_in(batch).await?, failed) {
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
        while self.request.facts.background
            && let Ok(more) = events.try_recv()
        {
            match more {
                Ok(more) => batch.extend(more),
                Err(error) => return (batch, Some(error)),
            }
        }
        (batch, None)
    }

    /// Takes in the events of one read.
    async fn take_in(&mut self, events: Vec<ModelEvent>) -> Result<Step, Step> {
        if let Some(turn) = &mut self.sample {
            turn.said(&events);
        }
        let bytes = large::bytes(&events);
        if let Some(error) = self.make_room(bytes).await? {
            return Ok(self.fail_with(error).await);
        }
        match self.middleware {
            Some(_) => Box::pin(self.pass_on(events)).await,
            None => Ok(self.batch(events, bytes).await),
        }
    }

    /// Feeds the events of one read. `bytes`: what they come to.
    async fn batch(&mut self, events: Vec<ModelEvent>, bytes: usize) -> Step {
        let out = match self.handle_all(events, bytes).await {
            Ok(out) => out,
            Err(step) => return step,
        };
        self.span.first_token();
        self.carry_out(out).await
    }

    /// Sends a part of a batch, and looks at what came from outside while the client took it.
    async fn part(&mut self, out: Output) -> Step {
        match self.carry_out(out).await {
            Step::More => self.wait(yield_now()).await.err().unwrap_or(Step::More),
            step => step,
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
                // Boxed: every loop would carry the room for it.
                Waited::BeginningDue => Box::pin(self.write_beginning()).await,
                Waited::Silence => {
                    self.open();
                    if !self.attend.sink.keep_alive().await {
                        return Err(self.lost().await);
                    }
                }
            }
        }
    }

    /// Opens the client's stream, if it wants one and has none. A background response opens its own when it is on
    /// disk.
    pub(super) fn open(&mut self) {
        if self.request.facts.stream && !self.request.facts.background {
            self.attend.sink.open(&self.recorder.notes, &self.node.budget);
        }
    }

    /// Feeds the engine and sends what comes of it.
    pub(super) async fn feed(&mut self, input: Input) -> Step {
        let out = self.handle(input).await;
        self.carry_out(out).await
    }

    /// Sends the frames before the next step is taken: what that makes may be told only behind them. Those of a
    /// background response that end a step go to disk with the record of it, so that a restart finds both or neither.
    pub(super) async fn carry_out(&mut self, out: Output) -> Step {
        let step = Step::of(out.next);
        if self.request.facts.background && self.ends_step(step) {
            return self.checkpoint(out.frames, step).await;
        }
        if matches!(self.attend.sink, Sink::Log(_)) && !out.frames.is_empty() {
            return Box::pin(self.keep(None, out.frames, step)).await;
        }
        if !out.frames.is_empty() {
            self.span.told(&out.frames);
            let sent = self.attend.sink.send(out.frames).await;
            // After the terminal event a client that left makes no difference.
            if !sent && !matches!(step, Step::End(_)) {
                return self.lost().await;
            }
        }
        step
    }

    /// Between two steps of a background response: what was made so far is not made again after a restart. The
    /// frames that tell it go to disk with it.
    pub(super) async fn checkpoint(&mut self, frames: Vec<u8>, then: Step) -> Step {
        match Box::pin(self.stored()).await {
            // Boxed: every loop would carry the room for it.
            Some(record) => Box::pin(self.keep(Some(record), frames, then)).await,
            None => Step::Park,
        }
    }

    /// After a result of a tool of so many bytes: with a checkpoint, if it is time for one.
    pub(super) async fn after_result(&mut self, out: Output, bytes: usize) -> Step {
        if self.request.facts.background
            && out.next.is_none()
            && self.checkpoints.is_due(bytes, self.request.bytes())
        {
            return self.checkpoint(out.frames, Step::More).await;
        }
        self.carry_out(out).await
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
}
