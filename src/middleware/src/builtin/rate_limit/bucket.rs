//! What may be taken in any minute: a bucket that is full at first and fills again evenly.

use std::time::Duration;

/// Parts of a unit: what comes in a millisecond at one unit a minute.
const PARTS: i64 = 60_000;

/// A bucket. More can be taken than it has, where what was taken is known only afterwards: then it is empty for longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bucket {
    /// Units that it holds, and that it gets in a minute; at most 2^40.
    limit: i64,
    /// In it, in parts of a unit.
    parts: i64,
    /// When that was so, in milliseconds.
    at_ms: u64,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Level {
    pub(super) limit: u64,
    /// Whole units.
    pub(super) remaining: u64,
    /// Until it is full.
    pub(super) reset: Duration,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(limit: u64, now_ms: u64) -> Self {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).clamp(1, 1 << 40);
        Self { limit, parts: limit * PARTS, at_ms: now_ms }
    }

    /// The same bucket under a limit that may have changed.
    pub(super) fn under(self, limit: u64, now_ms: u64) -> Self {
        let full = Self::new(limit, now_ms);
        let now = self.filled(now_ms);
        Self { parts: now.parts.min(full.parts), ..full }
    }

    fn filled(self, now_ms: u64) -> Self {
        let passed = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        let parts = self.parts.saturating_add(passed.saturating_mul(self.limit)).min(self.limit * PARTS);
        Self { parts, at_ms: self.at_ms.max(now_ms), ..self }
    }

    /// Whether it is as if nothing had ever been taken.
    pub(super) fn is_full(self, now_ms: u64) -> bool {
        self.filled(now_ms).parts == self.limit * PARTS
    }

    /// Milliseconds until so many units can be taken; 0: now. What it can never hold can be taken when it is full.
    pub(super) fn wait_ms(self, units: u64, now_ms: u64) -> u64 {
        let wanted = i64::try_from(units).unwrap_or(i64::MAX).min(self.limit) * PARTS;
        let missing = wanted - self.filled(now_ms).parts;
        if missing <= 0 {
            0
        } else {
            u64::try_from(missing).unwrap_or_default().div_ceil(self.limit.unsigned_abs())
        }
    }

    /// Takes so many; negative: gives them back.
    pub(super) fn take(&mut self, units: i64, now_ms: u64) {
        *self = self.filled(now_ms);
        // The debt has an end, so that one huge answer does not lock a client out for days.
        let floor = -10 * self.limit * PARTS;
        self.parts = self.parts.saturating_sub(units.saturating_mul(PARTS)).clamp(floor, self.limit * PARTS);
    }

    pub(super) fn level(self, now_ms: u64) -> Level {
        let now = self.filled(now_ms);
        let remaining = u64::try_from(now.parts.max(0) / PARTS).unwrap_or_default();
        let reset = Duration::from_millis(now.wait_ms(u64::MAX, now_ms));
        Level { limit: now.limit.unsigned_abs(), remaining, reset }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(bucket: Bucket, now_ms: u64, remaining: u64, reset_ms: u64) {
        let want = Level { limit: 60, remaining, reset: Duration::from_millis(reset_ms) };
        assert_eq!(bucket.level(now_ms), want);
    }

    #[test]
    fn it_fills_evenly_and_no_further() {
        let mut bucket = Bucket::new(60, 0);
        check(bucket, 0, 60, 0);
        bucket.take(60, 0);
        check(bucket, 0, 0, 60_000);
        check(bucket, 1500, 1, 58_500);
        check(bucket, 600_000, 60, 0);
        assert_eq!((bucket.wait_ms(1, 400), bucket.wait_ms(1000, 0)), (600, 60_000));
    }

    #[test]
    fn what_turns_out_to_be_more_is_waited_for() {
        let mut bucket = Bucket::new(60, 0);
        bucket.take(90, 0);
        assert_eq!(bucket.wait_ms(1, 0), 31_000);
        bucket.take(-30, 0);
        assert_eq!(bucket.wait_ms(1, 0), 1000);
        bucket.take(1 << 50, 0);
        assert_eq!(bucket.wait_ms(0, 0), 600_000);
    }

    #[test]
    fn another_limit_keeps_what_was_taken() {
        let mut bucket = Bucket::new(600, 0);
        bucket.take(590, 0);
        check(bucket.under(60, 0), 0, 10, 50_000);
        assert_eq!(Bucket::new(60, 0).under(600, 0).level(0).remaining, 60);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut bucket = Bucket::new(60, 10_000);
        bucket.take(60, 10_000);
        assert_eq!(bucket.wait_ms(1, 0), 1000);
    }
}
