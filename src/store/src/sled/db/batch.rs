//! What writes and removals add to a batch.

use or_protocol::ResponseId;

use super::cutter::{Cut, Cutter};
use super::write::{RecordBytes, RecordState, Write};
use crate::sled::books::Ledger;
use crate::sled::keys;
use crate::sled::pieces::failed;
use crate::sled::rows;
use crate::{Append, KeyUse, StoreError};

/// The pieces of a longer record are written ahead of it.
const LONG: usize = 1 << 20;

/// Adds what is to be written to a batch; `false` if that is nothing.
pub(super) fn put(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    ledger: &mut Ledger<'_>,
    writes: &[Write],
) -> Result<bool, StoreError> {
    let mut any = false;
    for Write { id, record, appends, .. } in writes {
        let key = keys::response(id);
        if let Some(record) = record {
            if record.state == RecordState::Begun && sled.contains_key(&key).map_err(failed)? {
                continue;
            }
            let cut = put_record(sled, batch, id, &key, record)?;
            ledger.record(&key, cut.length, cut.head.get(2..).unwrap_or_default())?;
            batch.insert(key.as_slice(), cut.head);
        }
        for append in appends {
            match append {
                Append::Frames(frames) => {
                    rows::put(batch, &key, frames)?;
                    ledger.row(&key, frames.bytes.len())?;
                }
                Append::Key(used) => {
                    let (name, of) = (keys::key_use(&used.name), KeyUse { id: id.clone(), body: used.body });
                    batch.insert(keys::used_key(&key), name.as_slice());
                    batch.insert(name, of.encode());
                }
            }
        }
        any = true;
    }
    Ok(any)
}

/// Adds the removal of all that a response has to a batch.
pub(super) fn remove(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    ledger: &mut Ledger<'_>,
    id: &ResponseId,
) -> Result<(), StoreError> {
    let response = keys::response(id);
    ledger.removed(&response)?;
    forget_key(sled, batch, id)?;
    for key in sled.scan_prefix(response).keys() {
        batch.remove(key.map_err(failed)?);
    }
    batch.remove(keys::open(id));
    Ok(())
}

/// Adds the removal of the use of a key that leads to a response, unless the key was used again since.
pub(super) fn forget_key(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    id: &ResponseId,
) -> Result<(), StoreError> {
    let Some(name) = sled.get(keys::used_key(&keys::response(id))).map_err(failed)? else { return Ok(()) };
    let last = sled.get(&name).map_err(failed)?;
    if last.and_then(|last| KeyUse::decode(&last)).is_some_and(|last| last.id == *id) {
        batch.remove(name);
    }
    Ok(())
}

fn put_record(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    id: &ResponseId,
    key: &[u8],
    record: &RecordBytes,
) -> Result<Cut, StoreError> {
    let earlier = sled.get(key).map_err(failed)?;
    if earlier.is_none() && record.content.len() > LONG {
        return put_ahead(sled, batch, id, key, record);
    }
    let earlier = earlier.and_then(|head| head.first_chunk().copied()).map_or(0, u16::from_be_bytes);
    let mut cutter = Cutter::new(batch, None, key);
    let written = record.content.write(&mut cutter);
    let cut = cutter.end(written)?;
    // What an earlier, longer record has behind it.
    for number in cut.further.saturating_add(1)..=earlier {
        batch.remove(keys::piece(key, number));
    }
    mark(sled, batch, id, record.state)?;
    Ok(cut)
}

/// Writes the further pieces of a long record that is the first of its response, in steps that cost little memory. Nobody
/// sees them before the record's key is there, which comes with the batch; and who dies before that leaves the mark of a
/// response that is not over, by which the next start finds and removes them.
fn put_ahead(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    id: &ResponseId,
    key: &[u8],
    record: &RecordBytes,
) -> Result<Cut, StoreError> {
    let mut step = sled::Batch::default();
    step.insert(keys::open(id), &[]);
    let mut cutter = Cutter::new(&mut step, Some(sled), key);
    let written = record.content.write(&mut cutter);
    let cut = cutter.end(written).and_then(|cut| {
        sled.apply_batch(step).map_err(failed)?;
        Ok(cut)
    });
    if cut.is_err() {
        // As far as that can be done: the mark is still there for the rest.
        let mut undo = sled::Batch::default();
        let pieces = sled.scan_prefix(key).keys();
        pieces.filter_map(Result::ok).for_each(|piece| undo.remove(piece));
        undo.remove(keys::open(id));
        let _ = sled.apply_batch(undo);
    }
    let cut = cut?;
    mark(sled, batch, id, record.state)?;
    Ok(cut)
}

/// Says whether a response is over.
fn mark(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    id: &ResponseId,
    state: RecordState,
) -> Result<(), StoreError> {
    let mark = keys::open(id);
    match state {
        RecordState::Begun | RecordState::Open => batch.insert(mark, &[]),
        // sled writes the removal of a key that is not there, too.
        RecordState::Over if sled.contains_key(&mark).map_err(failed)? => batch.remove(mark),
        RecordState::Over => {}
    }
    Ok(())
}
