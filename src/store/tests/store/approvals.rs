//! Approvals through the public face of the store, on a real folder.

use std::sync::Arc;
use std::time::Duration;

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{
    ApprovalId, ApprovalMark, ApprovalState, Change, Marked, SledOptions, SledStore, Store, StoredResponse,
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
    assert_eq!(store.mark_approval(first.clone(), mark.clone()).await.unwrap(), Marked::Written);
    assert_eq!(store.approval(first.clone()).await.unwrap(), Some(mark.clone()), "at once");
    for mark in [other, done.clone()] {
        assert_eq!(store.mark_approval(second.clone(), mark).await.unwrap(), Marked::Written);
    }
    drop(store);

    let store = opened(&folder);
    assert_eq!(store.approval_key(), key);
    assert_eq!(store.approval(first.clone()).await.unwrap(), Some(mark.clone()));
    assert_eq!(store.approval(second).await.unwrap(), Some(done));
    assert_eq!(store.approval(asked(&ResponseId::new())).await.unwrap(), None);
    assert_eq!(store.mark_approval(first, started()).await.unwrap(), Marked::Used(mark.by));
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
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    assert_eq!(told.iter().filter(|told| **told == Marked::Written).count(), 1);
    assert_eq!(told.iter().filter(|told| matches!(told, Marked::Used(_))).count(), 49);
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
    assert_eq!(store.mark_approval(asked(&response), mark.clone()).await.unwrap(), Marked::Written);
    assert!(store.delete(response.clone(), "me".into()).await.unwrap());
    assert_eq!(store.approval(asked(&response)).await.unwrap(), Some(mark.clone()));
    assert_eq!(store.mark_approval(asked(&response), started()).await.unwrap(), Marked::Used(mark.by));
}

#[tokio::test]
async fn an_approval_older_than_the_retention_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let old = asked(&ResponseId::parse("resp_0190000000007000800000000000abcd").unwrap());
    let young = asked(&ResponseId::new());
    let day = Duration::from_secs(24 * 60 * 60);
    for (retention, want) in [(Some(day), Marked::Expired), (None, Marked::Written)] {
        let store = SledStore::open(SledOptions { retention, ..SledOptions::new(folder.path()) }).unwrap();
        assert_eq!(store.mark_approval(old.clone(), started()).await.unwrap(), want);
        let first = retention.is_some();
        let told = store.mark_approval(young.clone(), started()).await.unwrap();
        assert_eq!(told == Marked::Written, first, "used once");
    }
}
