//! The way to the disk for one response.

use std::sync::Arc;
use std::time::{Duration, Instant};

use or_store::{Change, StoreError};
use or_telemetry::Metrics;
use tokio::time::timeout;

use crate::response::request::Neighbours;
use crate::running::{Phase, Status};
use crate::store::StoreHandle;

/// A commit that takes longer counts as failed: an answer must not hang on a disk.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// Writes what one response has to keep.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) store: StoreHandle,
    status: Arc<Status>,
    metrics: Metrics,
}

impl Disk {
    pub(crate) fn of(neighbours: &Neighbours) -> Self {
        Self {
            store: neighbours.store.clone(),
            status: Arc::clone(&neighbours.status),
            metrics: neighbours.node.metrics.clone(),
        }
    }

    /// Writes once.
    pub(crate) async fn write(&self, change: Change) -> Result<(), StoreError> {
        let _phase = self.status.enter(Phase::Storing);
        let begun = Instant::now();
        let result = match timeout(COMMIT_PATIENCE, self.store.commit(change)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Io("the commit took too long".into())),
        };
        self.metrics.store_commit(result.is_ok(), begun.elapsed());
        result
    }
}
