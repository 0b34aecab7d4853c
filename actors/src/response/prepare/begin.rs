//! From a job to an engine that can begin.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use or_adapters::Note;
use or_engine::{Context, Input, LoopLimits, LoopSpec, ResponseLoop};
use or_middleware::{End, EndStatus, Facts, Run};
use or_protocol::{ApiError, CreateResponseBody, ErrorKind, Item, Settings, Tool};
use or_store::too_large;
use or_telemetry::ResponseSpan;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::context::{Loaded, Loader};
use super::quota;
use super::tools::{Purpose, ReadyTools, WantedTools, ready_tools};
use crate::heavy::{Gone, WorkPanicked};
use crate::mcp::Runners;
use crate::response::attend::{Attend, Interrupt, Waited, unix_now};
use crate::response::job::{BackgroundJob, Job};
use crate::response::record::Kept;
use crate::response::request::{Neighbours, Request};
use crate::response::saved::SavedRequest;
use crate::response::sink::Sink;
use crate::running::CancelReason;

/// A stored response that takes longer is on disk before it is over, so that a restart finds it. Most are over
/// sooner, and spare the disk a second record.
const BEGUN_AFTER: Duration = Duration::from_millis(20);
/// The same for each MiB of its input: the store's copies of a long one shall not be there beside those of its
/// translation.
const BEGUN_AFTER_EACH_MIB: Duration = Duration::from_secs(1);

/// When a response with so many bytes of input is on disk before it is over.
fn begun_after(input: usize) -> Duration {
    BEGUN_AFTER
        .saturating_add(BEGUN_AFTER_EACH_MIB.saturating_mul(u32::try_from(input >> 20).unwrap_or(u32::MAX)))
}

/// A response before it begins: it has a client, and no engine.
pub(crate) struct Preparation {
    pub(crate) request: Rc<Request>,
    pub(crate) neighbours: Neighbours,
    pub(crate) attend: Attend,
    pub(crate) span: ResponseSpan,
    /// `None` if no middleware has a part in it.
    pub(crate) middleware: Option<Box<Run>>,
    /// What is asked; taken when it is prepared.
    work: Option<(CreateResponseBody, Option<BackgroundJob>)>,
}

/// What a response begins with.
pub(crate) struct Prepared {
    pub(crate) engine: ResponseLoop,
    /// What the engine is told first.
    pub(crate) first: Input,
    /// When the record of the beginning is due.
    pub(crate) beginning: Option<Instant>,
    pub(crate) notes: Vec<Note>,
    pub(crate) kept: Kept,
    /// The MCP servers of the request.
    pub(crate) servers: Runners,
}

/// Why the tools could not be made ready.
pub(super) enum Unready {
    /// It ends with this error.
    Failed(ApiError),
    /// Somebody wants it to end.
    Cancelled,
    /// Nobody waits for it, or it is left to the next start.
    Left,
}

impl Preparation {
    pub(crate) fn new(mut job: Job, neighbours: Neighbours) -> Self {
        let facts = Arc::clone(&neighbours.status.facts);
        let request = Rc::new(Request::of(&mut job, Arc::clone(&facts)));
        let span = ResponseSpan::new(&neighbours.node.metrics, facts, job.request.trace.take());
        let sink = Sink::new(job.reply);
        let limits = &neighbours.node.limits;
        let created_at = match &job.background {
            Some(BackgroundJob::Resumed { record, .. }) => Some(record.created_at),
            Some(BackgroundJob::New(_)) | None => None,
        };
        let left = time_left(created_at, unix_now(), limits.max_response);
        let attend = Attend::new(sink, Rc::clone(&neighbours.mailbox), left, limits.keepalive);
        let middleware = neighbours.node.middleware.begin(|| Facts {
            response: Arc::clone(&request.facts),
            previous_response_id: request.previous.clone(),
            metadata: job.request.body.settings.metadata.clone(),
            store: job.request.body.store,
            resumed: matches!(job.background, Some(BackgroundJob::Resumed { .. })),
        });
        let work = Some((job.request.body, job.background));
        Self { request, neighbours, attend, span, middleware, work }
    }

    /// Ends with an HTTP error before anything began.
    pub(crate) fn refuse(&mut self, error: ApiError) {
        if matches!(self.attend.sink, Sink::Done) {
            // The client left before.
            self.span.end("cancelled", None, &[]);
            return self.end_middleware(EndStatus::Cancelled, None);
        }
        self.span.error(&error);
        self.attend.sink.refuse(error.clone());
        self.attend.sink = Sink::Done;
        self.span.end("refused", None, &[]);
        self.end_middleware(EndStatus::Refused, Some(error));
    }

    fn end_middleware(&mut self, status: EndStatus, error: Option<ApiError>) {
        let took = self.request.facts.received.elapsed();
        if let Some(run) = &mut self.middleware {
            run.end(|| End {
                status,
                provider: Arc::clone(self.request.provider()),
                error,
                usage: None,
                notes: Vec::new(),
                took,
            });
        }
    }

    /// Reads what the request refers to and makes the engine.
    ///
    /// # Errors
    /// What an HTTP client is told; the response then never began. Of one that goes on after a restart: there is
    /// nothing to go on with, and the record says how it ended.
    pub(crate) async fn prepare(&mut self) -> Result<Prepared, ApiError> {
        match self.work.take() {
            // Boxed: every loop would carry the room for it to its end.
            Some((body, Some(BackgroundJob::Resumed { record, saved, goes_on }))) => {
                Box::pin(self.go_on(body, *record, *saved, goes_on)).await
            }
            Some((body, Some(BackgroundJob::New(saved)))) => self.begin(body, Some(saved)).await,
            Some((body, None)) => self.begin(body, None).await,
            None => Err(ApiError::internal()),
        }
    }

    async fn begin(
        &mut self,
        mut body: CreateResponseBody,
        saved: Option<Box<RawValue>>,
    ) -> Result<Prepared, ApiError> {
        let (input, keep) = (std::mem::take(&mut body.input), body.store);
        if keep {
            quota::check(&self.neighbours.node, &self.request.facts.owner)?;
        }
        let Loaded { mut context, stored: input, .. } = self.load(input, keep).await?;
        let (longest, size) =
            (self.neighbours.store.longest_record(), input.as_ref().map_or(0, |json| json.get().len()));
        if size > longest {
            return Err(too_large(size, longest));
        }
        let mut notes = std::mem::take(&mut context.notes);
        let resume = saved.map(|saved| self.saved_request(saved, &body.settings));
        let beginning = (resume.is_none() && keep).then(|| Instant::now() + begun_after(size));
        let (tools, first) = match self.ready_tools(&mut body.settings, &context, &[]).await {
            Ok(ready) => (ready, Input::Start),
            Err(Unready::Failed(error)) if self.attend.sink.is_waiting() => return Err(error),
            Err(Unready::Failed(error)) => (ReadyTools::default(), Input::Failed(error)),
            Err(Unready::Cancelled | Unready::Left) => (ReadyTools::default(), Input::Cancel),
        };
        notes.extend(tools.notes);
        if !tools.server_tools.is_empty() || !tools.mcp.servers.is_empty() {
            self.name_agent(&body.settings);
        }
        let spec = LoopSpec {
            server_tools: tools.server_tools,
            mcp: tools.mcp,
            ..self.spec(body, unix_now(), context.items)
        };
        let spec = self.compared(spec).await?;
        let engine = self.heavy(move |_| ResponseLoop::new(spec)).await?;
        let (input, resume) = (input.map(Arc::new), resume.map(Arc::new));
        let kept = Kept { input, resume, old_notes: Vec::new() };
        let servers = tools.servers;
        Ok(Prepared { engine, first, beginning, notes, kept, servers })
    }

    /// Says whose loop it is: the request's `metadata` may name its agent, and otherwise it is the client.
    fn name_agent(&mut self, settings: &Settings) {
        let facts = &self.request.facts;
        let agent = settings.metadata.get("agent").and_then(|name| name.as_str()).unwrap_or(&facts.owner);
        // Of a longer chain, the first response is not known here.
        let first = self.request.previous.is_none().then(|| facts.id.as_str());
        self.span.agent(agent, first);
    }

    /// Loads the context, and looks after the client meanwhile.
    async fn load(&mut self, input: Vec<Item>, keep: bool) -> Result<Loaded, ApiError> {
        let Self { request, neighbours, attend, span, .. } = self;
        let loader = loader(request, neighbours);
        let work = loader.load(&request.facts.id, input, keep);
        let loaded = match attended(attend, neighbours, None, work).await {
            Ok(loaded) => loaded,
            Err(Unready::Failed(error)) => return Err(error),
            // Nobody is told.
            Err(Unready::Cancelled | Unready::Left) => {
                attend.sink = Sink::Done;
                return Err(ApiError::interrupted());
            }
        };
        request.set_bytes(loaded.bytes);
        span.context(loaded.bytes);
        Ok(loaded)
    }

    /// Does a piece of work on the whole request where its size wants it done.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gone) -> T + Send + 'static,
    ) -> Result<T, WorkPanicked> {
        let (request, held) = (&self.request, self.request.held.clone());
        let work = move |gone: &Gone| {
            let _held = held;
            work(gone)
        };
        self.neighbours.node.heavy.sized(request.bytes(), &request.facts.owner, work).await
    }

    /// What is kept of a background response's request until it is over.
    fn saved_request(&self, body: Box<RawValue>, settings: &Settings) -> SavedRequest {
        let request = &*self.request;
        let secrets = settings.tools.iter().any(|tool| matches!(tool, Tool::Mcp(mcp) if mcp.has_secrets()));
        SavedRequest {
            body,
            model: request.facts.model.clone(),
            upstream_model: request.route.first().map(|target| target.model.clone()).unwrap_or_default(),
            request_id: request.facts.request_id.clone(),
            strict: request.strict,
            reasoning_events: request.reasoning_events,
            client_key: request.route.uses_client_key() || secrets,
            progress: or_engine::Progress::default(),
        }
    }

    /// What the engine is made of, but for the tools that this server runs.
    pub(super) fn spec(&self, body: CreateResponseBody, created_at: i64, context: Vec<Item>) -> LoopSpec {
        let (request, limits) = (&*self.request, &self.neighbours.node.limits);
        let ReadyTools { server_tools, mcp, .. } = ReadyTools::default();
        LoopSpec {
            id: request.facts.id.clone(),
            created_at,
            model: request.facts.model.clone(),
            previous_response_id: request.previous.clone(),
            store: body.store,
            background: request.facts.background,
            stream: request.facts.stream,
            settings: body.settings,
            context,
            reasoning_events: request.reasoning_events,
            server_tools,
            mcp,
            seal: self.neighbours.node.sealer.of_owner(&request.facts.owner),
            limits: LoopLimits { max_output_bytes: limits.max_output_bytes, ..limits.tools.of_loop() },
            prompt_cache_diagnostics: None,
        }
    }

    /// Makes the tools ready, and looks after the client meanwhile. `own`: items of the response, if it goes on after a
    /// restart.
    pub(super) async fn ready_tools(
        &mut self,
        settings: &mut Settings,
        context: &Context,
        own: &[Item],
    ) -> Result<ReadyTools, Unready> {
        let Self { request, neighbours, attend, .. } = self;
        let wanted = WantedTools {
            node: &neighbours.node,
            store: &neighbours.store,
            id: &request.facts.id,
            owner: &request.facts.owner,
            provider: request.route.first().map(|target| &*target.provider),
            strict: request.strict,
            purpose: Purpose::Response,
            context,
            own,
        };
        let opens = (request.facts.stream && !request.facts.background).then_some(&*context.notes);
        attended(attend, neighbours, opens, ready_tools(wanted, settings)).await
    }
}

/// What loads the context of a request.
pub(super) fn loader<'a>(request: &'a Request, neighbours: &'a Neighbours) -> Loader<'a> {
    Loader {
        node: &neighbours.node,
        store: &neighbours.store,
        owner: &request.facts.owner,
        previous: request.previous.as_deref(),
        own: request.bytes(),
        held: &request.held,
    }
}

/// Waits for work of the preparation, and looks after the client meanwhile. `opens`: the notes with which its stream is
/// opened if it takes long.
async fn attended<T>(
    attend: &mut Attend,
    neighbours: &Neighbours,
    opens: Option<&[Note]>,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Unready> {
    let mut work = std::pin::pin!(work);
    loop {
        let why = match attend.wait(work.as_mut()).await {
            Waited::Done(done) => return done.map_err(Unready::Failed),
            Waited::Interrupted(why) => why,
            Waited::Silence => {
                if let Some(notes) = opens {
                    attend.sink.open(notes, &neighbours.node.budget);
                }
                // If the client left, the next wait says so.
                attend.sink.keep_alive().await;
                continue;
            }
            // There is an engine by then.
            Waited::BeginningDue => continue,
        };
        if let Some(unready) = unready(why, attend) {
            return Err(unready);
        }
    }
}

/// How long a response may take from now on. One that goes on after a restart has lived since `created_at`, so that
/// crashes do not give it a new life each; but it gets a tenth, so that a long outage does not end what has hardly begun.
fn time_left(created_at: Option<i64>, now: i64, max: Duration) -> Duration {
    let lived = created_at.map_or(0, |created_at| now.saturating_sub(created_at));
    max.saturating_sub(Duration::from_secs(u64::try_from(lived).unwrap_or(0))).max(max / 10)
}

/// What an interrupt means for a response that has no engine yet. `None`: it goes on.
fn unready(why: Interrupt, attend: &mut Attend) -> Option<Unready> {
    let failed = |kind, code: &str, text: &str| Unready::Failed(ApiError::new(kind, text).with_code(code));
    Some(match why {
        Interrupt::Peek => {
            drop(attend.mailbox.take_peeks());
            return None;
        }
        Interrupt::ClientLeft => {
            attend.sink = Sink::Done;
            Unready::Left
        }
        Interrupt::Cancelled(CancelReason::Asked | CancelReason::Removed) => Unready::Cancelled,
        // What is on disk goes on at the next start.
        Interrupt::Cancelled(_) if matches!(attend.sink, Sink::Detached) => Unready::Left,
        Interrupt::Cancelled(_) => {
            let text = "The server was shut down before the response was begun.";
            failed(ErrorKind::Unavailable, "interrupted", text)
        }
        Interrupt::TooLong => {
            let text = "The response took longer than this server allows.";
            failed(ErrorKind::Timeout, "response_timeout", text)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(created_at: Option<i64>, want_s: u64) {
        let (now, max) = (1_000_000, Duration::from_secs(3600));
        assert_eq!(time_left(created_at, now, max), Duration::from_secs(want_s));
    }

    #[test]
    fn a_restart_gives_no_new_life() {
        check(None, 3600);
        check(Some(1_000_000), 3600);
        check(Some(999_000), 2600);
        check(Some(996_500), 360);
        check(Some(0), 360);
        check(Some(i64::MIN), 360);
        // A clock that was set back.
        check(Some(2_000_000), 3600);
    }
}
