//! Events that wait to be told.

use std::sync::Arc;

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{
    Change, Delivery, EventType, Outbox, OutboxLevel, Settled, SledOptions, SledStore, Store as _,
    StoredResponse, Subscription, Subscriptions,
};
use pretty_assertions::assert_eq;
use serde_json::json;
use serde_json::value::to_raw_value;
use tempfile::TempDir;

const MAX: u64 = 3;

fn open(folder: &TempDir, endpoints: &[&str]) -> Arc<SledStore> {
    let to = |name: &&str| Subscription { endpoint: (*name).to_owned(), ..Subscription::default() };
    let endpoints = endpoints.iter().map(to).collect();
    let subscriptions = Subscriptions { endpoints, max_waiting: MAX };
    SledStore::open(SledOptions { subscriptions, ..SledOptions::new(folder.path()) }).unwrap()
}

fn record(owner: &str, status: ResponseStatus) -> StoredResponse {
    StoredResponse {
        owner: owner.into(),
        created_at: 1_760_000_000,
        status,
        provider: "demo".into(),
        previous_response_id: None,
        input: to_raw_value(&json!([])).unwrap(),
        response: to_raw_value(&json!({"id": "resp_x", "output": []})).unwrap(),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: true,
        resume: None,
    }
}

async fn end(store: &SledStore, owner: &str) -> ResponseId {
    let id = ResponseId::new();
    store.commit(Change::record(id.clone(), record(owner, ResponseStatus::Completed))).await.unwrap();
    id
}

async fn due(store: &SledStore, endpoint: &str, now_ms: u64) -> (Vec<Delivery>, Option<u64>) {
    let due = store.due(endpoint, now_ms, 10).await.unwrap();
    (due.deliveries, due.next_ms)
}

fn of(deliveries: &[Delivery]) -> Vec<ResponseId> {
    deliveries.iter().map(|delivery| delivery.response.clone()).collect()
}

fn level(waiting: u64, refused: u64) -> OutboxLevel {
    OutboxLevel { waiting, refused }
}

#[tokio::test]
async fn an_end_waits_for_each_endpoint_until_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &["a", "a.b"]);
    let mut news = store.news();
    let id = ResponseId::new();
    store.commit(Change::record(id.clone(), record("ann", ResponseStatus::InProgress))).await.unwrap();
    assert!(!news.has_changed().unwrap());
    store.commit(Change::record(id.clone(), record("ann", ResponseStatus::Failed))).await.unwrap();
    assert!(news.has_changed().unwrap());
    news.borrow_and_update();
    let (deliveries, _) = due(&store, "a", 0).await;
    let Delivery { endpoint, event, response, owner, tries, due_ms, .. } = &deliveries[0];
    assert_eq!((deliveries.len(), endpoint.as_str(), owner.as_str()), (1, "a", "ann"));
    assert_eq!((event, response, tries, due_ms), (&EventType::Failed, &id, &0, &0));
    assert_eq!(store.level(), level(2, 0));
    // The same commit, made again as its answer was lost.
    store.commit(Change::record(id.clone(), record("ann", ResponseStatus::Failed))).await.unwrap();
    assert_eq!(store.level(), level(2, 0));
    // Deleting the response is another matter.
    assert!(store.delete(id, "ann".into()).await.unwrap());
    store.settle(deliveries[0].clone(), Settled::Done).await.unwrap();
    assert_eq!(due(&store, "a", u64::MAX).await, (Vec::new(), None));
    assert_eq!((due(&store, "a.b", 0).await.0.len(), store.level()), (1, level(1, 0)));
}

#[tokio::test]
async fn what_was_sent_in_vain_comes_back_in_its_time_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder, &["a"]);
    let (first, second) = (end(&store, "ann").await, end(&store, "bob").await);
    let (deliveries, _) = due(&store, "a", 0).await;
    assert_eq!(of(&deliveries), [first.clone(), second.clone()]);
    store.settle(deliveries[0].clone(), Settled::Again(5000)).await.unwrap();
    let (deliveries, next_ms) = due(&store, "a", 4999).await;
    assert_eq!((of(&deliveries), next_ms), (vec![second.clone()], Some(5000)));
    drop(store);
    store = open(&folder, &["a", "new"]);
    assert_eq!(store.level(), level(2, 0));
    let (deliveries, next_ms) = due(&store, "a", 5000).await;
    assert_eq!((of(&deliveries), next_ms), (vec![second.clone(), first], None));
    assert_eq!((deliveries[1].tries, deliveries[1].due_ms), (1, 5000));
    assert_eq!(of(&store.due("a", 5000, 1).await.unwrap().deliveries), [second]);
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_gone_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &["a", "b"]);
    end(&store, "ann").await;
    drop(store);
    let store = open(&folder, &["b"]);
    assert_eq!((store.level(), due(&store, "a", 0).await.0.len()), (level(1, 0), 0));
    drop(store);
    // Also without any.
    let store = open(&folder, &[]);
    assert_eq!(store.level(), level(0, 0));
}

#[tokio::test]
async fn one_owner_cannot_fill_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &["a", "b"]);
    for _ in 0..5 {
        end(&store, "ann").await;
    }
    assert_eq!(store.level(), level(MAX, 10 - MAX));
    end(&store, "bob").await;
    assert_eq!(store.level(), level(MAX + 2, 10 - MAX));
}

#[tokio::test]
async fn a_response_that_a_start_ends_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder, &["a"]);
    let id = ResponseId::new();
    store.commit(Change::record(id.clone(), record("ann", ResponseStatus::InProgress))).await.unwrap();
    drop(store);
    let store = open(&folder, &["a"]);
    let (deliveries, _) = due(&store, "a", 0).await;
    assert_eq!((of(&deliveries), deliveries[0].event), (vec![id], EventType::Failed));
}
