//! Carries out what the engine of one response says, until it is over.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::Addr;
use actix_rt::task::spawn_blocking;
use or_adapters::{ModelEvent, ModelRequest, Note, NoteKind, ResponseTranslator, UpstreamCall};
use or_engine::{Action, Input, LoopSpec, Outcome, Output, ResponseLoop};
use or_protocol::{ApiError, ErrorKind, ResponseId, ResponseStatus};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::client::{Client, Interrupt, interrupted};
use crate::provider::ProviderActor;
use crate::references;
use crate::store::{Commit, StoreActor, StoreError, StoredResponse};
use crate::summary::Summary;
use crate::{CancelReason, Job, Node, ProviderKey, ProviderSpec, Sample, SampleError, Sampled};

/// A commit that takes longer counts as failed: an answer must not hang on a disk.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// How often a unary client is looked after while its answer is collected from a stream.
const LEFT_CHECK: Duration = Duration::from_millis(500);
/// An SSE comment, ignored by every parser.
const KEEPALIVE: &[u8] = b": keep-alive\n\n";

/// A loop's neighbours.
pub(crate) struct Links {
    pub(crate) node: Arc<Node>,
    pub(crate) provider: Addr<ProviderActor>,
    pub(crate) store: Addr<StoreActor>,
    pub(crate) cancelled: watch::Receiver<Option<CancelReason>>,
}

/// What a request says that does not change while it is served.
struct Request {
    id: ResponseId,
    upstream_model: String,
    provider: Arc<ProviderSpec>,
    key: ProviderKey,
    owner: String,
    strict: bool,
    stream: bool,
    previous: Option<String>,
    heavy: bool,
}

/// One response in the making.
pub(crate) struct Drive {
    request: Request,
    links: Links,
    client: Client,
    /// Taken by `prepare`.
    job: Option<Box<Job>>,
    engine: Option<ResponseLoop>,
    /// The request's own input as it will be stored.
    input_json: Option<String>,
    notes: Vec<Note>,
    summary: Summary,
    deadline: Instant,
}

/// What to do next.
enum Next {
    Sample,
    Commit,
    End(Option<Outcome>),
    /// Wait for more of the turn.
    More,
}

fn unix_now() -> i64 {
    // A clock before 1970 is wrong anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

impl Drive {
    pub(crate) fn new(mut job: Box<Job>, links: Links) -> Self {
        let request = Request {
            id: job.id.clone(),
            upstream_model: std::mem::take(&mut job.upstream_model),
            provider: Arc::clone(&job.provider),
            key: job.key.clone(),
            owner: std::mem::take(&mut job.owner),
            strict: job.strict,
            stream: job.body.stream,
            previous: job.body.previous_response_id.take(),
            heavy: job.heavy,
        };
        let (reply, _) = oneshot::channel();
        let client = Client::new(std::mem::replace(&mut job.reply, reply));
        let summary = Summary::new(&job);
        let deadline = Instant::now() + links.node.limits.max_response;
        Self {
            request,
            links,
            client,
            job: Some(job),
            engine: None,
            input_json: None,
            notes: Vec::new(),
            summary,
            deadline,
        }
    }

    pub(crate) fn id(&self) -> &ResponseId {
        &self.request.id
    }

    /// Serves the request to its end. `None`: it ended as an HTTP error before a response began.
    pub(crate) async fn run(&mut self) -> Option<Outcome> {
        let mut next = match self.prepare().await {
            Ok(()) => self.feed(Input::Start).await,
            Err(error) => self.refuse(error),
        };
        loop {
            next = match next {
                Next::Sample => self.turn().await,
                Next::Commit => {
                    let result = self.commit().await;
                    self.feed(Input::Committed(result)).await
                }
                Next::End(outcome) => return self.finish(outcome),
                // The turn ended without an end: an adapter forgot to finish.
                Next::More => self.fail(&SampleError::Broken("the turn did not finish".into())).await,
            };
        }
    }

    /// Reads what the request refers to and makes the engine.
    async fn prepare(&mut self) -> Result<(), ApiError> {
        let Some(job) = self.job.take() else { return Err(ApiError::internal()) };
        let body = job.body;
        let previous = self.request.previous.as_deref();
        let store = &self.links.store;
        let load =
            references::load(store, &self.request.id, previous, &self.request.owner, body.input, body.store);
        let (context, input_json) = load.await?;
        self.notes = context.notes;
        self.input_json = input_json;
        self.engine = Some(ResponseLoop::new(LoopSpec {
            id: self.request.id.clone(),
            created_at: unix_now(),
            model: job.model,
            previous_response_id: self.request.previous.clone(),
            store: body.store,
            background: body.background,
            stream: body.stream,
            settings: body.settings,
            context: context.items,
            reasoning_events: self.links.node.limits.reasoning_events,
        }));
        Ok(())
    }

    /// Feeds the engine and sends what comes of it.
    async fn feed(&mut self, input: Input) -> Next {
        let mut out = Output::default();
        match &mut self.engine {
            Some(engine) => engine.handle(input, unix_now(), &mut out),
            None => return Next::End(None),
        }
        self.carry_out(out).await
    }

    async fn carry_out(&mut self, out: Output) -> Next {
        if !out.frames.is_empty() {
            let patience = self.links.node.limits.client_write_timeout;
            let sent = self.client.send(out.frames, patience).await;
            // After the terminal event a client that left makes no difference.
            let over = out.actions.iter().any(|action| matches!(action, Action::End(_)));
            if !sent && !over {
                return self.cancel();
            }
        }
        match out.actions.last() {
            None => Next::More,
            Some(Action::CallModel) => Next::Sample,
            Some(Action::Commit) => Next::Commit,
            Some(Action::End(outcome)) => Next::End(Some(*outcome)),
        }
    }

    /// The client left: what was made so far is recorded as cancelled.
    fn cancel(&mut self) -> Next {
        let mut out = Output::default();
        let Some(engine) = &mut self.engine else { return Next::End(None) };
        engine.handle(Input::Cancel, unix_now(), &mut out);
        match out.actions.last() {
            Some(Action::Commit) => Next::Commit,
            _ => Next::End(Some(Outcome::Cancelled)),
        }
    }

    /// Ends with an HTTP error; nothing was sent and nothing is kept.
    fn refuse(&mut self, error: ApiError) -> Next {
        self.summary.error(&error);
        self.client.refuse(error);
        Next::End(None)
    }

    async fn fail(&mut self, error: &SampleError) -> Next {
        let client_key = matches!(self.request.key, ProviderKey::Client(_));
        let api = error.to_api(client_key);
        let provider = &self.request.provider.name;
        self.links.node.metrics.upstream_error(provider, error.reason());
        if matches!(error, SampleError::Panicked) {
            self.links.node.metrics.panicked();
        }
        tracing::warn!(response_id = %self.request.id, provider, reason = error.reason(), %error, "provider call failed");
        self.fail_with(api).await
    }

    /// An HTTP error while that is possible, otherwise `error` and `response.failed`.
    async fn fail_with(&mut self, error: ApiError) -> Next {
        if self.client.is_waiting() {
            return self.refuse(error);
        }
        self.summary.error(&error);
        self.feed(Input::Failed(error)).await
    }

    async fn interrupt(&mut self, why: Interrupt) -> Next {
        match why {
            Interrupt::ClientLeft => {
                self.client = Client::Done;
                self.cancel()
            }
            Interrupt::Cancelled(CancelReason::Shutdown) => {
                let text = "The server was shut down before the response was complete.";
                self.fail_with(ApiError::new(ErrorKind::Unavailable, text).with_code("interrupted")).await
            }
            Interrupt::TooLong => {
                let text = "The response took longer than this server allows.";
                self.fail_with(ApiError::new(ErrorKind::Timeout, text).with_code("response_timeout")).await
            }
        }
    }

    /// Translates the turn, off the arbiter if it is large.
    async fn translate(&mut self) -> Result<(UpstreamCall, Box<dyn ResponseTranslator>), ApiError> {
        let adapter = Arc::clone(&self.request.provider.adapter);
        let (model, stream) = (self.request.upstream_model.clone(), self.request.stream);
        let work = move |engine: &ResponseLoop| {
            let request = ModelRequest {
                model: &model,
                context: engine.context(),
                settings: engine.settings(),
                stream,
            };
            adapter.request(&request).map(|call| (call, adapter.translator(&request)))
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
        let client_key = matches!(self.request.key, ProviderKey::Client(_));
        let (mut call, translator) = result.map_err(|e| e.to_api(client_key))?;
        for note in std::mem::take(&mut call.notes) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        if self.request.strict
            && let Some(note) = self.notes.iter().find(|note| note.kind == NoteKind::Dropped)
        {
            let text = format!(
                "Strict translation: '{}' cannot be carried out on this model: {}.",
                note.field, note.why
            );
            return Err(ApiError::invalid("unsupported_parameter", note.field.clone(), text));
        }
        Ok((call, translator))
    }

    /// One call of the model, from translation to its last event.
    async fn turn(&mut self) -> Next {
        let (call, translator) = match self.translate().await {
            Ok(translated) => translated,
            Err(error) => return self.fail_with(error).await,
        };
        // Held for the turn; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let key = self.request.key.clone();
        let sampling = self.links.provider.send(Sample { call, translator, key, gone });
        let sampled = match self.head(sampling).await {
            Ok(sampled) => sampled,
            Err(next) => return next,
        };
        match sampled {
            Ok(Sampled::Whole(events)) => {
                if self.request.stream {
                    self.client.open(&self.notes);
                }
                self.batch(events).await
            }
            Ok(Sampled::Stream(events)) => {
                if self.request.stream {
                    self.client.open(&self.notes);
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
    ) -> Result<Result<Sampled, SampleError>, Next> {
        let mut sampling = pin!(sampling);
        let keepalive = self.links.node.limits.keepalive;
        loop {
            let cancelled = self.links.cancelled.clone();
            let why = tokio::select! {
                biased;
                // Closed: the provider actor died of a panic outside its guard.
                sampled = &mut sampling => return Ok(sampled.unwrap_or(Err(SampleError::Panicked))),
                why = interrupted(self.client.left(), cancelled, self.deadline) => Some(why),
                () = tokio::time::sleep(keepalive), if self.request.stream => None,
            };
            match why {
                Some(why) => return Err(self.interrupt(why).await),
                None => {
                    self.client.open(&self.notes);
                    let patience = self.links.node.limits.client_write_timeout;
                    self.client.send(KEEPALIVE.to_vec(), patience).await;
                }
            }
        }
    }

    /// Pulls the turn's events until it is over.
    async fn pull(&mut self, mut events: mpsc::Receiver<Result<Vec<ModelEvent>, SampleError>>) -> Next {
        let period = if self.client.is_waiting() { LEFT_CHECK } else { self.links.node.limits.keepalive };
        let mut tick = interval_at(Instant::now() + period, period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancelled = self.links.cancelled.clone();
        let mut interrupt = pin!(interrupted(self.client.watch(), cancelled, self.deadline));
        let mut last = Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                batch = events.recv() => {
                    last = Instant::now();
                    match batch {
                        Some(Ok(batch)) => self.batch(batch).await,
                        Some(Err(error)) => self.fail(&error).await,
                        None => return Next::More,
                    }
                }
                why = &mut interrupt => self.interrupt(why).await,
                now = tick.tick() => {
                    if self.client.has_left() {
                        self.interrupt(Interrupt::ClientLeft).await
                    } else if now.duration_since(last) >= period {
                        last = now;
                        self.keep_alive().await
                    } else {
                        Next::More
                    }
                }
            };
            if !matches!(next, Next::More) {
                return next;
            }
        }
    }

    async fn keep_alive(&mut self) -> Next {
        let patience = self.links.node.limits.client_write_timeout;
        let open = !self.client.is_waiting();
        if open && !self.client.send(KEEPALIVE.to_vec(), patience).await {
            return self.cancel();
        }
        Next::More
    }

    /// Feeds the events of one read; their frames go out in one write.
    async fn batch(&mut self, events: Vec<ModelEvent>) -> Next {
        let mut out = Output::default();
        let now = unix_now();
        let Some(engine) = &mut self.engine else { return Next::End(None) };
        for event in events {
            engine.handle(Input::Model(event), now, &mut out);
        }
        if self.summary.first_token() {
            let (provider, after) = (&self.request.provider.name, self.summary.age());
            self.links.node.metrics.first_token(provider, after);
        }
        self.carry_out(out).await
    }

    /// Writes the record of the end.
    async fn commit(&mut self) -> Result<(), ()> {
        let Some(engine) = &mut self.engine else { return Err(()) };
        self.notes.extend(engine.take_notes());
        let record = engine.record();
        let response =
            String::from_utf8(record.response_json.to_vec()).ok().and_then(|s| RawValue::from_string(s).ok());
        let input = self.input_json.take().and_then(|json| RawValue::from_string(json).ok());
        let (Some(response), Some(input)) = (response, input) else { return Err(()) };
        let stored = StoredResponse {
            owner: self.request.owner.clone(),
            created_at: record.created_at,
            status: record.status,
            provider: self.request.provider.name.clone(),
            previous_response_id: self.request.previous.clone(),
            input,
            response,
            sealed: record.sealed.to_vec(),
            notes: self.notes.iter().map(stored_note).collect(),
        };
        let commit = self.links.store.send(Commit { id: self.request.id.clone(), record: stored });
        let result = match timeout(COMMIT_PATIENCE, commit).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable),
            Err(_) => Err(StoreError::Io("the commit took too long".into())),
        };
        self.links.node.metrics.store_commit(result.is_ok());
        result.map_err(|error| {
            tracing::error!(response_id = %self.request.id, %error, "the response could not be stored");
        })
    }

    /// Gives a unary client its answer, and writes the request's one log line.
    fn finish(&mut self, outcome: Option<Outcome>) -> Option<Outcome> {
        if let Some(engine) = &mut self.engine {
            self.notes.extend(engine.take_notes());
            if let Some(error) = engine.error() {
                self.summary.error(error);
            }
            if self.client.is_waiting() {
                match engine.error() {
                    Some(error) => self.client.refuse(error.clone()),
                    None => self.client.answer(engine.response_json().to_vec(), self.notes.clone()),
                }
            }
        }
        // Closes the stream.
        self.client = Client::Done;
        let usage = self.engine.as_ref().and_then(ResponseLoop::usage).copied();
        self.summary.log(outcome, usage, &self.notes, &self.links.node.metrics);
        outcome
    }

    /// After a panic: the response ends as failed, told and recorded.
    pub(crate) async fn crashed(&mut self) {
        let mut next = self.fail_with(ApiError::internal()).await;
        // At most a commit and its answer: a loop that begins anew is no end.
        for _ in 0..2 {
            next = match next {
                Next::Commit => {
                    let result = self.commit().await;
                    self.feed(Input::Committed(result)).await
                }
                Next::Sample | Next::More | Next::End(_) => break,
            };
        }
        self.finish(Some(Outcome::Failed));
    }

    /// The last resort, when even the orderly end panicked: an HTTP client gets its error, a stream is cut.
    pub(crate) fn give_up(&mut self) {
        self.client.refuse(ApiError::internal());
        self.client = Client::Done;
    }
}

fn stored_note(note: &Note) -> (String, String, String) {
    let kind = match note.kind {
        NoteKind::Emulated => "emulated",
        NoteKind::Dropped => "dropped",
    };
    (note.field.clone(), kind.to_owned(), note.why.clone())
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
