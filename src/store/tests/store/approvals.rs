//! Approvals through the public face of the store, on a real folder.

use std::sync::Arc;
use std::time::Duration;

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{
    ApprovalId, ApprovalMark, ApprovalState, Change, SledOptions, SledStore, Store, StoreError,
    StoredResponse,
};
use pretty_assertions::assert_eq;
use tempfile::TempDir;

fn opened(folder: &TempDir) -> Arc<SledStore> {
    SledStore::open(SledOptions::new(folder.path())).unwrap()
}

fn asked(response: &ResponseId) -> ApprovalId {
    ApprovalId { response: response.clone(), index: 0 }
}

fn started() -> ApprovalMark {
    ApprovalMark { state: ApprovalState::Started, by: ResponseId::new() }
}

#[tokio::test]
async fn marks_and_the_key_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let key = store.approval_key();
    let (first, second) = (asked(&ResponseId::new()), asked(&ResponseId::new()));
    let (mark, other) = (started(), started());
    let done = ApprovalMark { state: ApprovalState::Done, ..other.clone() };
    store.mark_approval(first.clone(), mark.clone()).await.unwrap();
    assert_eq!(store.approval(first.clone()).await.unwrap(), Some(mark.clone()), "at once");
    store.mark_approval(second.clone(), other).await.unwrap();
    store.mark_approval(second.clone(), done.clone()).await.unwrap();
    drop(store);

    let store = opened(&folder);
    assert_eq!(store.approval_key(), key);
    assert_eq!(store.approval(first.clone()).await.unwrap(), Some(mark.clone()));
    assert_eq!(store.approval(second).await.unwrap(), Some(done));
    assert_eq!(store.approval(asked(&ResponseId::new())).await.unwrap(), None);
    let error = store.mark_approval(first, started()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the approval was used by {}", mark.by));
}

#[test]
fn every_store_has_a_key_of_its_own() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = folders.each_ref().map(|folder| opened(folder).approval_key());
    assert_ne!(one, other);
    assert_ne!(one, [0; 32]);
}

#[tokio::test]
async fn of_many_uses_at_once_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let id = asked(&ResponseId::new());
    let uses = (0..50).map(|_| tokio::spawn(store.mark_approval(id.clone(), started())));
    let told = futures_util::future::try_join_all(uses).await.unwrap();
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1);
    assert!(
        told.iter().flat_map(|told| told.as_ref().err()).all(|e| matches!(e, StoreError::ApprovalUsed(_)))
    );
}

#[tokio::test]
async fn the_mark_outlives_the_response_that_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let response = ResponseId::new();
    let record = StoredResponse {
        owner: "me".into(),
        created_at: 1,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: None,
        input: serde_json::from_str("[]").unwrap(),
        response: serde_json::from_str(r#"{"output":[]}"#).unwrap(),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    };
    store.commit(Change::record(response.clone(), record)).await.unwrap();
    let mark = started();
    store.mark_approval(asked(&response), mark.clone()).await.unwrap();
    assert!(store.delete(response.clone(), "me".into()).await.unwrap());
    assert_eq!(store.approval(asked(&response)).await.unwrap(), Some(mark));
    assert!(store.mark_approval(asked(&response), started()).await.is_err());
}

#[tokio::test]
async fn an_approval_older_than_the_retention_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = asked(&ResponseId::parse("resp_0190000000007000800000000000abcd").unwrap());
    let young = asked(&ResponseId::new());
    let day = Duration::from_secs(24 * 60 * 60);
    for (retention, good) in [(Some(day), false), (None, true)] {
        let store = SledStore::open(SledOptions { retention, ..SledOptions::new(folder.path()) }).unwrap();
        let told = store.mark_approval(old.clone(), started()).await;
        assert!(
            if good { told.is_ok() } else { matches!(told, Err(StoreError::ApprovalExpired)) },
            "{told:?}"
        );
        assert_eq!(store.mark_approval(young.clone(), started()).await.is_ok(), !good, "used once");
    }
}
