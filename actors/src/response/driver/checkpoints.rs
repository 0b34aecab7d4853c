//! When the record of a background response is written between the results of its tools.
//!
//! It is written whole each time. After every result, that would be the square of what tools give; so a long one is
//! written when it is earned: by the results since the last time, or by the time that they took.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::HEAVY;

/// What a result earns beside its own length, in bytes of a record. Shorter records are written after each result.
const EACH: usize = HEAVY;
/// Bytes of a record that a byte of a result earns.
const TIMES: usize = 8;
/// Bytes of a record that a second earns: a tool that works for long shall not have done so in vain.
const PER_SECOND: usize = 16 << 20;

/// What was earned since the record was written last.
#[derive(Debug)]
pub(super) struct Checkpoints {
    earned: usize,
    since: Instant,
}

impl Checkpoints {
    pub(super) fn new() -> Self {
        Self { earned: 0, since: Instant::now() }
    }

    /// Takes in a result of so many bytes. Whether a record of `record` bytes is to be written now.
    pub(super) fn is_due(&mut self, result: usize, record: usize) -> bool {
        self.is_due_at(Instant::now(), result, record)
    }

    fn is_due_at(&mut self, now: Instant, result: usize, record: usize) -> bool {
        let earned = result.saturating_mul(TIMES).saturating_add(EACH);
        self.earned = self.earned.saturating_add(earned);
        let is_due = self.earned.saturating_add(worth(now - self.since)) >= record;
        if is_due {
            *self = Self { earned: 0, since: now };
        }
        is_due
    }
}

fn worth(time: Duration) -> usize {
    let ms = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
    ms.saturating_mul(PER_SECOND / 1000)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// Bytes of all records that are written while so many results of this length come.
    fn written(results: usize, length: usize) -> usize {
        let (mut checkpoints, now) = (Checkpoints::new(), Instant::now());
        let (mut record, mut written) = (0, 0);
        checkpoints.since = now;
        for _ in 0..results {
            record += length;
            if checkpoints.is_due_at(now, length, record) {
                written += record;
            }
        }
        written
    }

    #[test]
    fn what_is_written_grows_as_the_results_do() {
        for length in [100, 10_000, 1 << 20] {
            for results in [1000, 2000, 4000] {
                let (once, twice) = (written(results, length), written(2 * results, length));
                let most = results * (TIMES * length + EACH);
                assert!(once <= most && twice <= 2 * most, "{results} of {length}: {once}, {twice}");
            }
        }
        // A short one is written each time.
        assert_eq!(written(100, 1000), 100 * 101 / 2 * 1000);
    }

    #[test]
    fn what_took_its_time_is_written() {
        let mut checkpoints = Checkpoints::new();
        let (begun, later) = (checkpoints.since, checkpoints.since + Duration::from_secs(7));
        assert!(!checkpoints.is_due_at(begun, 1, 100 << 20));
        assert!(checkpoints.is_due_at(later, 1, 100 << 20));
        assert!(!checkpoints.is_due_at(later, 1, 100 << 20));
    }
}
