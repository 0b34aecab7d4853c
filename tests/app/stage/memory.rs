//! A history in memory, for tests that are not about the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use open_responses::protocol::{ResponseId, ResponseStatus};
use open_responses::store::{
    Append, ApprovalId, ApprovalMark, ChainError, Change, Health, HistoryTurn, LogPart, Marked, Store,
    StoreError, StoreFuture, StoredResponse,
};

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    records: HashMap<String, StoredResponse>,
    logs: HashMap<String, Vec<u8>>,
    approvals: HashMap<ApprovalId, ApprovalMark>,
}

impl Memory {
    fn find(&self, id: &str, owner: &str) -> Option<StoredResponse> {
        self.0.lock().unwrap().records.get(id).filter(|record| record.owner == owner).cloned()
    }

    fn walk(&self, id: &ResponseId, owner: &str) -> Result<Vec<HistoryTurn>, ChainError> {
        let mut turns = Vec::new();
        let mut next = Some(id.to_string());
        while let Some(id) = next {
            let record = self.find(&id, owner).ok_or_else(|| ChainError::NotFound(id.clone()))?;
            if matches!(record.status, ResponseStatus::Queued | ResponseStatus::InProgress) {
                return Err(ChainError::Unfinished(id));
            }
            turns.push(record.history_turn(&id)?);
            next = record.previous_response_id;
        }
        turns.reverse();
        Ok(turns)
    }
}

impl Store for Memory {
    fn commit(&self, change: Change) -> StoreFuture<Result<(), StoreError>> {
        let mut kept = self.0.lock().unwrap();
        if let Some(record) = change.record {
            kept.records.insert(change.id.to_string(), (*record).clone());
        }
        for append in change.appends {
            match append {
                Append::Frames(frames) => {
                    kept.logs.entry(change.id.to_string()).or_default().extend_from_slice(&frames.bytes);
                }
                Append::Key(_) => {}
            }
        }
        Box::pin(async { Ok(()) })
    }

    fn read_log(&self, id: ResponseId, from: u64) -> StoreFuture<Result<LogPart, StoreError>> {
        let log = self.0.lock().unwrap().logs.get(id.as_str()).cloned().unwrap_or_default();
        Box::pin(async move { Ok(LogPart { first: 0, bytes: log.into() }.since(from)) })
    }

    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        let found = self.find(id.as_str(), &owner);
        Box::pin(async { Ok(found) })
    }

    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>> {
        let found = self.find(id.as_str(), &owner).is_some();
        if found {
            let mut kept = self.0.lock().unwrap();
            kept.records.remove(id.as_str());
            kept.logs.remove(id.as_str());
        }
        Box::pin(async move { Ok(found) })
    }

    fn history(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        let turns = self.walk(&id, &owner);
        Box::pin(async { turns })
    }

    fn approval_key(&self) -> [u8; 32] {
        [7; 32]
    }

    fn approval(&self, id: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
        let found = self.0.lock().unwrap().approvals.get(&id).cloned();
        Box::pin(async { Ok(found) })
    }

    fn mark_approval(&self, id: ApprovalId, mark: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
        let approvals = &mut self.0.lock().unwrap().approvals;
        let marked = mark.follow(approvals.get(&id));
        if marked == Marked::Written {
            approvals.insert(id, mark);
        }
        Box::pin(async { Ok(marked) })
    }

    fn health(&self) -> Health {
        Health::Good
    }
}
