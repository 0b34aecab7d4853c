//! Reading chains: how long they are, and then what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use or_protocol::ResponseId;

use super::Ready;
use crate::record::{Head, Link, is_over};
use crate::sled::db::Db;
use crate::{ChainError, HistoryTurn, StoreError};

/// Longest chain that is followed.
const MAX_LINKS: usize = 10_000;

/// Follows a chain from its newest link and returns it oldest first. Stops when it is not wanted any more.
pub(crate) fn history(
    db: &Db,
    ready: &Ready,
    id: ResponseId,
    owner: &str,
    unwanted: &AtomicBool,
) -> Result<Vec<HistoryTurn>, ChainError> {
    let mut turns = Vec::new();
    let mut next = Some(id);
    while let Some(id) = next {
        if turns.len() == MAX_LINKS {
            return Err(ChainError::TooLong(MAX_LINKS));
        }
        if unwanted.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable.into());
        }
        let link = link(db, ready, &id, owner)?.ok_or_else(|| ChainError::NotFound(id.to_string()))?;
        if link.owner != owner {
            return Err(ChainError::NotFound(id.to_string()));
        }
        if !is_over(link.turn.status) {
            return Err(ChainError::Unfinished(id.to_string()));
        }
        next = before(link.previous_response_id.clone())?;
        turns.push(of(link));
    }
    turns.reverse();
    Ok(turns)
}

/// The bytes of all records of a chain. Stops above `limit`. Of each record only the first piece is read.
pub(crate) fn bytes(db: &Db, id: ResponseId, owner: &str, limit: u64) -> Result<u64, ChainError> {
    let (mut bytes, mut links) = (0, 0);
    let mut next = Some(id);
    while let Some(id) = next {
        if links == MAX_LINKS {
            return Err(ChainError::TooLong(MAX_LINKS));
        }
        let (head, length) = head(db, &id)?
            .filter(|(head, _)| head.owner == owner)
            .ok_or_else(|| ChainError::NotFound(id.to_string()))?;
        if !head.status.is_some_and(is_over) {
            return Err(ChainError::Unfinished(id.to_string()));
        }
        bytes += length;
        if bytes > limit {
            break;
        }
        links += 1;
        next = before(head.previous_response_id)?;
    }
    Ok(bytes)
}

/// The bytes of one record of this owner.
pub(crate) fn record_bytes(db: &Db, id: &ResponseId, owner: &str) -> Result<Option<u64>, StoreError> {
    Ok(head(db, id)?.filter(|(head, _)| head.owner == owner).map(|(_, bytes)| bytes))
}

/// What a context needs of one record of this owner.
pub(crate) fn turn(
    db: &Db,
    ready: &Ready,
    id: &ResponseId,
    owner: &str,
) -> Result<Option<HistoryTurn>, StoreError> {
    Ok(link(db, ready, id, owner)?.filter(|link| link.owner == owner).map(of))
}

/// The reasoning state that a record of this owner keeps from its client, by output index. No more of the record is read
/// than twice as far as that goes.
pub(crate) fn sealed(db: &Db, id: &ResponseId, owner: &str) -> Result<Vec<(usize, String)>, StoreError> {
    if !db.is_of(id, owner)? {
        return Ok(Vec::new());
    }
    let mut pieces = 0_u16;
    loop {
        let Some((bytes, whole)) = db.beginning(id, pieces)? else { return Ok(Vec::new()) };
        if let Some(head) = Head::with_sealed(&bytes) {
            return Ok(head.sealed);
        }
        if whole {
            return Ok(Head::of_record(id.as_str(), &bytes)?.sealed);
        }
        pieces = pieces.saturating_mul(2).saturating_add(1);
    }
}

fn before(id: Option<String>) -> Result<Option<ResponseId>, ChainError> {
    id.map(|id| ResponseId::parse(&id).ok_or(ChainError::NotFound(id))).transpose()
}

/// The turn itself if nobody else has the link, which is so of large ones.
fn of(link: Arc<Link>) -> HistoryTurn {
    Arc::try_unwrap(link).map_or_else(|link| link.turn.clone(), |link| link.turn)
}

/// What stands before the big members of a record, and the record's length.
fn head(db: &Db, id: &ResponseId) -> Result<Option<(Head, u64)>, StoreError> {
    let Some((first, length)) = db.head(id)? else { return Ok(None) };
    if let Some(head) = Head::of_beginning(&first) {
        return Ok(Some((head, length)));
    }
    // A name of thousands of characters.
    let Some(bytes) = db.read(id)? else { return Ok(None) };
    Ok(Some((Head::of_record(id.as_str(), &bytes)?, length)))
}

/// One link, from memory if it is ready there.
fn link(db: &Db, ready: &Ready, id: &ResponseId, owner: &str) -> Result<Option<Arc<Link>>, StoreError> {
    if let Some(link) = ready.get(id) {
        return Ok(Some(link));
    }
    let read_at = ready.now();
    let Some(bytes) = db.read_of(id, owner)? else { return Ok(None) };
    let link = Arc::new(Link::decode(id.as_str(), &bytes)?);
    if is_over(link.turn.status) {
        ready.insert(id.clone(), Arc::clone(&link), bytes.len(), read_at);
    }
    Ok(Some(link))
}
