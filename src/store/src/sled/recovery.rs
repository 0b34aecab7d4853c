//! What a process leaves unfinished when it dies, and what the next one makes of it.

use or_protocol::{ApiError, ErrorKind, ResponseId};

use super::db::Db;
use super::db::outbox::entered;
use super::db::write::{Content, RecordBytes, RecordState, Write};
use super::keys;
use super::pieces::failed;
use crate::{StoreError, StoredResponse, Subscriptions, too_large};

/// Responses settled in one batch.
const BATCH: usize = 256;
/// How often a response is taken up after a death of the process, without anything new in its record. It may be what
/// the process dies of.
const TRIES: u8 = 3;

/// Ends every response that nobody can go on with as failed, and returns the others, oldest first.
///
/// An error here is no reason not to start: the response stays as it was, and the next start finds it again.
pub(super) fn settle(
    db: &Db,
    max_record_bytes: usize,
    subscriptions: &Subscriptions,
) -> Vec<(ResponseId, String)> {
    // Before anything is read of them, which may be too much already.
    let open = match db.count_tries() {
        Ok(open) => open,
        Err(error) => {
            tracing::error!(%error, "responses in flight could not be looked for");
            return Vec::new();
        }
    };
    let (mut unfinished, mut writes) = (Vec::new(), Vec::new());
    let mut settled = 0;
    for (id, tries) in open {
        match look(db, &id, tries, max_record_bytes) {
            Ok(Look::GoesOn(owner)) => unfinished.push((id, owner)),
            Ok(Look::Ends(ended)) => {
                settled += 1;
                let outbox = entered(db, subscriptions, &id, &ended.record);
                let bytes = ended.bytes;
                let record = Some(RecordBytes { content: Content::Bytes(bytes), state: RecordState::Over });
                writes.push(Write { id, record, appends: Vec::new(), outbox });
            }
            // Its record has expired, or the process died while the first one was being written.
            Ok(Look::Gone) => {
                if let Err(error) = db.remove_rest(&id) {
                    tracing::error!(response_id = %id, %error, "what is left of a response was not removed");
                }
            }
            Err(error) => tracing::error!(
                response_id = %id, %error,
                "a response in flight does not read; DELETE and `open-responses responses remove` take it away"
            ),
        }
        if writes.len() >= BATCH {
            write(db, &mut writes);
        }
    }
    write(db, &mut writes);
    if settled > 0 || !unfinished.is_empty() {
        let (interrupted, continued) = (settled, unfinished.len());
        tracing::warn!(interrupted, continued, "responses were in flight when the last process ended");
    }
    unfinished
}

fn write(db: &Db, writes: &mut Vec<Write>) {
    if !writes.is_empty()
        && let Err(error) = db.write_all(std::mem::take(writes))
    {
        tracing::error!(%error, "responses in flight could not be settled");
    }
}

enum Look {
    GoesOn(String),
    Ends(Box<Ended>),
    Gone,
}

/// The record of an end, and what is written of it.
struct Ended {
    record: StoredResponse,
    bytes: Vec<u8>,
}

fn look(db: &Db, id: &ResponseId, tries: u8, max_record_bytes: usize) -> Result<Look, StoreError> {
    let Some(bytes) = db.read(id)? else { return Ok(Look::Gone) };
    let record = StoredResponse::decode(id.as_str(), &bytes)?;
    let ended = if tries > TRIES {
        tracing::error!(response_id = %id, tries, "a response is given up: the server died each time it went on");
        record.failed_short(&given_up())?
    } else if bytes.len() > max_record_bytes {
        tracing::error!(response_id = %id, bytes = bytes.len(), "a response is too large to go on");
        record.failed_short(&too_large(bytes.len(), max_record_bytes))?
    } else if record.resume.is_none() {
        record.interrupted()?
    } else {
        return Ok(Look::GoesOn(record.owner));
    };
    let bytes = ended.encode()?;
    Ok(Look::Ends(Box::new(Ended { record: ended, bytes })))
}

fn given_up() -> ApiError {
    let text = "The server was restarted several times while it made this response, so it was given up.";
    ApiError::new(ErrorKind::Unavailable, text).with_code("resume_failed")
}

impl Db {
    /// The responses that are not over, oldest first, and how often each was taken up with what is in its record,
    /// this time included. A process that closed its store is no reason to count.
    fn count_tries(&self) -> Result<Vec<(ResponseId, u8)>, StoreError> {
        let open = self.opened()?;
        let was_closed = open.sled.contains_key(keys::CLEAN).map_err(failed)?;
        let mut all = Vec::new();
        let mut batch = sled::Batch::default();
        batch.remove(keys::CLEAN);
        for pair in open.sled.scan_prefix(keys::all_open()) {
            let (key, tries) = pair.map_err(failed)?;
            let Some(id) = keys::response_of(&key) else { continue };
            let mut tries = tries.first().copied().unwrap_or_default();
            if !was_closed {
                tries = tries.saturating_add(1);
                batch.insert(key, &[tries]);
            }
            all.push((id, tries));
        }
        if was_closed || !all.is_empty() {
            self.apply(&open, batch)?;
        }
        Ok(all)
    }

    /// Says that what is unfinished was left in order.
    pub(super) fn mark_closed(&self) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        batch.insert(keys::CLEAN, &[]);
        let open = self.opened()?;
        self.apply(&open, batch)
    }
}
