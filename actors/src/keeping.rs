//! What of a response goes to disk, and when.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use or_adapters::{Note, NoteKind};
use or_engine::Input;
use tokio::time::{sleep, timeout};

use crate::Node;
use crate::control::Control;
use crate::drive::{Drive, Next};
use crate::store::{Begun, Commit, StoreActor};
use or_store::{Change, StoreError, StoredResponse};

/// A commit that takes longer counts as failed: an answer must not hang on a disk.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to write, first and at most.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
const WRITE_AGAIN_MAX: Duration = Duration::from_secs(2);

/// The way to the disk for one response.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) store: Addr<StoreActor>,
    pub(crate) control: Rc<Control>,
    pub(crate) node: Arc<Node>,
}

impl Disk {
    /// Writes once.
    pub(crate) async fn write(&self, change: Change) -> Result<(), StoreError> {
        let result = match timeout(COMMIT_PATIENCE, self.store.send(Commit(change))).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Unavailable),
            Err(_) => Err(StoreError::Io("the commit took too long".into())),
        };
        self.node.metrics.store_commit(result.is_ok());
        result
    }

    /// Writes, for as long as it takes: nobody waits, and a full disk may have room again. `false` only if the
    /// server is stopping; the next start then finds the response as it is on disk.
    pub(crate) async fn persist(&self, change: Change) -> bool {
        let mut pause = WRITE_AGAIN;
        loop {
            match self.write(change.clone()).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(response_id = %change.id, %error, "a background response waits for the disk");
                }
            }
            if self.control.is_shutdown() {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(WRITE_AGAIN_MAX);
        }
    }
}

impl Drive {
    /// Writes the record of the end, and tells it.
    pub(crate) async fn commit(&mut self) -> Next {
        if self.request.background && !self.client.is_waiting() {
            return self.commit_background().await;
        }
        let result = match self.stored() {
            Some(record) => self.disk().write(Change::record(self.request.id.clone(), record)).await.map_err(
                |error| {
                    tracing::error!(response_id = %self.request.id, %error, "the response could not be stored");
                },
            ),
            None => Err(()),
        };
        self.feed(Input::Committed(result)).await
    }

    pub(crate) fn disk(&self) -> Disk {
        let links = &self.links;
        Disk { store: links.store.clone(), control: Rc::clone(&links.control), node: Arc::clone(&links.node) }
    }

    /// The response as it goes to disk; `None` if it has no place there.
    pub(crate) fn stored(&mut self) -> Option<StoredResponse> {
        let engine = self.engine.as_mut()?;
        self.notes.extend(engine.take_notes());
        let record = engine.record();
        let over = record.progress.is_none();
        // Nothing is written behind the end.
        let input = if over { self.input_json.take() } else { self.input_json.clone() };
        Some(StoredResponse {
            owner: self.request.owner.clone(),
            created_at: record.created_at,
            status: record.status,
            provider: self.request.provider.name.clone(),
            previous_response_id: self.request.previous.clone(),
            input: input?,
            response: record.response_json.into_owned(),
            sealed: record.sealed.to_vec(),
            notes: self.old_notes.iter().cloned().chain(self.notes.iter().map(stored_note)).collect(),
            background: self.request.background,
            resume: match (&self.resume, record.progress) {
                (Some(data), Some(progress)) => Some(data.at(progress)?),
                _ => None,
            },
        })
    }

    /// Writes down that the response has begun, without waiting for the disk.
    pub(crate) fn note_beginning(&mut self) {
        self.begun_at = None;
        if let Some(record) = self.stored() {
            self.links.store.do_send(Begun { id: self.request.id.clone(), record });
        }
    }
}

fn stored_note(note: &Note) -> (String, String, String) {
    let kind = match note.kind {
        NoteKind::Emulated => "emulated",
        NoteKind::Dropped => "dropped",
    };
    (note.field.clone(), kind.to_owned(), note.why.clone())
}
