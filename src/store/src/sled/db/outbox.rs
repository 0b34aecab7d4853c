//! Deliveries on disk: their keys, their values, and how many wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use or_protocol::ResponseId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Db;
use crate::outbox::EVENT_ID;
use crate::sled::keys;
use crate::sled::pieces::failed;
use crate::{Delivery, Due, OutboxLevel, Settled, StoreError, StoredResponse, Subscriptions};

/// Format of a delivery on disk.
const FORMAT: u8 = 1;

/// What is changed of the outbox in a batch.
#[derive(Clone, Debug)]
pub(crate) enum OutboxChange {
    Enter(Delivery),
    Settle(Delivery, Settled),
}

/// What of a delivery is not in its key.
#[derive(Deserialize, Serialize)]
struct Value {
    owner: String,
    created_at: i64,
    tries: u32,
}

fn key_of(delivery: &Delivery) -> Vec<u8> {
    keys::delivery(&delivery.endpoint, delivery.due_ms, &delivery.event_id())
}

fn encode(delivery: &Delivery) -> Result<Vec<u8>, StoreError> {
    let Delivery { owner, created_at, tries, .. } = delivery;
    let value = Value { owner: owner.clone(), created_at: *created_at, tries: *tries };
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, &value).map_err(|e| StoreError::Encode(e.to_string()))?;
    Ok(bytes)
}

fn decode(key: &[u8], value: &[u8]) -> Option<Delivery> {
    let (endpoint, due_ms, id) = keys::delivery_of(key, EVENT_ID)?;
    let (response, event) = Delivery::parse_id(id)?;
    let json = value.strip_prefix(&[FORMAT])?;
    let Value { owner, created_at, tries } = serde_json::from_slice(json).ok()?;
    Some(Delivery { endpoint: endpoint.to_owned(), event, response, owner, created_at, tries, due_ms })
}

/// How many deliveries wait, and news of them. Shared by who writes and who asks.
#[derive(Debug, Default)]
pub(in crate::sled) struct Waiting {
    by_owner: Mutex<HashMap<String, u64>>,
    refused: AtomicU64,
    news: watch::Sender<u64>,
}

/// What a batch changes of that: owners, and whether one more or one fewer waits.
pub(super) struct Moved(Vec<(String, bool)>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.by_owner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of one owner.
    pub(in crate::sled) fn of(&self, owner: &str) -> u64 {
        self.lock().get(owner).copied().unwrap_or_default()
    }

    pub(in crate::sled) fn level(&self) -> OutboxLevel {
        OutboxLevel { waiting: self.lock().values().sum(), refused: self.refused.load(Ordering::Relaxed) }
    }

    pub(in crate::sled) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// One was not entered, as too many of its owner wait.
    pub(in crate::sled) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.tell();
    }

    fn tell(&self) {
        self.news.send_modify(|number| *number = number.wrapping_add(1));
    }

    /// Takes over what was written.
    pub(super) fn enter(&self, moved: Moved) {
        let mut news = false;
        for (owner, more) in moved.0 {
            news |= more;
            let mut counts = self.lock();
            let count = counts.get(&owner).copied().unwrap_or_default();
            match if more { count + 1 } else { count.saturating_sub(1) } {
                0 => counts.remove(&owner),
                count => counts.insert(owner, count),
            };
        }
        if news {
            self.tell();
        }
    }
}

/// Adds changes to a batch.
pub(super) fn put<'a>(
    sled: &sled::Tree,
    batch: &mut sled::Batch,
    changes: impl Iterator<Item = &'a OutboxChange>,
) -> Result<Moved, StoreError> {
    let mut moved = Vec::new();
    for change in changes {
        match change {
            OutboxChange::Enter(delivery) => {
                let key = key_of(delivery);
                // Of a commit that is made again, as it was said to have failed.
                if !sled.contains_key(&key).map_err(failed)? {
                    moved.push((delivery.owner.clone(), true));
                }
                batch.insert(key, encode(delivery)?);
            }
            OutboxChange::Settle(delivery, then) => {
                batch.remove(key_of(delivery));
                match then {
                    Settled::Done => moved.push((delivery.owner.clone(), false)),
                    Settled::Again(due_ms) => {
                        let tries = delivery.tries.saturating_add(1);
                        let again = Delivery { tries, due_ms: *due_ms, ..delivery.clone() };
                        batch.insert(key_of(&again), encode(&again)?);
                    }
                }
            }
        }
    }
    Ok(Moved(moved))
}

/// What of a record has to be told, as it is written beside it.
pub(in crate::sled) fn entered(
    db: &Db,
    subscriptions: &Subscriptions,
    id: &ResponseId,
    record: &StoredResponse,
) -> Vec<OutboxChange> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let deliveries = subscriptions.deliveries(id, record, i64::try_from(now).unwrap_or_default());
    if deliveries.is_empty() {
        return Vec::new();
    }
    let mut room = subscriptions.max_waiting.saturating_sub(db.waiting().of(&record.owner));
    let mut entered = Vec::new();
    for delivery in deliveries {
        // A commit that is made again, as its answer was lost, may have entered it before: that takes no more room.
        if !db.waits(&delivery) {
            if room == 0 {
                let (event, owner) = (delivery.event.as_str(), record.owner.as_str());
                let endpoint = delivery.endpoint;
                tracing::error!(response_id = %id, endpoint, event, owner, "a webhook event is dropped: too many wait");
                db.waiting().refused();
                continue;
            }
            room -= 1;
        }
        entered.push(OutboxChange::Enter(delivery));
    }
    entered
}

impl Db {
    /// How many deliveries wait.
    pub(in crate::sled) fn waiting(&self) -> &Waiting {
        &self.0.waiting
    }

    /// Whether a delivery was entered as it is. `false` also if that cannot be read: it counts as a new one.
    fn waits(&self, delivery: &Delivery) -> bool {
        let open = self.opened();
        open.is_ok_and(|open| open.sled.contains_key(key_of(delivery)).unwrap_or_default())
    }

    /// See [`Outbox::due`](crate::Outbox::due).
    pub(in crate::sled) fn due(&self, endpoint: &str, now_ms: u64, limit: usize) -> Result<Due, StoreError> {
        let sled = &self.opened()?.sled;
        let _whole = self.whole();
        let mut due = Due::default();
        for pair in sled.scan_prefix(keys::deliveries_to(endpoint)) {
            let (key, value) = pair.map_err(failed)?;
            // What does not read was looked for at the start.
            let Some(delivery) = decode(&key, &value) else { continue };
            if delivery.due_ms > now_ms {
                due.next_ms = Some(delivery.due_ms);
                break;
            }
            if due.deliveries.len() >= limit {
                break;
            }
            due.deliveries.push(delivery);
        }
        Ok(due)
    }

    /// Counts what waits for these endpoints, and removes what waits for others, or does not read.
    pub(in crate::sled) fn sort_outbox(&self, endpoints: &[&str]) -> Result<(), StoreError> {
        let open = self.opened()?;
        let (mut counts, mut dropped) = (HashMap::<String, u64>::new(), 0_usize);
        let mut batch = sled::Batch::default();
        for pair in open.sled.scan_prefix(keys::all_deliveries()) {
            let (key, value) = pair.map_err(failed)?;
            match decode(&key, &value).filter(|delivery| endpoints.contains(&delivery.endpoint.as_str())) {
                Some(delivery) => *counts.entry(delivery.owner).or_default() += 1,
                None => {
                    batch.remove(key);
                    dropped += 1;
                }
            }
        }
        *self.0.waiting.lock() = counts;
        if dropped > 0 {
            tracing::warn!(
                events = dropped,
                "webhook events are dropped: their endpoints are not configured any more"
            );
            self.apply(&open, batch)?;
        }
        Ok(())
    }
}
