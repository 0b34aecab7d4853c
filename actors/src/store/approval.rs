//! Marks that let an approval be used at most once, and the key that proves a request for approval to be ours.
//!
//! Whoever runs an approved call marks the approval first. The one thread that writes looks at what is there and
//! writes behind it, so of two that come at once one is refused.

use std::collections::HashMap;
use std::fmt;

use or_protocol::{ItemId, ResponseId};

use super::db::{Db, failed};
use super::{StoreError, keys};

/// What the id of a request for approval begins with.
const PREFIX: &str = "mcpr";
/// Hex digits of the response behind that.
const RESPONSE: usize = 32;
/// Hex digits that prove the id to be ours, behind the rest of it.
const MAC: usize = 32;
/// Format of a mark on disk.
const FORMAT: u8 = 1;

/// Names a request for approval: an output item of a response.
///
/// `Display` is the item's id without the proof at its end.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ApprovalId {
    /// Which asks.
    pub response: ResponseId,
    /// Output index of the item.
    pub index: usize,
}

impl ApprovalId {
    /// Takes an item's id from outside; `None` unless it has exactly our form: `mcpr_`, 32 hex digits of the
    /// response, 4 of the index (more only if it needs them), 32 of the proof. The proof is not looked at.
    pub fn parse(item: &str) -> Option<Self> {
        let (id, mac) = item.split_at_checked(item.len().checked_sub(MAC)?)?;
        let (response, index) = id.strip_prefix(PREFIX)?.strip_prefix('_')?.split_at_checked(RESPONSE)?;
        let response = ResponseId::parse(&format!("resp_{response}"))?;
        let parsed = Self { response, index: usize::from_str_radix(index, 16).ok()? };
        // One approval must have one name: no capitals, no further zeros, no sign.
        let hex = mac.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && parsed.to_string() == id).then_some(parsed)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ItemId::output(PREFIX, &self.response, self.index))
    }
}

/// That an approval was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovalMark {
    /// What became of the call.
    pub state: ApprovalState,
    /// The response that used it.
    pub by: ResponseId,
}

/// What became of an approved call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApprovalState {
    /// It was about to be made. Without a later mark nobody knows whether it was.
    Started,
    /// It was made.
    Done,
    /// It was refused by whoever was asked.
    Denied,
}

impl ApprovalMark {
    /// Whether this may be written behind an earlier mark: the first response to write one has the approval, and all
    /// that it can still say is that it is done.
    pub fn follow(&self, earlier: Option<&Self>) -> Result<(), StoreError> {
        match earlier {
            None => Ok(()),
            Some(earlier) if earlier.by == self.by && self.state == ApprovalState::Done => Ok(()),
            Some(earlier) => Err(StoreError::ApprovalUsed(earlier.by.clone())),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let state = match self.state {
            ApprovalState::Started => 0,
            ApprovalState::Done => 1,
            ApprovalState::Denied => 2,
        };
        [&[FORMAT, state], self.by.as_str().as_bytes()].concat()
    }

    fn decode(id: &ApprovalId, bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(id.to_string());
        let (state, by) = match bytes {
            [FORMAT, 0, by @ ..] => (ApprovalState::Started, by),
            [FORMAT, 1, by @ ..] => (ApprovalState::Done, by),
            [FORMAT, 2, by @ ..] => (ApprovalState::Denied, by),
            [FORMAT, ..] | [] => return Err(damaged()),
            [other, ..] => return Err(StoreError::Format(*other)),
        };
        let by = std::str::from_utf8(by).ok().and_then(ResponseId::parse).ok_or_else(damaged)?;
        Ok(Self { state, by })
    }
}

impl Db {
    /// The key of this store's approvals. Made at the first call, and on disk when it returns.
    pub(super) fn approval_key(&self) -> Result<[u8; 32], StoreError> {
        let open = self.opened()?;
        if let Some(bytes) = open.sled.get(keys::APPROVAL_KEY).map_err(failed)? {
            match bytes.as_ref().try_into() {
                Ok(key) => return Ok(key),
                Err(_) => {
                    tracing::error!("the key of approvals is damaged; what was asked for must be asked again")
                }
            }
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|e| StoreError::Io(e.to_string()))?;
        let mut batch = sled::Batch::default();
        batch.insert(keys::APPROVAL_KEY, &key);
        self.apply(&open, batch)?;
        Ok(key)
    }

    /// What is known of the use of an approval.
    pub(super) fn approval(&self, id: &ApprovalId) -> Result<Option<ApprovalMark>, StoreError> {
        let found = self.opened()?.sled.get(keys::approval(id)).map_err(failed)?;
        found.map(|bytes| ApprovalMark::decode(id, &bytes)).transpose()
    }

    /// Writes those of these marks that may be, and returns when they are durable; says of each whether it was. One
    /// that is behind another counts as later. `cutoff_ms`: the marks of older responses may be gone, so an
    /// approval of theirs without a mark may have been used.
    pub(super) fn mark_approvals(
        &self,
        marks: &[(ApprovalId, ApprovalMark)],
        cutoff_ms: u64,
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        let mut written: HashMap<&ApprovalId, &ApprovalMark> = HashMap::new();
        let mut told = Vec::with_capacity(marks.len());
        for (id, mark) in marks {
            let on_disk = if written.contains_key(id) { Ok(None) } else { self.approval(id) };
            let fits = on_disk.and_then(|on_disk| {
                let earlier = written.get(id).copied().or(on_disk.as_ref());
                if earlier.is_none() && keys::is_before(id, cutoff_ms) {
                    return Err(StoreError::ApprovalExpired);
                }
                mark.follow(earlier)
            });
            if fits.is_ok() {
                batch.insert(keys::approval(id), mark.encode());
                written.insert(id, mark);
            }
            told.push(fits);
        }
        if !written.is_empty() {
            self.apply(&open, batch)?;
        }
        Ok(told)
    }
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
