//! What the writer's thread writes to.

use std::ops::Range;

use or_protocol::ResponseId;

use crate::sled::db::write::Write;
use crate::{ApprovalId, ApprovalMark, KeyChange, Marked, StoreError};

/// What the thread writes to. A trait so that tests can stand in for the disk.
pub(in crate::sled) trait Disk: Send + 'static {
    /// Writes all or none; durable on return. Holds them no longer than it must.
    fn write(&mut self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Marks approvals as used, see [`crate::sled::db::Db::mark_approvals`]; durable on return. Says what became of each.
    fn mark(
        &mut self,
        marks: &[(ApprovalId, ApprovalMark)],
        cutoff_ms: u64,
    ) -> Result<Vec<Result<Marked, StoreError>>, StoreError>;

    /// Changes client keys, all or none; durable on return.
    fn change_keys(&mut self, changes: &[KeyChange]) -> Result<(), StoreError> {
        let _ = changes;
        Ok(())
    }

    /// Removes these responses, all or none; durable on return. Says of each whether it was there.
    fn remove(&mut self, ids: &[ResponseId]) -> Result<Vec<bool>, StoreError>;

    /// Removes up to `limit` keys of responses created before `cutoff_ms` and tells how many.
    fn expire(&mut self, cutoff_ms: u64, limit: usize) -> Result<usize, StoreError>;

    /// Whether a response was made in this time, Unix milliseconds, and none later than now.
    fn has_witness(&self, then: Range<u64>) -> bool {
        let _ = then;
        false
    }

    /// Nothing is written any more.
    fn close(&mut self) {}

    /// Tries to make a disk that failed work again; `Ok` if a write succeeded.
    fn recover(&mut self) -> Result<(), StoreError>;
}
