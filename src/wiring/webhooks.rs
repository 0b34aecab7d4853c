//! The webhooks of the configuration.

use std::time::Duration;

use or_store::{Subscription, Subscriptions};
use or_webhooks::{Endpoint, Limits, Schedule};

use crate::config::Resolved;

/// Who wants which events, for the store.
pub(crate) fn subscriptions(resolved: &Resolved) -> Subscriptions {
    let config = &resolved.config;
    let endpoints = config.webhooks.iter().map(|(name, webhook)| Subscription {
        endpoint: name.clone(),
        events: webhook.events.clone(),
        clients: webhook.clients.clone(),
    });
    Subscriptions {
        endpoints: endpoints.collect(),
        max_waiting: config.webhook_limits.max_waiting_per_client,
    }
}

/// Where they go, and within which bounds.
pub(crate) fn webhooks(resolved: &Resolved) -> (Vec<Endpoint>, Limits) {
    let config = &resolved.config;
    let endpoints = config.webhooks.iter().map(|(name, webhook)| Endpoint {
        name: name.clone(),
        url: webhook.url.clone(),
        keys: resolved.webhooks.get(name).cloned().unwrap_or_default(),
    });
    let limits = &config.webhook_limits;
    let schedule = Schedule {
        first_pause: Duration::from_secs(limits.first_retry_s),
        give_up_after: Duration::from_secs(limits.give_up_after_s),
    };
    let timeout = Duration::from_secs(limits.timeout_s);
    (endpoints.collect(), Limits { timeout, max_concurrent: limits.max_concurrent, schedule })
}
