//! `[background]`: responses that run without their client.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[background]`: responses that run without their client.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Of all clients together; 0: three quarters of `server.max_concurrent_responses`.
    pub max_concurrent: usize,
    /// Of failed provider calls, as long as nothing was output.
    pub max_retries: u32,
    pub max_retry_delay_s: u64,
}

impl Background {
    pub fn max_retry_delay(&self) -> Duration {
        Duration::from_secs(self.max_retry_delay_s)
    }
}

impl Default for Background {
    fn default() -> Self {
        Self { max_concurrent: 0, max_retries: 5, max_retry_delay_s: 60 }
    }
}
