//! What is done for one endpoint: events that are due are sent, a few at a time.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use or_store::{Delivery, Outbox, Settled, Store};
use or_telemetry::Metrics;
use or_wire::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::endpoint::{Endpoint, Limits};
use crate::message::Message;
use crate::schedule::{millis, rest};
use crate::send::{Sent, send};

/// Longest time between two looks, for what others may have put into the store.
const LOOK: Duration = Duration::from_secs(10);
/// Between two tries to read or write a store that fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// What is under way when the server stops may take so long; else the next start sends it again.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Sends the events of one endpoint.
pub(crate) struct Courier {
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: Client,
    pub(crate) metrics: Metrics,
    /// Tries that failed, since the last one that did not.
    failures: Cell<u32>,
    /// Until when nothing is sent to an endpoint that fails.
    rests_until: Cell<Option<Instant>>,
    /// It has said that it wants nothing any more. Holds until the process ends.
    gone: Cell<bool>,
}

impl Courier {
    pub(crate) fn new(
        endpoint: Endpoint,
        limits: Limits,
        store: Arc<dyn Store>,
        client: Client,
        metrics: Metrics,
    ) -> Self {
        let (failures, rests_until, gone) = Default::default();
        Self { endpoint, limits, store, client, metrics, failures, rests_until, gone }
    }

    /// Works until it is told to stop.
    pub(crate) async fn run(&self, stop: &mut watch::Receiver<bool>) {
        let Some(outbox) = self.store.outbox() else { return };
        let mut news = outbox.news();
        let (mut under_way, mut ids) = (FuturesUnordered::new(), HashSet::new());
        loop {
            news.borrow_and_update();
            let free = self.places().saturating_sub(ids.len());
            let rested = self.rests_until.get().filter(|until| *until > Instant::now());
            let look_at = match rested {
                Some(until) => until,
                None if free == 0 => Instant::now() + LOOK,
                None => {
                    let (due, look_at) = self.due(outbox, &ids, free).await;
                    for delivery in due {
                        ids.insert(delivery.event_id());
                        under_way.push(self.deliver(outbox, delivery));
                    }
                    look_at
                }
            };
            let full = self.places() <= ids.len();
            tokio::select! {
                biased;
                // The sender is dropped by whoever has no more use for this.
                _ = stop.wait_for(|stop| *stop) => break,
                Some(id) = under_way.next(), if !ids.is_empty() => { ids.remove(&id); }
                Ok(()) = news.changed(), if !full && rested.is_none() => {}
                () = sleep_until(look_at), if !full => {}
            }
        }
        let rest = under_way.for_each(|_| std::future::ready(()));
        if timeout(LAST_WORDS, rest).await.is_err() {
            tracing::debug!(endpoint = self.name(), "webhook events under way are left to the next start");
        }
    }

    fn name(&self) -> &str {
        &self.endpoint.name
    }

    /// How many may be under way: an endpoint that fails gets one at a time.
    fn places(&self) -> usize {
        if self.failures.get() > 0 { 1 } else { self.limits.max_concurrent }
    }

    /// At most `free` deliveries that are due and not under way, and when to look again.
    async fn due(&self, outbox: &dyn Outbox, ids: &HashSet<String>, free: usize) -> (Vec<Delivery>, Instant) {
        let (now, now_ms) = (Instant::now(), now_ms());
        match outbox.due(self.name(), now_ms, free + ids.len()).await {
            Ok(mut due) => {
                due.deliveries.retain(|delivery| !ids.contains(&delivery.event_id()));
                due.deliveries.truncate(free);
                let next = due.next_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms)));
                self.tell_level(outbox);
                (due.deliveries, now + next.unwrap_or(LOOK).min(LOOK))
            }
            Err(error) => {
                tracing::error!(endpoint = self.name(), %error, "webhook events cannot be read");
                (Vec::new(), now + STORE_PAUSE)
            }
        }
    }

    /// Sends one event, says what came of it, and returns its id.
    async fn deliver(&self, outbox: &dyn Outbox, delivery: Delivery) -> String {
        let id = delivery.event_id();
        let then = self.attempt(&delivery).await;
        // Until that is written it would be sent again.
        while let Err(error) = outbox.settle(delivery.clone(), then).await {
            tracing::error!(endpoint = self.name(), %error, "what came of a webhook event cannot be written");
            if error.is_permanent() {
                break;
            }
            sleep(STORE_PAUSE).await;
        }
        self.tell_level(outbox);
        id
    }

    async fn attempt(&self, delivery: &Delivery) -> Settled {
        let created_ms = u64::try_from(delivery.created_at).unwrap_or_default().saturating_mul(1000);
        if self.gone.get() {
            return self.give_up(delivery, "gone");
        }
        // What waited for a server that was down has its one try.
        let tried = delivery.tries > 0 || self.failures.get() > 0;
        if tried && self.limits.schedule.is_over(created_ms, now_ms()) {
            return self.give_up(delivery, "expired");
        }
        let now_s = i64::try_from(now_ms() / 1000).unwrap_or_default();
        let message = Message::new(delivery, &self.endpoint.keys, now_s);
        let sent = send(&self.client, &self.endpoint.url, message, self.limits.timeout).await;
        self.metrics.webhook_attempt(self.name(), sent.word());
        let (event, response, tries) = (delivery.event.as_str(), &delivery.response, delivery.tries + 1);
        tracing::debug!(endpoint = self.name(), response_id = %response, event, tries, result = sent.word(), "webhook");
        match sent {
            Sent::Delivered => {
                self.works();
                Settled::Done
            }
            Sent::Gone => {
                tracing::warn!(
                    endpoint = self.name(),
                    "a webhook endpoint answers 410 Gone: it gets no events until the server is started again"
                );
                self.gone.set(true);
                self.give_up(delivery, "gone")
            }
            Sent::Refused { .. } | Sent::Unanswered(_) => {
                let pause = if let Sent::Refused { pause, .. } = sent { pause } else { Duration::ZERO };
                self.fails(sent, pause);
                let again = self.limits.schedule.again(created_ms, tries, now_ms(), pause, fastrand::f64());
                again.map_or_else(|| self.give_up(delivery, "expired"), Settled::Again)
            }
        }
    }

    fn works(&self) {
        if self.failures.replace(0) > 0 {
            tracing::info!(endpoint = self.name(), "a webhook endpoint takes events again");
        }
        self.rests_until.set(None);
    }

    fn fails(&self, sent: Sent, pause: Duration) {
        let failures = self.failures.get().saturating_add(1);
        if failures == 1 {
            let status = if let Sent::Refused { status, .. } = sent { Some(status) } else { None };
            tracing::warn!(
                endpoint = self.name(),
                reason = sent.word(),
                status,
                "a webhook endpoint does not take an event; it is sent again"
            );
        }
        self.failures.set(failures);
        self.rests_until.set(Some(Instant::now() + rest(failures, pause, fastrand::f64())));
    }

    fn give_up(&self, delivery: &Delivery, reason: &str) -> Settled {
        let Delivery { event, response, owner, tries, .. } = delivery;
        self.metrics.webhook_given_up(self.name(), reason);
        tracing::error!(
            endpoint = self.name(), response_id = %response, event = event.as_str(), owner, tries, reason,
            "a webhook event is given up"
        );
        Settled::Done
    }

    fn tell_level(&self, outbox: &dyn Outbox) {
        let level = outbox.level();
        self.metrics.webhooks(level.waiting, level.refused);
    }
}

/// Unix milliseconds.
fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
