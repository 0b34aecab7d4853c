//! Marks that let an approval be used at most once, and the key that proves a request for approval to be ours.
//!
//! Whoever runs an approved call marks the approval first. The one thread that writes looks at what is there and
//! writes behind it, so of two that come at once one is not written.

use std::collections::HashMap;

use super::db::Db;
use super::keys;
use super::pieces::failed;
use crate::{ApprovalId, ApprovalMark, Marked, StoreError};

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

    /// Writes those of these marks that may be, and returns when they are durable; says what became of each. One
    /// that is behind another counts as later. `cutoff_ms`: the marks of older responses may be gone, so an
    /// approval of theirs without a mark may have been used.
    pub(super) fn mark_approvals(
        &self,
        marks: &[(ApprovalId, ApprovalMark)],
        cutoff_ms: u64,
    ) -> Result<Vec<Result<Marked, StoreError>>, StoreError> {
        self.has_room()?;
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        let mut written: HashMap<&ApprovalId, &ApprovalMark> = HashMap::new();
        let mut told = Vec::with_capacity(marks.len());
        for (id, mark) in marks {
            let on_disk = if written.contains_key(id) { Ok(None) } else { self.approval(id) };
            let marked = on_disk.map(|on_disk| match written.get(id).copied().or(on_disk.as_ref()) {
                None if keys::is_before(id, cutoff_ms) => Marked::Expired,
                earlier => mark.follow(earlier),
            });
            if matches!(marked, Ok(Marked::Written)) {
                batch.insert(keys::approval(id), mark.encode());
                written.insert(id, mark);
            }
            told.push(marked);
        }
        if !written.is_empty() {
            self.apply(&open, batch)?;
        }
        Ok(told)
    }
}

#[cfg(test)]
#[path = "tests/approvals.rs"]
mod tests;
