//! All responses of a store as text, one line of JSON for each, and back. For a store that no server has open.
//!
//! A line has the id, the record's format and JSON as they are on disk, and the rows of the event log. Nothing is
//! held in memory but the response at hand, or on the way back the lines of one batch.

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _, Write as _};
use std::path::{Path, PathBuf};

use or_protocol::{ResponseId, ResponseStatus};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::sled::db::Db;
use crate::sled::db::owners::Adopted;
use crate::sled::db::write::{Content, RecordBytes, RecordState, Write};
use crate::sled::keys;
use crate::sled::open::{DbOptions, FOLDER, OnCorruption};
use crate::sled::pieces::{LONGEST, failed};
use crate::{Append, Frames, StoreError, StoreOpenError, StoredResponse};

/// Most lines in one batch.
const BATCH: usize = 256;
/// Most bytes in one batch, unless one line alone is longer.
const BATCH_BYTES: usize = 8 << 20;
/// Longest line; more than any record and log can have.
const LINE: u64 = 1 << 30;
/// Longest chain that is followed.
const MAX_LINKS: usize = 10_000;
/// Little is read twice.
const CACHE: u64 = 16 << 20;

/// Why the rest was not written.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is nothing to export.
    #[error("there is no store in {}", .0.display())]
    Missing(PathBuf),
    /// The store does not open; a server may be using it.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text cannot be read or written.
    #[error("the lines cannot be read or written")]
    Text(#[from] io::Error),
}

/// What became of a response, told one after the other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// It was written; so many bytes of text.
    Written(u64),
    /// It is there already.
    Kept(u64),
    /// It does not read, for this reason; the others go on.
    Refused(u64, String),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    format: u8,
    #[serde(borrow)]
    record: &'a RawValue,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Row<'a>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    first: u64,
    #[serde(borrow)]
    frames: Cow<'a, str>,
}

pub(super) fn open(path: &Path) -> Result<Db, StoreOpenError> {
    let options =
        DbOptions { on_corruption: OnCorruption::Fail, power_loss_safe: true, cache_capacity: CACHE };
    Db::open(path, &options)
}

/// A store that is read as a whole.
pub struct Export(Db);

impl Export {
    /// Opens the store in this folder, which must be there.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        if !path.join(FOLDER).is_dir() {
            return Err(TransferError::Missing(path.to_owned()));
        }
        Ok(Self(open(path)?))
    }

    /// How many responses it has; reads all of it.
    pub fn count(&self) -> Result<u64, TransferError> {
        let mut count = 0;
        for id in self.0.responses()? {
            id?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes all responses, oldest first.
    pub fn run(&self, out: &mut dyn io::Write, told: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        let mut out = io::BufWriter::new(out);
        for id in self.0.responses()? {
            let id = id?;
            match self.line(&id) {
                Ok(Some(line)) => {
                    out.write_all(&line)?;
                    told(Step::Written(line.len() as u64));
                }
                // It was removed, which cannot be while this has the store open.
                Ok(None) => {}
                Err(error) if !error.is_permanent() => return Err(error.into()),
                Err(error) => told(Step::Refused(0, format!("{id}: {error}"))),
            }
        }
        Ok(out.flush()?)
    }

    fn line(&self, id: &ResponseId) -> Result<Option<Vec<u8>>, StoreError> {
        let damaged = || StoreError::Damaged(id.to_string());
        let Some(bytes) = self.0.read(id)? else { return Ok(None) };
        StoredResponse::decode(id.as_str(), &bytes)?;
        let (format, json) = bytes.split_first().ok_or_else(damaged)?;
        // Between two tokens, for there is none in a string of JSON; and a line has none.
        let json: Vec<u8> = json.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect();
        let rows = self.0.rows(id)?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let frames = std::str::from_utf8(&row.bytes).map_err(|_| damaged())?;
            events.push(Row { first: row.first, frames: frames.into() });
        }
        let record = serde_json::from_slice(&json).map_err(|_| damaged())?;
        let line = Line { id: id.as_str().into(), format: *format, record, events };
        let mut line = serde_json::to_vec(&line).map_err(|_| damaged())?;
        line.push(b'\n');
        Ok(Some(line))
    }
}

/// Reads lines into the store in this folder, which is made if it is missing. A response that is there already is
/// kept, or replaced if `overwrite` says so. What was told as written or kept is durable when this returns, with an
/// error too: the same lines may be given again.
pub fn import(
    path: &Path,
    overwrite: bool,
    mut input: &mut dyn BufRead,
    told: &mut dyn FnMut(Step),
) -> Result<(), TransferError> {
    let db = open(path)?;
    let adopted = db.adopted()?;
    let (mut batch, mut backward) = (Batch::default(), Backward::default());
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = io::Read::by_ref(&mut input).take(LINE).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            break;
        }
        if read == LINE {
            return Err(io::Error::other(format!("line {number} is longer than {LINE} bytes")).into());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(&line, &adopted) {
            Ok((write, previous)) => {
                if batch.has(&write.id) || batch.is_full() {
                    batch.write(&db, told)?;
                }
                if !overwrite && db.has(&write.id)? {
                    told(Step::Kept(read));
                } else {
                    backward.note(number, &write.id, previous.as_deref());
                    batch.writes.push(write);
                    batch.lengths.push(read);
                }
            }
            Err(reason) => told(Step::Refused(read, format!("line {number}: {reason}"))),
        }
    }
    batch.write(&db, told)?;
    backward.remove_circles(&db, told)
}

/// What goes to disk at once, with the length of each line.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    lengths: Vec<u64>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.writes.len() >= BATCH || self.lengths.iter().sum::<u64>() >= BATCH_BYTES as u64
    }

    fn has(&self, id: &ResponseId) -> bool {
        self.writes.iter().any(|write| write.id == *id)
    }

    fn write(&mut self, db: &Db, told: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        if !self.writes.is_empty() {
            db.replace(&self.writes)?;
        }
        self.lengths.drain(..).for_each(|length| told(Step::Written(length)));
        self.writes.clear();
        Ok(())
    }
}

/// What the response object of a record says of itself.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    status: ResponseStatus,
}

/// A line as it is written. What the server would trip over later is refused: parts that do not read, a response of
/// another id or status, a log with gaps.
fn parse(line: &[u8], adopted: &Adopted) -> Result<(Write, Option<String>), String> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let id = ResponseId::parse(&line.id).ok_or("`id` is not the id of a response")?;
    let bytes = [&[line.format], line.record.get().as_bytes()].concat();
    // Whoever exported it may have been an earlier version.
    let bytes = adopted.renamed(&bytes, 0).unwrap_or(bytes);
    let mut record = StoredResponse::decode(id.as_str(), &bytes).map_err(|e| e.to_string())?;
    let said: Said<'_> =
        serde_json::from_str(record.response.get()).map_err(|e| format!("`record.response`: {e}"))?;
    if said.id != id.as_str() || said.status != record.status {
        return Err("`record.response` has another id or status than its record".into());
    }
    if !record.input.get().starts_with('[') {
        return Err("`record.input` is not a list".into());
    }
    record.history_turn(id.as_str()).map_err(|_| "its input or output has items that do not read")?;
    let previous = record.previous_response_id.take();
    if previous.as_deref().is_some_and(|previous| ResponseId::parse(previous).is_none()) {
        return Err("`record.previous_response_id` is not the id of a response".into());
    }
    record.previous_response_id.clone_from(&previous);
    let bytes = match StoredResponse::owner_of(&bytes) {
        Some(_) => bytes,
        // The owner has to come first: it is looked for there.
        None => record.encode().map_err(|e| e.to_string())?,
    };
    if bytes.len() > LONGEST {
        return Err(StoreError::TooLong(bytes.len()).to_string());
    }
    let state = if record.is_over() { RecordState::Over } else { RecordState::Open };
    let rows = line.events.into_iter();
    let rows: Vec<_> =
        rows.map(|row| Frames { first: row.first, bytes: row.frames.into_owned().into() }).collect();
    // One that failed at a restart may lack it.
    check_log(&rows, record.is_over() && record.status != ResponseStatus::Failed)?;
    let record = Some(RecordBytes { content: Content::Bytes(bytes), state });
    let appends = rows.into_iter().map(Append::Frames).collect();
    // What happened in another store was told from there.
    Ok((Write { id, record, appends, outbox: Vec::new() }, previous))
}

/// A log has whole frames without gaps from the first one on. `whole`: also its end.
fn check_log(rows: &[Frames], whole: bool) -> Result<(), &'static str> {
    let mut next = 0;
    for (n, row) in rows.iter().enumerate() {
        if row.first != next || !row.bytes.ends_with(b"\n\n") {
            return Err("`events` has a gap, or a row that is not whole frames");
        }
        if row.is_end() && n + 1 < rows.len() {
            return Err("`events` goes on behind its end");
        }
        if row.bytes.len() > LONGEST {
            return Err("`events` has a row that is too long");
        }
        next = row.next();
    }
    match rows.last() {
        Some(last) if whole && !last.is_end() => Err("`events` has no end, though the response is over"),
        Some(_) | None => Ok(()),
    }
}

/// Links of chains that lead to a later id: only with one of these can a chain be a circle.
#[derive(Default)]
struct Backward(Vec<(u64, ResponseId)>);

impl Backward {
    fn note(&mut self, number: u64, id: &ResponseId, previous: Option<&str>) {
        if previous.is_some_and(|previous| previous >= id.as_str()) {
            self.0.push((number, id.clone()));
        }
    }

    /// Takes away what closes a circle, and tells it.
    fn remove_circles(self, db: &Db, told: &mut dyn FnMut(Step)) -> Result<(), TransferError> {
        for (number, id) in self.0 {
            let mut at = id.clone();
            for _ in 0..MAX_LINKS {
                let Some(bytes) = db.read(&at)? else { break };
                let previous = StoredResponse::decode(at.as_str(), &bytes)?.previous_response_id;
                match previous.and_then(|previous| ResponseId::parse(&previous)) {
                    Some(previous) if previous == id => {
                        db.remove(&[id])?;
                        let reason = "its chain of previous responses is a circle; it was taken away again";
                        told(Step::Refused(0, format!("line {number}: {reason}")));
                        break;
                    }
                    Some(previous) => at = previous,
                    None => break,
                }
            }
        }
        Ok(())
    }
}

impl Db {
    /// The ids of all responses that have a record, oldest first.
    pub(super) fn responses(
        &self,
    ) -> Result<impl Iterator<Item = Result<ResponseId, StoreError>> + use<>, StoreError> {
        let keys = self.opened()?.sled.scan_prefix(keys::all_responses()).keys();
        Ok(keys.filter_map(|key| key.map(|key| keys::response_of(&key)).map_err(failed).transpose()))
    }

    fn has(&self, id: &ResponseId) -> Result<bool, StoreError> {
        self.opened()?.sled.contains_key(keys::response(id)).map_err(failed)
    }
}
