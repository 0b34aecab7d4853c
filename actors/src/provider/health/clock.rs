//! The clock of what providers are left alone by: milliseconds, so that atomic numbers hold its times.

use std::sync::OnceLock;
use std::time::Instant;

/// Milliseconds since the first call in this process, and a few: 0 is before all of them.
pub(crate) fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
