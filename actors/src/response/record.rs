//! What of a response goes to disk, and when.

use std::rc::Rc;
use std::sync::Arc;

use or_adapters::{Note, NoteKind};
use or_engine::Input;

use crate::response::driver::{Driver, Step};
use crate::response::sink::Disk;
use or_store::{Change, StoredResponse};

impl Driver {
    /// Writes the record of the end, and tells it.
    pub(crate) async fn commit(&mut self) -> Step {
        if self.request.background && !self.sink.is_waiting() {
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
        let neighbours = &self.neighbours;
        Disk {
            store: neighbours.store.clone(),
            mailbox: Rc::clone(&neighbours.mailbox),
            node: Arc::clone(&neighbours.node),
        }
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
            provider: self.request.provider.clone(),
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
            self.neighbours.store.begun(self.request.id.clone(), record);
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
