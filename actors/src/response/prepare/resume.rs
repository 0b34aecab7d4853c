//! What it takes to go on with a background response after a restart.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use or_engine::{Context, Input, LoopSpec, ResponseLoop, ResumeError, Saved};
use or_protocol::{ApiError, CreateResponseBody, ResponseId, member};
use or_store::{Append, Change, Frames, StoreError, StoredResponse, too_large};
use tokio::sync::oneshot;

use super::begin::{Preparation, Prepared, Unready, loader};
use super::tools::ReadyTools;
use crate::held::Held;
use crate::node::Node;
use crate::response::job::{BackgroundJob, Job, Routed};
use crate::response::record::Kept;
use crate::response::request::Request;
use crate::response::saved::SavedRequest;
use crate::response::sink::{Disk, Sink};
use crate::store::StoreHandle;

/// An event log is at most so many times as long as the output may be, its end included.
const LOG_SHARE: u64 = 16;

/// The job of a response that was left unfinished; `None` if there is nothing to go on with.
pub(crate) async fn job(node: &Node, store: &StoreHandle, id: ResponseId, owner: String) -> Option<Box<Job>> {
    let bytes = store.record_bytes(id.clone(), owner.clone()).await.ok().flatten().unwrap_or(0);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    // It was admitted before the restart, so it waits and is not refused.
    let held = Held::when_there_is_room(&node.budget, bytes, || node.running.stopping()).await?;
    let record = match store.load(id.clone(), owner.clone()).await {
        Ok(record) => record.filter(|record| !record.is_over())?,
        Err(error) => {
            tracing::error!(response_id = %id, %error, "a response that was left unfinished does not read");
            return None;
        }
    };
    let read = record.resume.as_ref().and_then(|json| serde_json::from_str::<SavedRequest>(json.get()).ok());
    let body =
        read.as_ref().and_then(|saved| CreateResponseBody::from_json(saved.body.get().as_bytes()).ok());
    let (Some(saved), Some(mut body)) = (read, body) else {
        tracing::error!(response_id = %id, "a response that was left unfinished is damaged");
        if let Ok(record) = record.interrupted() {
            // If this does not succeed the next start tries again.
            let _ = store.commit(Change::record(id, record)).await;
        }
        return None;
    };
    let mut route = node.providers.again(&record.provider, &saved.upstream_model, &saved.model);
    let client = node.clients.client(&owner);
    // Whether its key may use the one that served it was looked at when the response was made.
    route.targets.retain(|target| {
        *target.provider.name == *record.provider || client.allows(&target.provider.name, &target.model)
    });
    let goes_on = route.first().is_some() && !saved.client_key;
    node.metrics.resumed(goes_on);
    body.previous_response_id.clone_from(&record.previous_response_id);
    let (reply, _) = oneshot::channel();
    Some(Box::new(Job {
        id,
        request: Routed {
            request_id: saved.request_id.clone(),
            body,
            model: saved.model.clone(),
            route,
            client,
            owner,
            // It was written with the first record.
            idempotency_key: None,
            // What could not be carried out was refused when the response was made.
            strict: false,
            reasoning_events: saved.reasoning_events,
            bytes,
            held,
            received: Instant::now(),
            trace: None,
        },
        reply,
        background: Some(BackgroundJob::Resumed {
            record: Box::new(record),
            saved: Box::new(saved),
            goes_on,
        }),
    }))
}

impl Preparation {
    /// Brings the engine to where the last process left it. An error means that there is nothing to go on with, and
    /// the record says how it ended.
    pub(super) async fn go_on(
        &mut self,
        mut body: CreateResponseBody,
        record: StoredResponse,
        saved: SavedRequest,
        goes_on: bool,
    ) -> Result<Prepared, ApiError> {
        let progress = saved.progress.clone();
        let log = match self.whole_log().await {
            Ok(log) => log,
            Err(error) => return Err(self.give_up(record, &error).await),
        };
        let next = log.next();
        let Request { facts, .. } = &*self.request;
        let turn = match record.history_turn(facts.id.as_str()) {
            Ok(turn) => turn,
            Err(error) => return Err(self.give_up(record, &error).await),
        };
        let (context, mut instead) = match loader(&self.request, &self.neighbours).context(turn.input).await {
            Ok(loaded) => {
                self.request.set_bytes(loaded.bytes);
                self.span.context(loaded.bytes);
                (loaded.context, None)
            }
            Err(error) => (Context::default(), Some(Input::Failed(error))),
        };
        // Nobody waits for it.
        self.attend.sink = Sink::Detached;
        let mut tools = ReadyTools::default();
        if instead.is_none() && goes_on {
            match self.ready_tools(&mut body.settings, &context, &turn.output).await {
                Ok(ready) => tools = ready,
                Err(Unready::Failed(error)) => instead = Some(Input::Failed(error)),
                Err(Unready::Cancelled) => instead = Some(Input::Cancel),
                // The record says that it goes on.
                Err(Unready::Left) => return Err(ApiError::interrupted()),
            }
        }
        let spec = LoopSpec {
            server_tools: tools.server_tools,
            mcp: tools.mcp,
            // As the client was told before.
            prompt_cache_diagnostics: member(&record.response, "prompt_cache_diagnostics")
                .and_then(|found| serde_json::from_str(found.get()).ok()),
            ..self.spec(body, record.created_at, context.items)
        };
        let before = Saved { status: record.status, output: turn.output, progress, log: &log.bytes };
        let engine = match ResponseLoop::resume(spec, before) {
            Ok(engine) => engine,
            Err(error) => return Err(self.close(record, error, next).await),
        };
        self.attend.sink = Sink::detached(self.neighbours.log.as_ref(), next);
        let kept = Kept {
            input: Some(Arc::new(record.input)),
            resume: Some(Arc::new(saved)),
            old_notes: record.notes,
        };
        let first = match instead {
            Some(instead) => instead,
            None if goes_on => Input::Resume,
            None => Input::Failed(ApiError::interrupted()),
        };
        let (notes, servers) = (tools.notes, tools.servers);
        Ok(Prepared { engine, first, beginning: None, notes, kept, servers })
    }

    /// All frames of the response that are on disk.
    async fn whole_log(&self) -> Result<Frames, StoreError> {
        let (mut bytes, mut next) = (BytesMut::new(), 0);
        let limit = self.neighbours.node.limits.max_output_bytes.saturating_mul(LOG_SHARE);
        while self.neighbours.log.is_some() {
            let part = self.neighbours.store.read_log(self.request.facts.id.clone(), next).await?;
            bytes.extend_from_slice(&part.bytes);
            if part.bytes.is_empty() || part.is_end() {
                break;
            }
            if bytes.len() as u64 > limit {
                return Err(StoreError::TooLong(bytes.len()));
            }
            next = part.next();
        }
        Ok(Frames { first: 0, bytes: bytes.freeze() })
    }

    /// Ends a response of which something does not read: if it never will, for good.
    async fn give_up(&self, record: StoredResponse, error: &StoreError) -> ApiError {
        let id = &self.request.facts.id;
        tracing::error!(response_id = %id, %error, "a response that was left unfinished does not read");
        let told = match error {
            StoreError::TooLong(bytes) => too_large(*bytes, self.neighbours.store.longest_record()),
            _ => ApiError::internal(),
        };
        if error.is_permanent()
            && let Ok(record) = record.failed_short(&told)
        {
            self.write_end(record, Vec::new()).await;
        }
        told
    }

    /// Writes the record of a response whose log says that it is over, or cannot be gone on with.
    async fn close(&self, record: StoredResponse, error: ResumeError, next: u64) -> ApiError {
        let id = &self.request.facts.id;
        tracing::error!(response_id = %id, %error, "a response does not go on");
        let (ended, missing) = match error {
            ResumeError::Ended(log) => (record.clone().ended(log.status, log.response_json), log.missing),
            ResumeError::Damaged { .. } | ResumeError::Over => (record.clone().interrupted(), &b""[..]),
        };
        let longest = self.neighbours.store.longest_record();
        let ended = match ended {
            Ok(ended) if ended.size() > longest => record.failed_short(&too_large(ended.size(), longest)),
            other => other,
        };
        if let Ok(ended) = ended {
            let frames = Frames { first: next, bytes: Bytes::from_static(missing) };
            let appends = if missing.is_empty() { Vec::new() } else { vec![Append::Frames(frames)] };
            self.write_end(ended, appends).await;
        }
        ApiError::interrupted()
    }

    /// Once: if it does not succeed, the next start tries again.
    async fn write_end(&self, record: StoredResponse, appends: Vec<Append>) {
        let id = self.request.facts.id.clone();
        let change = Change { id: id.clone(), record: Some(Arc::new(record)), appends };
        if let Err(error) = Disk::of(&self.neighbours).write(change).await {
            tracing::error!(response_id = %id, %error, "the end of a response was not written");
        }
    }
}
