//! What a store does not take, what it gives up, and what it counts for each owner.

use std::sync::Arc;

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{Change, Frames, SledOptions, SledStore, Store, StoreError, StoredResponse, Usage};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;
use tempfile::TempDir;

/// What a response counts for beside its pieces of 3,800 bytes.
const EACH: u64 = 512;
const PIECE: u64 = 3800;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn record(owner: &str, length: usize) -> StoredResponse {
    let text = "x".repeat(length);
    StoredResponse {
        owner: owner.into(),
        created_at: 1,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: None,
        input: raw("[]"),
        response: raw(&format!(r#"{{"id":"x","status":"completed","output":["{text}"],"error":null}}"#)),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    }
}

fn running(owner: &str, length: usize) -> StoredResponse {
    let record = record(owner, length);
    StoredResponse { status: ResponseStatus::InProgress, resume: Some(raw("{}")), background: true, ..record }
}

fn open(folder: &TempDir) -> Arc<SledStore> {
    SledStore::open(SledOptions::new(folder.path())).unwrap()
}

/// As after a `kill -9`: the mark of an orderly end is gone.
fn kill(folder: &TempDir, store: Arc<SledStore>) {
    drop(store);
    let db = sled::open(folder.path().join("responses")).unwrap();
    assert!(db.remove("m/clean").unwrap().is_some());
}

#[track_caller]
fn check(store: &SledStore, owner: &str, bytes: u64, responses: u64) {
    assert_eq!(store.usage(owner), Usage { bytes, responses }, "{owner}");
}

#[tokio::test]
async fn a_record_that_is_too_long_fails_for_good_and_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let options = SledOptions { max_record_bytes: 20_000, ..SledOptions::new(folder.path()) };
    let store = SledStore::open(options).unwrap();
    let id = ResponseId::new();
    store.commit(Change::record(id.clone(), running("ann", 10))).await.unwrap();
    let error = store.commit(Change::record(id.clone(), record("ann", 20_000))).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLong(size) if size > 20_000), "{error}");
    assert!(error.is_permanent());
    let there = store.load(id.clone(), "ann".into()).await.unwrap().unwrap();
    assert_eq!(there.status, ResponseStatus::InProgress);
    let short = record("ann", 20_000).failed_short(&or_store::too_large(1, 0)).unwrap();
    assert!(short.size() < 2_000);
    store.commit(Change::record(id.clone(), short)).await.unwrap();
    let there = store.load(id, "ann".into()).await.unwrap().unwrap();
    assert!(there.response.get().contains("record_too_large"), "{}", there.response);
}

#[tokio::test]
async fn an_owner_has_what_was_written_less_what_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let [a, b, c] = [0, 1, 2].map(|_| ResponseId::new());
    store.begun(a.clone(), running("ann", 30_000)).await.unwrap();
    check(&store, "ann", EACH + 8 * PIECE, 1);
    store.commit(Change::record(a.clone(), record("ann", 10))).await.unwrap();
    check(&store, "ann", EACH + PIECE, 1);
    store.commit(Change::record(b.clone(), running("ann", 10))).await.unwrap();
    let row = |first, text: &str| Frames { first, bytes: format!("{text}\n\n").into() };
    store.commit(Change::frames(b.clone(), row(0, "four"))).await.unwrap();
    store.commit(Change::frames(b.clone(), row(1, "and five"))).await.unwrap();
    store.commit(Change::record(c.clone(), record("bob", 5_000))).await.unwrap();
    let ann = 2 * (EACH + PIECE) + 16;
    check(&store, "ann", ann, 2);
    check(&store, "bob", EACH + 2 * PIECE, 1);
    check(&store, "cid", 0, 0);
    drop(store);
    let store = open(&folder);
    check(&store, "ann", ann, 2);
    assert!(!store.delete(b.clone(), "bob".into()).await.unwrap());
    assert!(store.delete(b, "ann".into()).await.unwrap());
    assert!(store.delete(c, "bob".into()).await.unwrap());
    check(&store, "ann", EACH + PIECE, 1);
    check(&store, "bob", 0, 0);
    drop(store);
    // One of a version that did not count: it is counted at the start.
    let db = sled::open(folder.path().join("responses")).unwrap();
    assert!(db.remove("u/ann").unwrap().is_some());
    drop(db);
    check(&open(&folder), "ann", EACH + PIECE, 1);
}

#[tokio::test]
async fn what_the_server_dies_of_is_given_up_after_three_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    let [stuck, other] = [0, 1].map(|_| ResponseId::new());
    for id in [&stuck, &other] {
        store.commit(Change::record(id.clone(), running("ann", 9_000))).await.unwrap();
    }
    for start in 1..=3 {
        kill(&folder, store);
        store = open(&folder);
        assert_eq!(store.unfinished().len(), 2, "start {start}");
        // This one gets on.
        store.commit(Change::record(other.clone(), running("ann", 9_000 + start))).await.unwrap();
        // An orderly restart is no death.
        drop(store);
        store = open(&folder);
    }
    kill(&folder, store);
    let store = open(&folder);
    assert_eq!(store.unfinished(), [(other, "ann".to_owned())]);
    let ended = store.load(stuck, "ann".into()).await.unwrap().unwrap();
    assert_eq!(ended.status, ResponseStatus::Failed);
    let want = r#"{"id":"x","status":"failed","output":[],"error":{"code":"resume_failed","#;
    assert!(ended.response.get().starts_with(want), "{}", ended.response);
}

#[tokio::test]
async fn a_record_that_does_not_decode_can_be_deleted_by_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let id = ResponseId::new();
    store.commit(Change::record(id.clone(), running("ann", 9_000))).await.unwrap();
    drop(store);
    let db = sled::open(folder.path().join("responses")).unwrap();
    let key = format!("r/{}", id.as_str().trim_start_matches("resp_"));
    // A piece is gone.
    assert!(db.remove([key.as_bytes(), b"/\0\x01"].concat()).unwrap().is_some());
    drop(db);
    let store = open(&folder);
    assert!(store.load(id.clone(), "ann".into()).await.is_err());
    assert!(store.load(id.clone(), "bob".into()).await.unwrap().is_none());
    assert!(!store.delete(id.clone(), "bob".into()).await.unwrap());
    assert!(store.delete(id.clone(), "ann".into()).await.unwrap());
    assert!(store.load(id, "ann".into()).await.unwrap().is_none());
    assert!(store.unfinished().is_empty());
}
