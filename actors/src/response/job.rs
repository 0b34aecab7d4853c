//! One request on its way from the HTTP layer to a loop, and the answer's way back.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use or_adapters::Note;
use or_engine::ReasoningEvents;
use or_keys::Client;
use or_protocol::{ApiError, CreateResponseBody, ResponseId};
use or_telemetry::trace::OpenSpan;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::client_queue::ClientFrames;
use crate::held::Held;
use crate::provider::Route;
use crate::response::saved::SavedRequest;
use or_store::{IdempotencyKey, StoredResponse};

/// A request of a client, and who shall serve it.
#[derive(Debug)]
pub struct Routed {
    /// For logs and the `x-request-id` header.
    pub request_id: String,
    /// The decoded request.
    pub body: CreateResponseBody,
    /// Model name as the client wrote it.
    pub model: String,
    /// Who serves it.
    pub route: Route,
    /// Name of the client key that made the request; owner of the record, and of the history it may continue.
    pub owner: String,
    /// That client, and what it may do.
    pub client: Arc<Client>,
    /// Its `idempotency-key`, if it has one.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Whether a dropped field is an error (design D13).
    pub strict: bool,
    /// Names of the raw-reasoning events that its client reads.
    pub reasoning_events: ReasoningEvents,
    /// Bytes of the body.
    pub bytes: usize,
    /// What it holds of the bytes in flight.
    pub held: Held,
    /// When the request came.
    pub received: Instant,
    /// The span of the request, if there are spans.
    pub trace: Option<Box<OpenSpan>>,
}

/// Everything a loop needs to know about its request.
#[derive(Debug)]
pub struct Job {
    /// Id of the response to make.
    pub id: ResponseId,
    /// What is asked of whom.
    pub request: Routed,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
    /// Of a background response.
    pub background: Option<BackgroundJob>,
}

impl Job {
    /// Name of the provider, for logs, metrics and the record. One that is not there any more keeps its name.
    pub(crate) fn provider(&self) -> Arc<str> {
        match (self.request.route.first(), &self.background) {
            (Some(target), _) => Arc::clone(&target.provider.name),
            (None, Some(BackgroundJob::Resumed { record, .. })) => record.provider.as_str().into(),
            (None, Some(BackgroundJob::New(_)) | None) => "".into(),
        }
    }
}

/// What is special about a background response.
#[derive(Debug)]
pub enum BackgroundJob {
    /// It is new. Holds the request's body as JSON, without its input and the client's provider key: what it takes
    /// to go on after a restart.
    New(Box<RawValue>),
    /// It goes on after a restart, from this record.
    Resumed {
        /// As the last process left it.
        record: Box<StoredResponse>,
        /// What that says of the request.
        saved: Box<SavedRequest>,
        /// Whether it can be sampled: its provider and key are at hand. Otherwise only its end is to be told.
        goes_on: bool,
    },
}

/// What the headers of an answer say of it.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// For the translation header; none of an error.
    pub notes: Vec<Note>,
    /// Further headers, by their names in lower case, each name once. A value that no header can carry is left out.
    pub headers: Vec<(Cow<'static, str>, String)>,
}

impl Trail {
    /// Sets a header; what it said before is forgotten.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name, value)),
        }
    }
}

/// The beginning of an answer, or all of it.
#[derive(Debug)]
pub enum Reply {
    /// A whole JSON answer.
    Json {
        /// The response object.
        body: Vec<u8>,
        /// What its headers say.
        trail: Trail,
    },
    /// A stream has begun.
    Stream {
        /// Whole frames in order; closed after the last one.
        frames: ClientFrames,
        /// What its headers say.
        trail: Trail,
    },
    /// Nothing was sent yet, and this went wrong.
    Error {
        /// What went wrong.
        error: ApiError,
        /// The response that is kept all the same, because tools were run for it.
        kept: Option<ResponseId>,
        /// What its headers say.
        trail: Trail,
    },
}
