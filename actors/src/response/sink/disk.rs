//! The way to the disk for one response.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use or_store::{Change, StoreError};
use or_telemetry::Metrics;
use tokio::time::{sleep, timeout};

use crate::response::mailbox::Mailbox;
use crate::response::request::Neighbours;
use crate::running::{Phase, Status};
use crate::store::StoreHandle;

/// A commit that takes longer counts as failed: an answer must not hang on a disk.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to write, first and at most.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
const WRITE_AGAIN_MAX: Duration = Duration::from_secs(2);

/// Writes what one response has to keep.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) store: StoreHandle,
    mailbox: Rc<Mailbox>,
    status: Arc<Status>,
    metrics: Metrics,
}

impl Disk {
    pub(crate) fn of(neighbours: &Neighbours) -> Self {
        Self {
            store: neighbours.store.clone(),
            mailbox: Rc::clone(&neighbours.mailbox),
            status: Arc::clone(&neighbours.status),
            metrics: neighbours.node.metrics.clone(),
        }
    }

    /// Writes once.
    pub(crate) async fn write(&self, change: Change) -> Result<(), StoreError> {
        let _phase = self.status.enter(Phase::Storing);
        let result = match timeout(COMMIT_PATIENCE, self.store.commit(change)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Io("the commit took too long".into())),
        };
        self.metrics.store_commit(result.is_ok());
        result
    }

    /// Writes, for as long as it takes: nobody waits, and a full disk may have room again. `false` only if the
    /// server is stopping; the next start then finds the response as it is on disk.
    pub(crate) async fn persist(&self, change: Change) -> bool {
        let _phase = self.status.enter(Phase::Storing);
        let mut pause = WRITE_AGAIN;
        loop {
            match self.write(change.clone()).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::error!(response_id = %change.id, %error, "a background response waits for the disk");
                }
            }
            if self.mailbox.is_shutdown() {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(WRITE_AGAIN_MAX);
        }
    }
}
