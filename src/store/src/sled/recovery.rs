//! What a process leaves unfinished when it dies, and what the next one makes of it.

use or_protocol::ResponseId;

use super::db::{Db, RecordBytes, RecordState, Write};
use crate::{StoreError, StoredResponse};

/// Responses settled in one batch.
const BATCH: usize = 256;

/// Ends every response that nobody can go on with as failed, and returns the others, oldest first.
///
/// An error here is no reason not to start: the response stays as it was, and the next start finds it again.
pub(super) fn settle(db: &Db) -> Vec<(ResponseId, String)> {
    let open = match db.open_responses() {
        Ok(open) => open,
        Err(error) => {
            tracing::error!(%error, "responses in flight could not be looked for");
            return Vec::new();
        }
    };
    let (mut unfinished, mut writes) = (Vec::new(), Vec::new());
    for id in open {
        match look(db, &id) {
            Ok(Some(record)) if record.resume.is_some() => unfinished.push((id, record.owner)),
            Ok(Some(record)) => match record.interrupted().and_then(|record| record.encode()) {
                Ok(bytes) => {
                    let record = Some(RecordBytes { bytes, state: RecordState::Over });
                    writes.push(Write { id, record, appends: Vec::new() });
                }
                Err(error) => tracing::error!(response_id = %id, %error, "a response in flight is damaged"),
            },
            // Its record has expired.
            Ok(None) => {}
            Err(error) => tracing::error!(response_id = %id, %error, "a response in flight does not read"),
        }
    }
    for batch in writes.chunks(BATCH) {
        if let Err(error) = db.write(batch) {
            tracing::error!(%error, "responses in flight could not be settled");
        }
    }
    if !writes.is_empty() || !unfinished.is_empty() {
        let (interrupted, continued) = (writes.len(), unfinished.len());
        tracing::warn!(interrupted, continued, "responses were in flight when the last process ended");
    }
    unfinished
}

fn look(db: &Db, id: &ResponseId) -> Result<Option<StoredResponse>, StoreError> {
    let Some(bytes) = db.read(id)? else { return Ok(None) };
    StoredResponse::decode(id.as_str(), &bytes).map(Some)
}
