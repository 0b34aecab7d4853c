//! The store through its handle.

use std::sync::Arc;

use or_actors::store::StoreHandle;
use or_protocol::{ResponseId, ResponseStatus};
use or_store::{
    ApprovalId, ApprovalMark, ApprovalState, ChainError, Change, Health, HistoryTurn, LogPart, Marked,
    SledOptions, SledStore, Store, StoreError, StoreFuture, StoredResponse,
};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;

/// Panics while making the future, and within it.
struct Broken;

impl Store for Broken {
    fn commit(&self, _: Change) -> StoreFuture<Result<(), StoreError>> {
        panic!("in the call")
    }

    fn read_log(&self, _: ResponseId, _: u64) -> StoreFuture<Result<LogPart, StoreError>> {
        Box::pin(async { panic!("in the future") })
    }

    fn load(&self, _: ResponseId, _: String) -> StoreFuture<Result<Option<StoredResponse>, StoreError>> {
        Box::pin(async { panic!("in the future") })
    }

    fn delete(&self, _: ResponseId, _: String) -> StoreFuture<Result<bool, StoreError>> {
        Box::pin(async { Ok(false) })
    }

    fn history(&self, _: ResponseId, _: String) -> StoreFuture<Result<Vec<HistoryTurn>, ChainError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn approval_key(&self) -> [u8; 32] {
        [0; 32]
    }

    fn approval(&self, _: ApprovalId) -> StoreFuture<Result<Option<ApprovalMark>, StoreError>> {
        panic!("in the call")
    }

    fn mark_approval(&self, _: ApprovalId, _: ApprovalMark) -> StoreFuture<Result<Marked, StoreError>> {
        panic!("in the call")
    }

    fn health(&self) -> Health {
        Health::Good
    }
}

fn record() -> StoredResponse {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    StoredResponse {
        owner: "alice".into(),
        created_at: 1,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: None,
        input: raw("[]"),
        response: raw(r#"{"output":[]}"#),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    }
}

#[actix::test]
async fn a_panic_in_the_store_answers_that_request_only() {
    let store = StoreHandle::new(Arc::new(Broken));
    for _ in 0..2 {
        let id = ResponseId::new();
        let got = store.commit(Change::record(id.clone(), record())).await;
        assert!(matches!(got, Err(StoreError::Panicked)), "{got:?}");
        let got = store.load(id.clone(), "alice".into()).await;
        assert!(matches!(got, Err(StoreError::Panicked)), "{got:?}");
        assert!(store.delete(id, "alice".into()).await.is_ok());
    }
}

#[actix::test]
async fn approvals_are_read_and_marked() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreHandle::new(SledStore::open(SledOptions::new(folder.path())).unwrap());
    let id = ApprovalId { response: ResponseId::new(), index: 0 };
    let mark = ApprovalMark { state: ApprovalState::Started, by: ResponseId::new() };
    assert_eq!(store.approval(id.clone()).await.unwrap(), None);
    assert_eq!(store.mark_approval(id.clone(), mark.clone()).await.unwrap(), Marked::Written);
    assert_eq!(store.approval(id).await.unwrap(), Some(mark));
}
