//! Carries out what the engine of one response says, until it is over.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::Addr;
use or_adapters::Note;
use or_engine::{Action, Input, LoopSpec, Outcome, Output, ResponseLoop};
use or_protocol::{ApiError, CreateResponseBody, Item, ResponseId, ResponseStatus};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::mcp::Runners;
use crate::node::Node;
use crate::provider::{ProviderActor, Route, SampleError};
use crate::response::job::{BackgroundJob, Job};
use crate::response::log_line::LogLine;
use crate::response::mailbox::Mailbox;
use crate::response::prepare::context as references;
use crate::response::prepare::{Unready, no_servers};
use crate::response::saved::ResumeData;
use crate::response::sink::Sink;
use crate::response::turn::Translated;
use crate::running::EventLog;
use crate::store::StoreHandle;
use crate::tools::ToolActor;

/// A stored response that takes longer is on disk before it is over, so that a restart finds it. Most are over
/// sooner, and spare the disk a second record.
const BEGUN_AFTER: Duration = Duration::from_millis(20);

/// A loop's neighbours.
pub(crate) struct Neighbours {
    pub(crate) node: Arc<Node>,
    /// Of the one that is asked first; `None` if it is not there any more.
    pub(crate) provider: Option<Addr<ProviderActor>>,
    pub(crate) store: StoreHandle,
    pub(crate) tools: Addr<ToolActor>,
    pub(crate) mailbox: Rc<Mailbox>,
    /// Of a background response that streams.
    pub(crate) log: Option<Arc<EventLog>>,
}

/// What a request says that does not change while it is served.
pub(crate) struct Request {
    pub(crate) id: ResponseId,
    pub(crate) route: Route,
    /// Its name, for logs, metrics and the record.
    pub(crate) provider: String,
    pub(crate) owner: String,
    pub(crate) strict: bool,
    /// Whether the client wants a stream.
    pub(crate) stream: bool,
    pub(crate) background: bool,
    pub(crate) previous: Option<String>,
    pub(crate) heavy: bool,
}

/// One response in the making.
pub(crate) struct Driver {
    pub(crate) request: Request,
    pub(crate) neighbours: Neighbours,
    pub(crate) sink: Sink,
    /// Taken by `prepare`.
    job: Option<Box<Job>>,
    pub(crate) engine: Option<ResponseLoop>,
    /// The MCP servers of the request.
    pub(crate) runners: Runners,
    /// The request's own input as it is stored; `None` if it is not.
    pub(crate) input_json: Option<Box<RawValue>>,
    /// What it takes to go on after a restart, of a background response.
    pub(crate) resume: Option<ResumeData>,
    /// The first turn of a background response, translated before it begins.
    pub(crate) translated: Option<Translated>,
    pub(crate) notes: Vec<Note>,
    /// Notes of the process before a restart.
    pub(crate) old_notes: Vec<(String, String, String)>,
    pub(crate) log_line: LogLine,
    pub(crate) deadline: Instant,
    /// When the record of the beginning is due.
    pub(crate) begun_at: Option<Instant>,
    /// Turns so far.
    pub(crate) turns: u32,
    /// Calls that were made again.
    pub(crate) retries: u32,
}

/// What to do next.
pub(crate) enum Step {
    Begin,
    Sample,
    RunTools,
    Commit,
    End(Option<Outcome>),
    /// Leave it as it is on disk; the next start goes on with it.
    Park,
    /// Wait for more of the turn.
    More,
}

impl Step {
    /// What an action of the engine asks for.
    pub(crate) fn of(action: Option<Action>) -> Self {
        match action {
            None => Self::More,
            Some(Action::RunTools) => Self::RunTools,
            Some(Action::Begin) => Self::Begin,
            Some(Action::CallModel) => Self::Sample,
            Some(Action::Commit) => Self::Commit,
            Some(Action::End(outcome)) => Self::End(Some(outcome)),
        }
    }
}

pub(crate) fn unix_now() -> i64 {
    // A clock before 1970 is wrong anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

impl Driver {
    pub(crate) fn new(mut job: Box<Job>, neighbours: Neighbours) -> Self {
        let log_line = LogLine::new(&job);
        let request = Request {
            id: job.id.clone(),
            provider: job.provider().to_owned(),
            route: std::mem::take(&mut job.request.route),
            owner: std::mem::take(&mut job.request.owner),
            strict: job.request.strict,
            stream: job.request.body.stream,
            background: job.background.is_some(),
            previous: job.request.body.previous_response_id.take(),
            heavy: job.request.heavy,
        };
        let (reply, _) = oneshot::channel();
        let sink = Sink::new(std::mem::replace(&mut job.reply, reply));
        let deadline = Instant::now() + neighbours.node.limits.max_response;
        Self {
            request,
            neighbours,
            sink,
            job: Some(job),
            engine: None,
            runners: Runners::default(),
            input_json: None,
            resume: None,
            translated: None,
            notes: Vec::new(),
            old_notes: Vec::new(),
            log_line,
            deadline,
            begun_at: None,
            turns: 0,
            retries: 0,
        }
    }

    pub(crate) fn id(&self) -> &ResponseId {
        &self.request.id
    }

    /// Serves the request to its end. `None`: it ended as an HTTP error before a response began.
    pub(crate) async fn run(&mut self) -> Option<Outcome> {
        let mut next = match self.prepare().await {
            Ok(first) => self.feed(first).await,
            Err(error) => self.refuse(error),
        };
        loop {
            next = match next {
                Step::Begin => self.begin().await,
                Step::Sample => self.sample().await,
                Step::RunTools => self.run_tools().await,
                Step::Commit => self.commit().await,
                Step::End(outcome) => return self.finish(outcome),
                Step::Park => return self.park(),
                // The turn ended without an end: an adapter forgot to finish.
                Step::More => self.fail(&SampleError::Broken("the turn did not finish".into())).await,
            };
        }
    }

    async fn sample(&mut self) -> Step {
        self.turns += 1;
        self.turn().await
    }

    /// Reads what the request refers to and makes the engine. The answer is its first input.
    async fn prepare(&mut self) -> Result<Input, ApiError> {
        let Some(mut job) = self.job.take() else { return Err(ApiError::internal()) };
        let new = match job.background.take() {
            Some(BackgroundJob::Resumed { record, data, goes_on }) => {
                // Boxed: every loop would carry the room for it to its end.
                return Box::pin(self.go_on(*job, *record, *data, goes_on)).await;
            }
            Some(BackgroundJob::New(body)) => Some(body),
            None => None,
        };
        let previous = self.request.previous.as_deref();
        let (store, input, keep) =
            (&self.neighbours.store, std::mem::take(&mut job.request.body.input), job.request.body.store);
        let load = references::load(store, &self.request.id, previous, &self.request.owner, input, keep);
        let (mut context, input_json) = load.await?;
        self.notes = std::mem::take(&mut context.notes);
        self.input_json = input_json;
        if let Some(body) = new {
            self.resume = Some(ResumeData::new(&job, body, &self.request));
        } else if keep {
            self.begun_at = Some(Instant::now() + BEGUN_AFTER);
        }
        let mut body = job.request.body;
        let mut approved = false;
        let ready = self.ready(&mut body.settings, &context, &[]).await;
        let (server_tools, mcp, instead) = match ready {
            Ok((server_tools, mcp)) => {
                approved = !mcp.approved.is_empty();
                (server_tools, mcp, None)
            }
            Err(Unready::Failed(error)) if self.sink.is_waiting() => return Err(error),
            Err(Unready::Failed(error)) => (Default::default(), no_servers(), Some(Input::Failed(error))),
            Err(Unready::Cancelled | Unready::Left) => {
                (Default::default(), no_servers(), Some(Input::Cancel))
            }
        };
        let spec =
            LoopSpec { server_tools, mcp, ..self.spec(body, job.request.model, unix_now(), context.items) };
        self.engine = Some(ResponseLoop::new(spec));
        if let Some(instead) = instead {
            return Ok(instead);
        }
        if self.request.background {
            // What cannot be translated is refused while there is somebody to tell. The results of approved calls
            // are still missing there.
            let translated = self.translate().await?;
            self.translated = Some(translated).filter(|_| !approved);
        }
        Ok(Input::Start)
    }

    /// What the engine is made of, but for the tools that this server runs.
    pub(crate) fn spec(
        &self,
        body: CreateResponseBody,
        model: String,
        created_at: i64,
        context: Vec<Item>,
    ) -> LoopSpec {
        let node = &self.neighbours.node;
        LoopSpec {
            id: self.request.id.clone(),
            created_at,
            model,
            previous_response_id: self.request.previous.clone(),
            store: body.store,
            background: self.request.background,
            stream: body.stream,
            settings: body.settings,
            context,
            reasoning_events: node.limits.reasoning_events,
            server_tools: BTreeSet::new(),
            mcp: no_servers(),
            limits: node.limits.tools.of_loop(),
        }
    }

    /// Feeds the engine and sends what comes of it.
    pub(crate) async fn feed(&mut self, input: Input) -> Step {
        let mut out = Output::default();
        match &mut self.engine {
            Some(engine) => engine.handle(input, unix_now(), &mut out),
            None => return Step::End(None),
        }
        self.carry_out(out).await
    }

    pub(crate) async fn carry_out(&mut self, out: Output) -> Step {
        let next = Step::of(out.next);
        if self.request.background && self.is_step(&next) {
            return if self.checkpoint(out.frames).await { next } else { Step::Park };
        }
        if !out.frames.is_empty() {
            let patience = self.neighbours.node.limits.client_write_timeout;
            let sent = self.sink.send(out.frames, patience).await;
            // After the terminal event a client that left makes no difference.
            let over = matches!(out.next, Some(Action::End(_)));
            if !sent && !over {
                return self.lost();
            }
        }
        next
    }

    /// Whether it ends what the record of a background response must have: a turn, or a round of tools.
    fn is_step(&self, next: &Step) -> bool {
        match next {
            // The first record is on disk when the first turn begins.
            Step::Sample => self.turns > 0 || self.engine.as_ref().is_some_and(ResponseLoop::has_output),
            Step::RunTools => true,
            Step::Begin | Step::Commit | Step::End(_) | Step::Park | Step::More => false,
        }
    }

    /// Ends with an HTTP error; nothing was sent and nothing is kept.
    pub(crate) fn refuse(&mut self, error: ApiError) -> Step {
        self.log_line.error(&error);
        self.sink.refuse(error);
        Step::End(None)
    }

    pub(crate) async fn fail(&mut self, error: &SampleError) -> Step {
        let api = error.to_api(self.request.route.uses_client_key());
        let provider = &self.request.provider;
        self.neighbours.node.metrics.upstream_error(provider, error.reason());
        if matches!(error, SampleError::Panicked) {
            self.neighbours.node.metrics.panicked();
        }
        if let Some(next) = Box::pin(self.retry(error)).await {
            return next;
        }
        let provider = &self.request.provider;
        tracing::warn!(response_id = %self.request.id, provider, reason = error.reason(), %error, "provider call failed");
        self.fail_with(api).await
    }

    /// An HTTP error while that is possible, otherwise `error` and `response.failed`. After a call was made the
    /// response is kept in any case: its result would be lost, and an approval is used up.
    pub(crate) async fn fail_with(&mut self, error: ApiError) -> Step {
        if self.sink.is_waiting() && !self.engine.as_ref().is_some_and(ResponseLoop::has_acted) {
            return self.refuse(error);
        }
        self.log_line.error(&error);
        self.feed(Input::Failed(error)).await
    }

    /// Gives a unary client its answer, and writes the request's one log line.
    fn finish(&mut self, outcome: Option<Outcome>) -> Option<Outcome> {
        if let Some(engine) = &mut self.engine {
            self.notes.extend(engine.take_notes());
            if let Some(error) = engine.error() {
                self.log_line.error(error);
            }
            if self.sink.is_waiting() {
                match engine.error() {
                    Some(error) => {
                        let kept = engine.is_kept().then(|| self.request.id.clone());
                        self.sink.fail(error.clone(), kept);
                    }
                    None => self.sink.answer(engine.take_response_json(), self.notes.clone()),
                }
            }
        }
        // Closes the stream.
        self.sink = Sink::Done;
        let usage = self.engine.as_ref().and_then(ResponseLoop::usage).copied();
        self.log_line.log(outcome, usage, &self.notes, &self.neighbours.node.metrics);
        outcome
    }

    /// Ends without an end: the record says that it goes on.
    fn park(&mut self) -> Option<Outcome> {
        self.sink = Sink::Done;
        self.log_line.log_parked(&self.neighbours.node.metrics);
        None
    }

    /// After a panic: the response ends as failed, told and recorded.
    pub(crate) async fn crashed(&mut self) {
        if matches!(self.fail_with(ApiError::internal()).await, Step::Commit) {
            self.commit().await;
        }
        self.finish(Some(Outcome::Failed));
    }

    /// The last resort, when even the orderly end panicked: an HTTP client gets its error, a stream is cut.
    pub(crate) fn give_up(&mut self) {
        self.sink.refuse(ApiError::internal());
        self.sink = Sink::Done;
    }
}

/// The wire word of an outcome.
pub(crate) fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => ResponseStatus::Completed.as_str(),
        Outcome::Incomplete => ResponseStatus::Incomplete.as_str(),
        Outcome::Failed => ResponseStatus::Failed.as_str(),
        Outcome::Cancelled => ResponseStatus::Cancelled.as_str(),
    }
}
