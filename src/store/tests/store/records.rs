//! The store through its public face, on a real folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::{Item, ResponseId, ResponseStatus};
use or_store::{
    Append, ChainError, Change, Frames, SledOptions, SledStore, Store, StoreError, StoredResponse,
};
use pretty_assertions::assert_eq;
use serde_json::json;
use serde_json::value::to_raw_value;
use tempfile::TempDir;

struct Fixture {
    store: Arc<SledStore>,
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: SledStore::open(SledOptions::new(folder.path())).unwrap(), folder }
    }

    /// Closes the store and opens it again.
    fn reopened(self) -> Self {
        drop(self.store);
        let store = SledStore::open(SledOptions::new(self.folder.path())).unwrap();
        Self { store, folder: self.folder }
    }

    async fn commit(&self, record: StoredResponse) -> ResponseId {
        let id = ResponseId::new();
        self.store.commit(Change::record(id.clone(), record)).await.unwrap();
        id
    }

    /// The texts of a chain's inputs, or the error. It must be the same when its links are ready in memory, and end
    /// with what its newest record says.
    async fn chain(&self, id: &ResponseId, owner: &str) -> Result<Vec<String>, String> {
        let history = async || self.store.history(id.clone(), owner.into()).await.map_err(|e| e.to_string());
        let turns = history().await;
        assert_eq!(format!("{:?}", history().await), format!("{turns:?}"));
        let turns = turns?;
        let newest = self.store.load(id.clone(), owner.into()).await.unwrap().unwrap();
        assert_eq!(format!("{:?}", turns.last()), format!("{:?}", newest.history_turn("x").ok()));
        Ok(turns.iter().map(|turn| text(&turn.input[0])).collect())
    }
}

fn text(item: &Item) -> String {
    serde_json::to_value(item).unwrap()["content"][0]["text"].as_str().unwrap().to_owned()
}

fn record(text: &str, previous: Option<&ResponseId>) -> StoredResponse {
    let input =
        json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}]);
    let response = json!({"id": "resp_x", "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "ok", "annotations": [], "logprobs": []}]}],
        "metadata": {"b": "1", "a": "2"}});
    StoredResponse {
        owner: "alice".into(),
        created_at: 1_760_000_000,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: previous.map(ToString::to_string),
        input: to_raw_value(&input).unwrap(),
        response: to_raw_value(&response).unwrap(),
        sealed: vec![(0, "or1.secret".into())],
        notes: vec![("top_k".into(), "dropped".into(), "no such thing".into())],
        background: false,
        resume: None,
    }
}

/// The database without the store. sled lets go of its lock some time after its handle was dropped.
fn database(folder: &TempDir) -> sled::Db {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match sled::open(folder.path().join("responses")) {
            Err(sled::Error::Io(_)) if Instant::now() < end => std::thread::yield_now(),
            other => return other.unwrap(),
        }
    }
}

/// Puts bytes under a response's key, past the store.
fn plant(folder: &TempDir, id: &ResponseId, bytes: &[u8]) {
    let db = database(folder);
    let key = format!("r/{}", id.as_str().trim_start_matches("resp_"));
    db.insert(key, [&[0, 0], bytes].concat()).unwrap();
}

fn planted(folder: &TempDir, id: &ResponseId) -> Vec<u8> {
    let db = database(folder);
    let key = format!("r/{}", id.as_str().trim_start_matches("resp_"));
    db.get(key).unwrap().unwrap()[2..].to_vec()
}

#[tokio::test]
async fn a_record_comes_back_byte_for_byte_with_its_sealed_state() {
    let fixture = Fixture::new();
    let id = fixture.commit(record("hello", None)).await;
    let fixture = fixture.reopened();
    let got = fixture.store.load(id, "alice".into()).await.unwrap().unwrap();
    let want = record("hello", None);
    assert_eq!(format!("{got:?}"), format!("{want:?}"));
    let turn = got.history_turn("x").unwrap();
    let Item::Reasoning(reasoning) = &turn.output[0] else { panic!("{turn:?}") };
    assert_eq!(reasoning.encrypted_content.as_deref(), Some("or1.secret"));
}

#[tokio::test]
async fn a_commit_has_its_record_and_all_that_is_appended() {
    let fixture = Fixture::new();
    let id = ResponseId::new();
    let rows = [(0, "data: 0\n\n"), (1, "data: 1\n\ndata: 2\n\n"), (3, "data: 3\n\n")];
    let row = |(first, text): (u64, &'static str)| Append::Frames(Frames { first, bytes: text.into() });
    let change =
        Change { id: id.clone(), record: Some(record("1", None).into()), appends: rows.map(row).to_vec() };
    fixture.store.commit(change).await.unwrap();
    let fixture = fixture.reopened();
    assert_eq!(fixture.chain(&id, "alice").await.unwrap(), ["1"]);
    let log = fixture.store.read_log(id, 0).await.unwrap();
    assert_eq!(log.bytes, rows.map(|(_, text)| text).concat());
}

#[tokio::test]
async fn another_owners_response_does_not_exist() {
    let fixture = Fixture::new();
    let id = fixture.commit(record("hello", None)).await;
    assert!(fixture.store.load(id.clone(), "bob".into()).await.unwrap().is_none());
    assert_eq!(fixture.chain(&id, "alice").await.unwrap(), ["hello"]);
    assert_eq!(fixture.chain(&id, "bob").await, Err(format!("response {id} not found")));
}

#[tokio::test]
async fn the_owner_is_checked_at_every_link() {
    let fixture = Fixture::new();
    let first = fixture.commit(record("mine", None)).await;
    let second = fixture.commit(StoredResponse { owner: "bob".into(), ..record("his", Some(&first)) }).await;
    assert_eq!(fixture.chain(&second, "bob").await, Err(format!("response {first} not found")));
}

#[tokio::test]
async fn a_chain_is_read_oldest_first() {
    let fixture = Fixture::new();
    let first = fixture.commit(record("1", None)).await;
    let second = fixture.commit(record("2", Some(&first))).await;
    let third = fixture.commit(record("3", Some(&second))).await;
    let branch = fixture.commit(record("3b", Some(&second))).await;
    let fixture = fixture.reopened();
    assert_eq!(fixture.chain(&third, "alice").await.unwrap(), ["1", "2", "3"]);
    assert_eq!(fixture.chain(&branch, "alice").await.unwrap(), ["1", "2", "3b"]);
}

#[tokio::test]
async fn a_missing_link_is_named() {
    let fixture = Fixture::new();
    let missing = ResponseId::new();
    let second = fixture.commit(record("2", Some(&missing))).await;
    let third = fixture.commit(record("3", Some(&second))).await;
    assert_eq!(fixture.chain(&third, "alice").await, Err(format!("response {missing} not found")));
    let odd = StoredResponse { previous_response_id: Some("r/../x".into()), ..record("2", None) };
    let odd = fixture.commit(odd).await;
    assert_eq!(fixture.chain(&odd, "alice").await, Err("response r/../x not found".to_owned()));
}

#[tokio::test]
async fn an_unfinished_response_cannot_be_continued_until_it_is_finished() {
    let fixture = Fixture::new();
    for status in [ResponseStatus::Queued, ResponseStatus::InProgress] {
        let id = fixture.commit(StoredResponse { status, ..record("1", None) }).await;
        assert_eq!(fixture.chain(&id, "alice").await, Err(format!("response {id} is not finished")));
        fixture.store.commit(Change::record(id.clone(), record("done", None))).await.unwrap();
        assert_eq!(fixture.chain(&id, "alice").await.unwrap(), ["done"]);
    }
}

#[tokio::test]
async fn a_circle_ends() {
    let fixture = Fixture::new();
    let (a, b) = (ResponseId::new(), ResponseId::new());
    fixture.store.commit(Change::record(a.clone(), record("a", Some(&b)))).await.unwrap();
    fixture.store.commit(Change::record(b, record("b", Some(&a)))).await.unwrap();
    let error = fixture.store.history(a, "alice".into()).await.unwrap_err();
    assert!(matches!(error, ChainError::TooLong(10_000)), "{error}");
}

#[tokio::test]
async fn a_record_of_a_newer_format_is_an_error_and_stays() {
    let fixture = Fixture::new();
    let id = ResponseId::new();
    let Fixture { store, folder } = fixture;
    drop(store);
    plant(&folder, &id, b"\x63future");
    let store = SledStore::open(SledOptions::new(folder.path())).unwrap();
    let error = store.load(id.clone(), "alice".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Format(0x63)), "{error}");
    let error = store.history(id.clone(), "alice".into()).await.unwrap_err();
    assert!(matches!(error, ChainError::Store(StoreError::Format(0x63))), "{error}");
    drop(store);
    assert_eq!(planted(&folder, &id), b"\x63future");
}

#[tokio::test]
async fn a_record_that_does_not_read_is_named() {
    let fixture = Fixture::new();
    let id = ResponseId::new();
    let Fixture { store, folder } = fixture;
    drop(store);
    plant(&folder, &id, b"\x01{\"owner\":");
    let store = SledStore::open(SledOptions::new(folder.path())).unwrap();
    for _ in 0..2 {
        let error = store.load(id.clone(), "alice".into()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the record of {id} is damaged"));
    }
}

#[tokio::test]
async fn a_deleted_response_is_gone_from_everywhere() {
    let fixture = Fixture::new();
    let first = fixture.commit(record("1", None)).await;
    let second = fixture.commit(record("2", Some(&first))).await;
    let third = fixture.commit(record("3", Some(&second))).await;
    assert_eq!(fixture.chain(&third, "alice").await.unwrap(), ["1", "2", "3"]);
    let delete = |id: &ResponseId, owner: &str| fixture.store.delete(id.clone(), owner.into());
    assert!(!delete(&second, "bob").await.unwrap(), "another's");
    assert_eq!(fixture.chain(&third, "alice").await.unwrap(), ["1", "2", "3"]);

    assert!(delete(&second, "alice").await.unwrap());
    assert!(!delete(&second, "alice").await.unwrap(), "twice");
    assert!(!delete(&ResponseId::new(), "alice").await.unwrap(), "never there");
    let missing = Err(format!("response {second} not found"));
    assert_eq!(fixture.chain(&third, "alice").await, missing);
    assert_eq!(fixture.chain(&first, "alice").await.unwrap(), ["1"]);
    let fixture = fixture.reopened();
    assert!(fixture.store.load(second, "alice".into()).await.unwrap().is_none());
    assert_eq!(fixture.chain(&third, "alice").await, missing);
}

#[tokio::test]
async fn of_many_deletions_of_one_response_one_succeeds() {
    let fixture = Fixture::new();
    let id = fixture.commit(record("1", None)).await;
    let deletions = (0..20).map(|_| fixture.store.delete(id.clone(), "alice".into()));
    let done = futures_util::future::try_join_all(deletions).await.unwrap();
    assert_eq!(done.iter().filter(|done| **done).count(), 1);
}

#[tokio::test]
async fn the_room_of_deleted_responses_is_used_again() {
    let fixture = Fixture::new();
    let text = "x".repeat(200_000);
    for _ in 0..300 {
        let id = fixture.commit(record(&text, None)).await;
        assert!(fixture.store.delete(id, "alice".into()).await.unwrap());
    }
    let size = std::fs::metadata(fixture.folder.path().join("responses/db")).unwrap().len();
    assert!(size < 20 << 20, "60 MB came and went; the file has {size} bytes");
}

#[tokio::test]
async fn a_record_that_does_not_read_is_not_deleted() {
    let fixture = Fixture::new();
    let id = ResponseId::new();
    let Fixture { store, folder } = fixture;
    drop(store);
    plant(&folder, &id, b"\x63future");
    let store = SledStore::open(SledOptions::new(folder.path())).unwrap();
    let error = store.delete(id.clone(), "alice".into()).await.unwrap_err();
    assert!(matches!(error, StoreError::Format(0x63)), "{error}");
    drop(store);
    assert_eq!(planted(&folder, &id), b"\x63future");
}

#[tokio::test]
async fn a_response_in_flight_has_failed_after_a_restart_unless_it_can_go_on() {
    let fixture = Fixture::new();
    let running = |text: &str, resume: Option<&str>| StoredResponse {
        status: ResponseStatus::InProgress,
        resume: resume.map(|json| serde_json::from_str(json).unwrap()),
        ..record(text, None)
    };
    let [foreground, background, over] = [0, 1, 2].map(|_| ResponseId::new());
    let store = &fixture.store;
    store.begun(foreground.clone(), running("1", None)).await.unwrap();
    store.commit(Change::record(background.clone(), running("2", Some("{}")))).await.unwrap();
    store.begun(over.clone(), running("3", None)).await.unwrap();
    store.commit(Change::record(over.clone(), record("3", None))).await.unwrap();

    let fixture = fixture.reopened();
    assert_eq!(fixture.store.unfinished(), [(background.clone(), "alice".to_owned())]);
    let load = async |id: &ResponseId| fixture.store.load(id.clone(), "alice".into()).await.unwrap().unwrap();
    assert_eq!(load(&background).await.status, ResponseStatus::InProgress);
    assert_eq!(load(&over).await.status, ResponseStatus::Completed);
    let failed = load(&foreground).await;
    assert_eq!(failed.status, ResponseStatus::Failed);
    let response: serde_json::Value = serde_json::from_str(failed.response.get()).unwrap();
    assert_eq!((&response["status"], &response["error"]["code"]), (&json!("failed"), &json!("interrupted")));

    let fixture = fixture.reopened();
    assert_eq!(fixture.store.unfinished().len(), 1);
    fixture.store.commit(Change::record(background, record("2", None))).await.unwrap();
    assert_eq!(fixture.reopened().store.unfinished(), []);
}

#[tokio::test]
async fn hidden_state_is_read_without_the_rest_of_the_record() {
    let fixture = Fixture::new();
    // States of no piece, of several, and of many.
    for length in [1, 3_790, 40_000, 900_000] {
        let sealed = vec![(0, "s".repeat(length)), (7, "or1.\\ü".into())];
        let id = fixture
            .commit(StoredResponse { sealed: sealed.clone(), ..record(&"q".repeat(length), None) })
            .await;
        let of = async |owner: &str| fixture.store.sealed(id.clone(), owner.into()).await.unwrap();
        assert_eq!(of("alice").await, sealed);
        assert_eq!(of("bob").await, []);
    }
    let id = fixture.commit(StoredResponse { sealed: Vec::new(), ..record("none", None) }).await;
    assert_eq!(fixture.store.sealed(id, "alice".into()).await.unwrap(), []);
    assert_eq!(fixture.store.sealed(ResponseId::new(), "alice".into()).await.unwrap(), []);
}
