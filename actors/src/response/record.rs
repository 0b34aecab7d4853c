//! What of a response goes to disk, and when.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use or_adapters::Note;
use or_engine::ResponseLoop;
use or_protocol::{ApiError, ResponseStatus};
use or_store::{Append, Change, Frames, StoreError, StoredResponse, too_large};
use or_telemetry::ResponseFacts;
use serde_json::value::RawValue;

use crate::response::request::{Neighbours, Request};
use crate::response::saved::SavedRequest;
use crate::response::sink::{Disk, Sink};
use crate::running::EventLog;
use crate::store::StoreHandle;

/// What is kept of a request beside its response.
#[derive(Default)]
pub(crate) struct Kept {
    /// The request's own input as it is stored; `None` if it is not.
    pub(crate) input: Option<Arc<Box<RawValue>>>,
    /// What it takes to go on after a restart, of a background response.
    pub(crate) resume: Option<Arc<SavedRequest>>,
    /// Notes of the process before a restart.
    pub(crate) old_notes: Vec<(String, String, String)>,
}

/// What a record has beside what the engine knows. It becomes one wherever the engine is worked on.
pub(crate) struct Draft {
    facts: Arc<ResponseFacts>,
    /// Who was asked last, and by which name of the model.
    provider: Arc<str>,
    upstream_model: Option<String>,
    previous: Option<String>,
    input: Option<Arc<Box<RawValue>>>,
    resume: Option<Arc<SavedRequest>>,
    notes: Vec<(String, String, String)>,
}

impl Draft {
    /// The response as it goes to disk; `None` if it has no place there.
    pub(crate) fn record(self, engine: &mut ResponseLoop) -> Option<StoredResponse> {
        let (over, short) = (engine.is_decided(), engine.is_shortened());
        let input = if short {
            RawValue::from_string("[]".to_owned()).ok()?
        } else {
            Arc::unwrap_or_clone(self.input?)
        };
        let record = engine.record();
        // One that is answered now is lent: nobody looks at it before it is given back.
        let lent = over && !self.facts.background;
        let response = if lent { RawValue::NULL.to_owned() } else { record.response_json.into_owned() };
        let mut stored = StoredResponse {
            owner: self.facts.owner.clone(),
            created_at: record.created_at,
            status: record.status,
            provider: self.provider.to_string(),
            previous_response_id: self.previous,
            input,
            response,
            sealed: record.sealed.to_vec(),
            notes: if short { Vec::new() } else { self.notes },
            background: self.facts.background,
            resume: match (&self.resume, record.progress) {
                (Some(saved), Some(progress)) => Some(saved.at(progress, self.upstream_model)?),
                _ => None,
            },
        };
        if lent {
            stored.response = engine.lend_response()?;
        }
        Some(stored)
    }
}

/// Writes the record of one response, and of a background one its event log.
pub(crate) struct Recorder {
    request: Rc<Request>,
    disk: Disk,
    log: Option<Arc<EventLog>>,
    kept: Kept,
    /// How fields of the request fared that the provider does not take.
    pub(crate) notes: Vec<Note>,
}

impl Recorder {
    pub(crate) fn new(request: Rc<Request>, neighbours: &Neighbours, kept: Kept, notes: Vec<Note>) -> Self {
        let (disk, log) = (Disk::of(neighbours), neighbours.log.clone());
        Self { request, disk, log, kept, notes }
    }

    /// The way to the store.
    pub(crate) fn store(&self) -> &StoreHandle {
        &self.disk.store
    }

    /// What the record of this moment has beside what the engine knows.
    pub(crate) fn draft(&mut self, engine: &mut ResponseLoop) -> Draft {
        self.notes.extend(engine.take_notes());
        let notes = self.kept.old_notes.iter().cloned().chain(self.notes.iter().map(stored_note));
        Draft {
            facts: Arc::clone(&self.request.facts),
            provider: Arc::clone(self.request.provider()),
            upstream_model: self
                .kept
                .resume
                .as_ref()
                .and(self.request.target())
                .map(|target| target.model.clone()),
            previous: self.request.previous.clone(),
            // Nothing is written behind the end.
            input: if engine.is_decided() { self.kept.input.take() } else { self.kept.input.clone() },
            resume: self.kept.resume.clone(),
            notes: notes.collect(),
        }
    }

    /// Why the store would never take a record of this length.
    pub(crate) fn too_long(&self, bytes: usize) -> ApiError {
        let (id, limit) = (&self.request.facts.id, self.disk.store.longest_record());
        tracing::error!(response_id = %id, bytes, limit, "a response is too large to be stored");
        too_large(bytes, limit)
    }

    /// The same of a record, if it is so.
    pub(crate) fn too_large(&self, record: &StoredResponse) -> Option<ApiError> {
        let size = record.size();
        (size > self.disk.store.longest_record()).then(|| self.too_long(size))
    }

    /// Writes a record and rows of the event log, all or nothing.
    pub(crate) fn write(
        &self,
        record: Option<Arc<StoredResponse>>,
        rows: Vec<Frames>,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let appends = rows.into_iter().map(Append::Frames).collect();
        self.write_all(record, appends)
    }

    fn write_all(
        &self,
        record: Option<Arc<StoredResponse>>,
        appends: Vec<Append>,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let change = Change { id: self.request.facts.id.clone(), record, appends };
        let disk = self.disk.clone();
        async move { disk.write(change).await }
    }

    /// Writes down that the response has begun, without waiting for the disk.
    pub(crate) fn beginning(&self, record: StoredResponse) {
        self.disk.store.begun(self.request.facts.id.clone(), record);
    }

    /// Writes the record of the end, once. Gives back the response that was lent for it.
    pub(crate) async fn end(&mut self, record: StoredResponse) -> (Result<(), ()>, Box<RawValue>) {
        let record = Arc::new(record);
        // A client that failed may try again with the same key.
        let key = self.key().filter(|_| record.status != ResponseStatus::Failed).into_iter().collect();
        let written = self.write_all(Some(Arc::clone(&record)), key).await.map_err(|error| {
            tracing::error!(response_id = %self.request.facts.id, %error, "the response could not be stored");
        });
        (written, Arc::unwrap_or_clone(record).response)
    }

    /// Writes the first record of a background response, and the frames that tell it.
    pub(crate) async fn first(&self, record: StoredResponse, frames: Frames) -> Result<(), StoreError> {
        let rows = self.log.is_some().then_some(Append::Frames(frames));
        // From here on the client has its id.
        let appends = rows.into_iter().chain(self.key()).collect();
        self.write_all(Some(Arc::new(record)), appends).await
    }

    /// The key of the request, to be written with the record that answers it.
    fn key(&self) -> Option<Append> {
        self.request.idempotency_key.clone().map(Append::Key)
    }

    /// Where the frames of a background response go, from number `next` on.
    pub(crate) fn detached(&self, next: u64) -> Sink {
        Sink::detached(self.log.as_ref(), next)
    }

    /// Frames that tell the beginning, from the first one on.
    pub(crate) fn first_frames(held: Vec<u8>) -> Frames {
        Frames { first: 0, bytes: Bytes::from(held) }
    }
}

fn stored_note(note: &Note) -> (String, String, String) {
    (note.field.clone(), note.kind.as_str().to_owned(), note.why.clone())
}
