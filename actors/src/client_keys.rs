//! The stored client keys of a running server, and the way to change them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use or_keys::{Clients, KeyRecord, KeyView, NewKey, OwnLimits, Ring};
use or_protocol::{ApiError, ErrorKind};
use or_store::{KeyChange, Store, StoreError};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::owners::{OwnerLimits, Owners};

/// Keys whose last use is written in one batch.
const USES: usize = 256;

/// Makes an owner's shares of what its key says of them.
pub type Shares = dyn Fn(&OwnLimits) -> OwnerLimits + Send + Sync;

/// The stored client keys. A change is kept by the store, is in force for every request that comes later, and only then is
/// told of.
///
/// A change that was begun must not be dropped halfway: it could be on disk and not in force. So whoever asks for one does
/// so in a task of its own.
pub struct ClientKeys {
    /// Changes take turns, and wait for the disk in theirs; no request that shows a key does.
    ring: Mutex<Ring>,
    clients: Arc<Clients>,
    store: Arc<dyn Store>,
    owners: Arc<Owners>,
    shares: ArcSwap<Box<Shares>>,
}

impl ClientKeys {
    /// Lets in the keys of the store. `configured`: names of the configuration's keys; `clients`: where requests look.
    pub fn new(
        store: Arc<dyn Store>,
        configured: impl IntoIterator<Item = String>,
        clients: Arc<Clients>,
        owners: Arc<Owners>,
        shares: Box<Shares>,
    ) -> Self {
        let ring = Ring::new(store.client_keys(), configured);
        warn_of_shadowed(&ring);
        let keys =
            Self { ring: Mutex::default(), clients, store, owners, shares: ArcSwap::from_pointee(shares) };
        keys.publish(&ring);
        Self { ring: Mutex::new(ring), ..keys }
    }

    /// Takes over what a new configuration says: the names of its keys, and what owners may take.
    pub async fn reconfigure(&self, configured: impl IntoIterator<Item = String>, shares: Box<Shares>) {
        let mut ring = self.ring.lock().await;
        ring.set_configured(configured);
        warn_of_shadowed(&ring);
        self.shares.store(Arc::new(shares));
        self.publish(&ring);
    }

    /// Where requests look for their keys.
    pub fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients)
    }

    /// Up to `limit` keys behind the one of this name or id, and whether there are more.
    pub async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        now: i64,
    ) -> Result<(Vec<KeyView>, bool), ApiError> {
        let ring = self.ring.lock().await;
        let (page, more) = ring.page(after, limit).map_err(|error| error.to_api())?;
        Ok((page.into_iter().map(|record| self.view(&ring, record, now)).collect(), more))
    }

    /// The key of this name or id.
    pub async fn show(&self, key: &str, now: i64) -> Result<KeyView, ApiError> {
        let ring = self.ring.lock().await;
        let found = ring.find(key).map_err(|error| error.to_api())?;
        Ok(self.view(&ring, found, now))
    }

    /// Makes a key; its secret is told here and never again. `is_running`: whether a response of this owner is in progress,
    /// which the store may not know of yet.
    pub async fn create(
        &self,
        new: NewKey,
        is_running: impl FnOnce(&str) -> bool,
        now: i64,
    ) -> Result<KeyView, ApiError> {
        let mut ring = self.ring.lock().await;
        let has_responses = |name: &str| self.store.usage(name).responses > 0 || is_running(name);
        let (record, secret) = ring.create(new, has_responses, now).map_err(|error| error.to_api())?;
        let view = self.keep(&mut ring, record, now).await?;
        Ok(KeyView { secret: Some(secret.expose().to_owned()), ..view })
    }

    /// Gives a key another secret. See [`Ring::rotate`].
    pub async fn rotate(&self, key: &str, overlap_s: u64, now: i64) -> Result<KeyView, ApiError> {
        let mut ring = self.ring.lock().await;
        let (record, secret) = ring.rotate(key, overlap_s, now).map_err(|error| error.to_api())?;
        let view = self.keep(&mut ring, record, now).await?;
        Ok(KeyView { secret: Some(secret.expose().to_owned()), ..view })
    }

    /// Changes a key's settings. See [`Ring::update`].
    pub async fn update(&self, key: &str, patch: &Value, now: i64) -> Result<KeyView, ApiError> {
        let mut ring = self.ring.lock().await;
        let record = ring.update(key, patch, now).map_err(|error| error.to_api())?;
        self.keep(&mut ring, record, now).await
    }

    /// Revokes a key. It is not let in any more even if the store cannot keep that; the error says so.
    pub async fn revoke(&self, key: &str, now: i64) -> Result<KeyView, ApiError> {
        let mut ring = self.ring.lock().await;
        let record = ring.revoke(key, now).map_err(|error| error.to_api())?;
        let record = Arc::new(self.with_use(record));
        ring.put(Arc::clone(&record));
        self.publish(&ring);
        let kept = self.store.change_client_keys(vec![KeyChange::Put(Arc::clone(&record))]).await;
        kept.map_err(|error| {
            let text = "The key is revoked in this process, but that could not be stored: after a restart it would be let in. Please try again.";
            not_kept(&error, text)
        })?;
        Ok(self.view(&ring, &record, now))
    }

    /// Forgets a key. What it has stored stays until its time is over; no other key has it unless it is told to.
    pub async fn delete(&self, key: &str, now: i64) -> Result<KeyView, ApiError> {
        let mut ring = self.ring.lock().await;
        let record = Arc::clone(ring.find(key).map_err(|error| error.to_api())?);
        let view = self.view(&ring, &record, now);
        self.change(vec![KeyChange::Remove(record.id)]).await?;
        ring.remove(record.id);
        self.publish(&ring);
        Ok(view)
    }

    /// Has the store keep when keys were last let in. To be called from time to time: writing it with each request would
    /// cost more than the key.
    pub async fn note_uses(&self) {
        let mut ring = self.ring.lock().await;
        let later = |record: &Arc<KeyRecord>| {
            let used = self.clients.last_used(record.id);
            (used > record.last_used_at).then(|| Arc::new(self.with_use(KeyRecord::clone(record))))
        };
        let records: Vec<_> = ring.records().filter_map(later).collect();
        for batch in records.chunks(USES) {
            let changes = batch.iter().cloned().map(KeyChange::Put).collect();
            if let Err(error) = self.store.change_client_keys(changes).await {
                return tracing::debug!(%error, "the last use of client keys was not stored");
            }
            batch.iter().cloned().for_each(|record| ring.put(record));
        }
    }

    /// Stores a record, and lets in what it lets in.
    async fn keep(&self, ring: &mut Ring, record: KeyRecord, now: i64) -> Result<KeyView, ApiError> {
        let record = Arc::new(self.with_use(record));
        self.change(vec![KeyChange::Put(Arc::clone(&record))]).await?;
        ring.put(Arc::clone(&record));
        self.publish(ring);
        Ok(self.view(ring, &record, now))
    }

    async fn change(&self, changes: Vec<KeyChange>) -> Result<(), ApiError> {
        let kept = self.store.change_client_keys(changes).await;
        kept.map_err(|error| not_kept(&error, "The change could not be stored, so it is not in force."))
    }

    fn with_use(&self, record: KeyRecord) -> KeyRecord {
        let used = self.clients.last_used(record.id);
        KeyRecord { last_used_at: record.last_used_at.max(used), ..record }
    }

    fn view(&self, ring: &Ring, record: &KeyRecord, now: i64) -> KeyView {
        let view = ring.view(record, now);
        KeyView { last_used_at: view.last_used_at.max(self.clients.last_used(record.id)), ..view }
    }

    fn publish(&self, ring: &Ring) {
        let own = ring.records().filter(|record| record.settings.limits != OwnLimits::default());
        let shares = self.shares.load();
        let own = own.map(|record| (record.name.clone(), shares(&record.settings.limits)));
        self.owners.set_stored(own.collect::<HashMap<_, _>>());
        self.clients.publish(ring);
    }
}

fn warn_of_shadowed(ring: &Ring) {
    for record in ring.records().filter(|record| ring.is_shadowed(&record.name)) {
        tracing::warn!(
            key = record.name,
            "a stored client key is not let in: the configuration has its name"
        );
    }
}

fn not_kept(error: &StoreError, text: &str) -> ApiError {
    tracing::error!(%error, "a change of a client key was not stored");
    ApiError::new(ErrorKind::Storage, text).with_code("storage_error")
}
