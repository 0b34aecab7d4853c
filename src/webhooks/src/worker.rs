//! The thread that sends.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use or_store::Store;
use or_telemetry::Metrics;
use or_wire::{Client, Settings};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::courier::Courier;
use crate::endpoint::{Endpoint, Limits};

/// Before an endpoint's work that panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(5);
/// How long a stop waits: a store that hangs holds up nobody.
const STOPPING: Duration = Duration::from_secs(5);

/// Sends events on a thread of its own. Dropping it lets the thread end.
#[derive(Debug)]
pub struct Webhooks {
    stop: watch::Sender<bool>,
    over: oneshot::Receiver<()>,
}

impl Webhooks {
    /// Starts the thread. The store must have an outbox.
    ///
    /// # Errors
    /// If there are no resources for a thread.
    pub fn start(
        endpoints: Vec<Endpoint>,
        limits: Limits,
        store: Arc<dyn Store>,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (ended, over) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("webhooks".into()).spawn(move || {
            // The HTTP client lives on one thread.
            LocalSet::new().block_on(&runtime, run(endpoints, limits, store, metrics, stopped));
            // Reads of the store end with it: whoever waits wants to close that.
            drop(runtime);
            let _ = ended.send(());
        })?;
        Ok(Self { stop, over })
    }

    /// Stops: what is under way has 2 seconds, and what is left is sent after the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if timeout(STOPPING, self.over).await.is_err() {
            tracing::warn!("the sending of webhook events did not end in time");
        }
    }
}

async fn run(
    endpoints: Vec<Endpoint>,
    limits: Limits,
    store: Arc<dyn Store>,
    metrics: Metrics,
    stopped: watch::Receiver<bool>,
) {
    let client = Client::new(&Settings { connect_timeout: limits.timeout, head_timeout: None });
    let couriers = endpoints.into_iter().map(|endpoint| {
        let courier = Courier::new(endpoint, limits, Arc::clone(&store), client.clone(), metrics.clone());
        keep_running(Rc::new(courier), stopped.clone())
    });
    join_all(couriers).await;
}

/// Begins anew after a panic: events under way are sent again.
async fn keep_running(courier: Rc<Courier>, stopped: watch::Receiver<bool>) {
    loop {
        let (courier, mut stop) = (Rc::clone(&courier), stopped.clone());
        let work = spawn_local(async move { courier.run(&mut stop).await });
        if work.await.is_ok() {
            return;
        }
        tracing::error!("the sending of webhook events panicked; it begins anew");
        sleep(AFTER_PANIC).await;
    }
}
