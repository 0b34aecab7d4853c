//! What writes and removals add to a batch.

use or_protocol::ResponseId;

use super::cutter::{Cut, Cutter};
use super::write::{RecordBytes, RecordState, Write};
use crate::sled::books::Ledger;
use crate::sled::keys;
use crate::sled::pieces::failed;
use crate::sled::rows;
use crate::{Append, KeyUse, StoreError};

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
    let earlier = earlier.and_then(|head| head.first_chunk().copied()).map_or(0, u16::from_be_bytes);
    let mut cutter = Cutter::new(batch, key);
    let written = record.content.write(&mut cutter);
    let cut = cutter.end(written)?;
    // What an earlier, longer record has behind it.
    for number in cut.further.saturating_add(1)..=earlier {
        batch.remove(keys::piece(key, number));
    }
    let mark = keys::open(id);
    match record.state {
        RecordState::Begun | RecordState::Open => batch.insert(mark, &[]),
        // sled writes the removal of a key that is not there, too.
        RecordState::Over if sled.contains_key(&mark).map_err(failed)? => batch.remove(mark),
        RecordState::Over => {}
    }
    Ok(cut)
}
