//! Carries out what the engine of one response says, until it is over.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::Addr;
use or_adapters::{Note, NoteKind};
use or_engine::{Action, Input, LoopSpec, Outcome, Output, ResponseLoop};
use or_protocol::{ApiError, ErrorKind, ResponseId, ResponseStatus};
use serde_json::value::RawValue;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::client::{Client, Interrupt};
use crate::provider::ProviderActor;
use crate::references;
use crate::store::{Change, Commit, StoreActor, StoreError, StoredResponse};
use crate::summary::Summary;
use crate::{CancelReason, Job, Node, ProviderKey, ProviderSpec, SampleError};

/// A commit that takes longer counts as failed: an answer must not hang on a disk.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// A loop's neighbours.
pub(crate) struct Links {
    pub(crate) node: Arc<Node>,
    pub(crate) provider: Addr<ProviderActor>,
    pub(crate) store: Addr<StoreActor>,
    pub(crate) cancelled: watch::Receiver<Option<CancelReason>>,
}

/// What a request says that does not change while it is served.
pub(crate) struct Request {
    id: ResponseId,
    pub(crate) upstream_model: String,
    pub(crate) provider: Arc<ProviderSpec>,
    pub(crate) key: ProviderKey,
    owner: String,
    pub(crate) strict: bool,
    pub(crate) stream: bool,
    previous: Option<String>,
    pub(crate) heavy: bool,
}

/// One response in the making.
pub(crate) struct Drive {
    pub(crate) request: Request,
    pub(crate) links: Links,
    pub(crate) client: Client,
    /// Taken by `prepare`.
    job: Option<Box<Job>>,
    pub(crate) engine: Option<ResponseLoop>,
    /// The request's own input as it will be stored.
    input_json: Option<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) summary: Summary,
    pub(crate) deadline: Instant,
}

/// What to do next.
pub(crate) enum Next {
    Sample,
    Commit,
    End(Option<Outcome>),
    /// Wait for more of the turn.
    More,
}

pub(crate) fn unix_now() -> i64 {
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
    pub(crate) async fn feed(&mut self, input: Input) -> Next {
        let mut out = Output::default();
        match &mut self.engine {
            Some(engine) => engine.handle(input, unix_now(), &mut out),
            None => return Next::End(None),
        }
        self.carry_out(out).await
    }

    pub(crate) async fn carry_out(&mut self, out: Output) -> Next {
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
            Some(Action::Begin | Action::CallModel) => Next::Sample,
            Some(Action::Commit) => Next::Commit,
            Some(Action::End(outcome)) => Next::End(Some(*outcome)),
        }
    }

    /// The client left: what was made so far is recorded as cancelled.
    pub(crate) fn cancel(&mut self) -> Next {
        let mut out = Output::default();
        let Some(engine) = &mut self.engine else { return Next::End(None) };
        engine.handle(Input::Cancel, unix_now(), &mut out);
        match out.actions.last() {
            Some(Action::Commit) => Next::Commit,
            _ => Next::End(Some(Outcome::Cancelled)),
        }
    }

    /// Ends with an HTTP error; nothing was sent and nothing is kept.
    pub(crate) fn refuse(&mut self, error: ApiError) -> Next {
        self.summary.error(&error);
        self.client.refuse(error);
        Next::End(None)
    }

    pub(crate) async fn fail(&mut self, error: &SampleError) -> Next {
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
    pub(crate) async fn fail_with(&mut self, error: ApiError) -> Next {
        if self.client.is_waiting() {
            return self.refuse(error);
        }
        self.summary.error(&error);
        self.feed(Input::Failed(error)).await
    }

    pub(crate) async fn interrupt(&mut self, why: Interrupt) -> Next {
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
            background: false,
            resume: None,
        };
        let commit = self.links.store.send(Commit(Change::record(self.request.id.clone(), stored)));
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
