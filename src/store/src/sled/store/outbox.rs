//! The outbox of the store on disk.

use tokio::sync::watch;

use super::SledStore;
use crate::sled::db::outbox::OutboxChange;
use crate::sled::db::write::Write;
use crate::{Delivery, Due, Outbox, OutboxLevel, Settled, StoreError, StoreFuture};

impl Outbox for SledStore {
    fn due(&self, endpoint: &str, now_ms: u64, limit: usize) -> StoreFuture<Result<Due, StoreError>> {
        let endpoint = endpoint.to_owned();
        self.read(move |db| db.due(&endpoint, now_ms, limit))
    }

    fn settle(&self, delivery: Delivery, then: Settled) -> StoreFuture<Result<(), StoreError>> {
        let id = delivery.response.clone();
        let outbox = vec![OutboxChange::Settle(delivery, then)];
        Box::pin(self.writer.commit(Write { id, record: None, appends: Vec::new(), outbox }))
    }

    fn level(&self) -> OutboxLevel {
        self.db.waiting().level()
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.db.waiting().news()
    }
}
