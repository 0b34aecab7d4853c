//! A history in memory, for tests that are not about the disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use open_responses::protocol::{ResponseId, ResponseStatus};
use open_responses::store::{ChainError, Store, StoreError, StoreFuture, StoredResponse};

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<String, StoredResponse>>>);

impl Memory {
    fn find(&self, id: &str, owner: &str) -> Option<StoredResponse> {
        self.0.lock().unwrap().get(id).filter(|record| record.owner == owner).cloned()
    }

    fn walk(&self, id: &ResponseId, owner: &str) -> Result<Vec<StoredResponse>, ChainError> {
        let mut chain = Vec::new();
        let mut next = Some(id.to_string());
        while let Some(id) = next {
            let record = self.find(&id, owner).ok_or_else(|| ChainError::NotFound(id.clone()))?;
            if matches!(record.status, ResponseStatus::Queued | ResponseStatus::InProgress) {
                return Err(ChainError::Unfinished(id));
            }
            next = record.previous_response_id.clone();
            chain.push(record);
        }
        chain.reverse();
        Ok(chain)
    }
}

impl Store for Memory {
    fn commit(&self, id: ResponseId, record: StoredResponse) -> StoreFuture<Result<(), StoreError>> {
        self.0.lock().unwrap().insert(id.to_string(), record);
        Box::pin(async { Ok(()) })
    }

    fn load(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        let found = self.find(id.as_str(), &owner);
        Box::pin(async { Ok(found) })
    }

    fn delete(&self, id: ResponseId, owner: String) -> StoreFuture<Result<bool, StoreError>> {
        let found = self.find(id.as_str(), &owner).is_some();
        if found {
            self.0.lock().unwrap().remove(id.as_str());
        }
        Box::pin(async move { Ok(found) })
    }

    fn chain(&self, id: ResponseId, owner: String) -> StoreFuture<Result<Vec<StoredResponse>, ChainError>> {
        let chain = self.walk(&id, &owner);
        Box::pin(async { chain })
    }

    fn is_alive(&self) -> bool {
        true
    }
}
