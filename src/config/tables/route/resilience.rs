//! `[resilience]`: what follows when a provider fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[resilience]`: what follows when a provider fails. The first seven can be written for one route alone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resilience {
    /// Of a call whose client waits, at one target, as long as nothing was output.
    pub retries: u32,
    /// Before the first of them; doubled for each further one.
    pub retry_delay_ms: u64,
    pub max_retry_delay_ms: u64,
    /// Calls made again, of a hundred requests.
    pub retry_budget_percent: u32,
    /// Calls made again in 10 s that are allowed whatever the share.
    pub retry_budget_floor: u32,
    /// When a second target is asked as well; 0: never.
    pub hedge_after_ms: u64,
    /// Whether a stream that breaks goes on at the next target.
    pub mid_stream: bool,
    /// Failures in a row after which a provider is left alone; 0: never.
    pub breaker_failures: u32,
    /// For how long, the first time.
    pub breaker_open_s: u64,
    pub breaker_max_open_s: u64,
    /// How long a key is left alone that its provider refuses.
    pub key_cooldown_s: u64,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            retries: 2,
            retry_delay_ms: 250,
            max_retry_delay_ms: 2000,
            retry_budget_percent: 20,
            retry_budget_floor: 10,
            hedge_after_ms: 0,
            mid_stream: false,
            breaker_failures: 5,
            breaker_open_s: 15,
            breaker_max_open_s: 300,
            key_cooldown_s: 30,
        }
    }
}

impl Resilience {
    pub fn retry_delay(&self) -> Duration {
        Duration::from_millis(self.retry_delay_ms)
    }

    pub fn max_retry_delay(&self) -> Duration {
        Duration::from_millis(self.max_retry_delay_ms)
    }

    pub fn hedge_after(&self) -> Option<Duration> {
        (self.hedge_after_ms > 0).then(|| Duration::from_millis(self.hedge_after_ms))
    }
}

/// The same for one of `[[routes]]`; what is not given is as `[resilience]` has it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct OwnResilience {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retry_delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget_percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget_floor: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid_stream: Option<bool>,
}

impl OwnResilience {
    /// With what `usual` says where nothing is given.
    pub fn over(&self, usual: &Resilience) -> Resilience {
        Resilience {
            retries: self.retries.unwrap_or(usual.retries),
            retry_delay_ms: self.retry_delay_ms.unwrap_or(usual.retry_delay_ms),
            max_retry_delay_ms: self.max_retry_delay_ms.unwrap_or(usual.max_retry_delay_ms),
            retry_budget_percent: self.retry_budget_percent.unwrap_or(usual.retry_budget_percent),
            retry_budget_floor: self.retry_budget_floor.unwrap_or(usual.retry_budget_floor),
            hedge_after_ms: self.hedge_after_ms.unwrap_or(usual.hedge_after_ms),
            mid_stream: self.mid_stream.unwrap_or(usual.mid_stream),
            ..usual.clone()
        }
    }
}
