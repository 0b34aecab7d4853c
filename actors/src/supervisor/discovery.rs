//! Which models the providers have, by their own lists, for as long as that may be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use futures_util::future::join_all;
use or_adapters::ModelInfo;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::provider::{ListModels, ProviderActor, ProviderSpec, SampleError};
use or_telemetry::Metrics;

/// Models by the name of their provider. One that did not answer is not in it.
pub type Found = BTreeMap<String, Vec<ModelInfo>>;

/// Whom to ask, and what they said. One for all arbiters.
pub struct Discovery {
    /// How long an answer, or that there was none, is believed.
    period: Duration,
    providers: Vec<Arc<ProviderSpec>>,
    /// Held while the providers are asked: whoever comes meanwhile waits for the same answer.
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    at: Option<Instant>,
    found: Arc<Found>,
    /// Those that did not answer, so that the log hears of it once.
    failing: BTreeSet<String>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("providers", &self.providers).finish_non_exhaustive()
    }
}

impl Discovery {
    /// Nobody was asked yet.
    pub fn new(period: Duration, providers: Vec<Arc<ProviderSpec>>) -> Self {
        Self { period, providers, last: Mutex::default() }
    }

    pub(crate) fn providers(&self) -> &[Arc<ProviderSpec>] {
        &self.providers
    }

    /// What the last look found; looks anew if that is too old. `actors`: those of `providers`, in order.
    pub(crate) async fn look(&self, actors: Vec<Addr<ProviderActor>>, metrics: &Metrics) -> Arc<Found> {
        let mut last = self.last.lock().await;
        if last.at.is_some_and(|at| at.elapsed() < self.period) {
            return Arc::clone(&last.found);
        }
        let asked = join_all(actors.iter().map(|actor| actor.send(ListModels))).await;
        let mut found = Found::new();
        for (spec, answer) in self.providers.iter().zip(asked) {
            let answer = answer.unwrap_or(Err(SampleError::Panicked));
            metrics.model_list(&spec.name, answer.is_ok());
            match answer {
                Ok(models) => {
                    last.failing.remove(&*spec.name);
                    metrics.discovered_models(&spec.name, models.iter().map(|model| model.name.as_str()));
                    found.insert(spec.name.to_string(), models);
                }
                Err(error) => report(&spec.name, &error, last.failing.insert(spec.name.to_string())),
            }
        }
        last.at = Some(Instant::now());
        last.found = Arc::new(found);
        Arc::clone(&last.found)
    }
}

/// A local provider that is not running is nothing to worry about.
fn report(provider: &str, error: &SampleError, first: bool) {
    if first && !matches!(error, SampleError::Unreachable(_)) {
        tracing::warn!(provider, reason = error.reason(), %error, "the provider's models could not be listed");
    } else {
        tracing::debug!(provider, reason = error.reason(), %error, "the provider's models could not be listed");
    }
}
