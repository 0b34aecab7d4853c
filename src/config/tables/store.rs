//! `[store]`: where responses are kept, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use or_store::OnCorruption;
use serde::{Deserialize, Serialize};

/// `[store]`: where responses are kept, and for how long.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// A relative path starts at the working directory.
    pub path: PathBuf,
    pub on_corruption: OnCorruption,
    /// 0: for ever, see [`Store::retention`].
    pub retention_days: u64,
    pub power_loss_safe: bool,
    /// Longest record, which is a response with its input.
    pub max_record_bytes: usize,
}

impl Store {
    /// How long a response is kept; `None`: for ever.
    pub fn retention(&self) -> Option<Duration> {
        match self.retention_days {
            0 => None,
            days => Some(Duration::from_secs(days * 24 * 60 * 60)),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            on_corruption: OnCorruption::Quarantine,
            retention_days: 30,
            power_loss_safe: false,
            max_record_bytes: 100 << 20,
        }
    }
}
