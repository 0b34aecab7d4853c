//! When expired responses are removed, and how many at once. Time comes in as an argument.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Most keys of expired responses removed between two batches.
const KEYS: usize = 500;
/// Longest time between two looks for expired responses.
const EVERY: Duration = Duration::from_secs(60);
/// While there are more, the pause is so many times what a sweep took: the writer has three quarters of its time
/// for others.
const PAUSE: u32 = 3;
/// How long the clock must have run steadily before anything is removed by it.
const STEADY: Duration = Duration::from_secs(60 * 60);
/// How far the clock may go astray in that time; corrections by a few seconds are usual.
const ASTRAY: Duration = Duration::from_secs(60);
/// The same where what is stored shows that the clock ran steadily before, and at most so much more, by chance: servers
/// that start together need not sweep together.
const SOON: Duration = Duration::from_secs(60);
const SPREAD_S: u64 = 240;
/// What is stored can speak for the clock if it is at most a day old, or this share of the retention time. A clock
/// that is ahead by less removes what is as near to its end.
const WITNESS: Duration = Duration::from_secs(24 * 60 * 60);
const WITNESS_SHARE: u32 = 8;
/// With a retention time shorter than usual (a test, say) everything is faster by this share of it.
const SHARE: u32 = 24;

/// How long responses are kept.
///
/// Nothing is removed for an hour after the clock was set, nor after a start, unless the store has a witness: a clock that
/// is wrong for a moment, by sixty days say, would otherwise take all responses with it.
pub(super) struct Retention {
    keep: Duration,
    next: Instant,
    /// How long the clock must have run steadily.
    steady: Duration,
    /// Two clocks at the moment from which on they have agreed.
    steady_since: (SystemTime, Instant),
}

impl Retention {
    pub(super) fn new(keep: Duration, wall: SystemTime, now: Instant) -> Self {
        let steady = STEADY.min(keep / SHARE);
        Self { keep, next: now + EVERY.min(keep / SHARE), steady, steady_since: (wall, now) }
    }

    /// In which time, Unix milliseconds, a response must have been made to speak for the clock: long enough ago to be
    /// no work of a moment, and not so long ago that a clock gone astray would be believed.
    pub(super) fn witness(&self, wall: SystemTime) -> Option<Range<u64>> {
        let ms = |age: Duration| {
            let then = wall.duration_since(UNIX_EPOCH).ok()?.checked_sub(age)?;
            u64::try_from(then.as_millis()).ok()
        };
        Some(ms(WITNESS.min(self.keep / WITNESS_SHARE))?..ms(self.steady)?)
    }

    /// There is a witness, and nothing that was made later than now.
    pub(super) fn believe(&mut self, wall: SystemTime) {
        let chance = wall.duration_since(UNIX_EPOCH).map_or(0, |since| u64::from(since.subsec_micros()));
        let soon = SOON + Duration::from_secs(chance % SPREAD_S);
        self.steady = self.steady.min(soon);
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// What to remove: responses created before that many Unix milliseconds, and at most so many keys.
    pub(super) fn due(&mut self, wall: SystemTime, now: Instant) -> Option<(u64, usize)> {
        if now < self.next {
            return None;
        }
        self.next = now + EVERY.min(self.keep / SHARE);
        let (then, since) = self.steady_since;
        let expected = then + (now - since);
        let astray = wall.duration_since(expected).unwrap_or_else(|e| e.duration());
        if astray > ASTRAY {
            tracing::warn!(
                seconds = astray.as_secs(),
                "the clock was set; expired responses are not removed for an hour"
            );
            self.steady_since = (wall, now);
            self.steady = STEADY.min(self.keep / SHARE);
        }
        let (_, since) = self.steady_since;
        if now - since < self.steady {
            return None;
        }
        Some((self.cutoff(wall)?, KEYS))
    }

    /// Responses created before that many Unix milliseconds have expired.
    pub(super) fn cutoff(&self, wall: SystemTime) -> Option<u64> {
        let age = wall.duration_since(UNIX_EPOCH).ok()?.checked_sub(self.keep)?;
        u64::try_from(age.as_millis()).ok()
    }

    /// A sweep is over that removed so many keys.
    pub(super) fn swept(&mut self, keys: usize, begin: Instant, end: Instant) {
        if keys >= KEYS {
            self.next = end + (end - begin) * PAUSE;
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const HOUR: Duration = Duration::from_secs(60 * 60);

    fn wall() -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY
    }

    /// Looks for expired responses every minute for so long, while the clock is ahead by so much; tells the latest
    /// cutoff, in days.
    fn run(
        retention: &mut Retention,
        from: Instant,
        time: Duration,
        ahead: Duration,
    ) -> (Instant, Option<u64>) {
        let (mut now, mut cutoff) = (from, None);
        let (then, since) = (wall(), retention.steady_since.1);
        while now < from + time {
            now += EVERY;
            let elapsed = now.duration_since(since);
            cutoff = retention.due(then + elapsed + ahead, now).map(|(ms, _)| ms / 86_400_000).or(cutoff);
        }
        (now, cutoff)
    }

    #[test]
    fn nothing_is_removed_in_the_first_hour() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, wall(), start);
        let (now, none) = run(&mut retention, start, HOUR - EVERY, Duration::ZERO);
        assert_eq!(none, None);
        assert_eq!(run(&mut retention, now, EVERY, Duration::ZERO).1, Some(19_970));
    }

    #[test]
    fn with_a_witness_it_takes_minutes() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, wall(), start);
        let now_ms = 20_000 * 86_400_000;
        let witness = retention.witness(wall()).unwrap();
        assert_eq!(witness, now_ms - 86_400_000..now_ms - 3_600_000);
        retention.believe(wall());
        let (now, cutoff) = run(&mut retention, start, 6 * EVERY, Duration::ZERO);
        assert_eq!(cutoff, Some(19_970));
        // Who says that the clock was set is believed first.
        assert_eq!(run(&mut retention, now, 58 * EVERY, 60 * DAY).1, None);
    }

    #[test]
    fn a_clock_that_is_ahead_for_a_moment_removes_nothing() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, wall(), start);
        let (now, _) = run(&mut retention, start, 2 * HOUR, Duration::ZERO);
        let begin = retention.steady_since;
        let ahead = |retention: &mut Retention, now: Instant, by: Duration| {
            let cutoff = retention.due(begin.0 + now.duration_since(begin.1) + by, now);
            cutoff.map(|(ms, _)| ms / 86_400_000)
        };
        let mut now = now;
        for _ in 0..59 {
            now += EVERY;
            assert_eq!(ahead(&mut retention, now, 60 * DAY), None);
        }
        // Back again: that, too, is a clock that was set.
        for _ in 0..60 {
            now += EVERY;
            assert_eq!(ahead(&mut retention, now, Duration::ZERO), None);
        }
        now += EVERY;
        assert_eq!(ahead(&mut retention, now, Duration::ZERO), Some(19_970));
        // Small corrections are no matter.
        now += EVERY;
        assert_eq!(ahead(&mut retention, now, Duration::from_secs(5)), Some(19_970));
    }

    #[test]
    fn a_clock_that_stays_ahead_is_believed_after_an_hour() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, wall() - 60 * DAY, start);
        let (now, none) = run(&mut retention, start, HOUR, Duration::ZERO);
        assert_eq!(none, None);
        assert_eq!(run(&mut retention, now, 2 * EVERY, Duration::ZERO).1, Some(19_970));
    }

    #[test]
    fn a_clock_before_its_time_removes_nothing() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, UNIX_EPOCH + DAY, start);
        assert_eq!(retention.due(UNIX_EPOCH + DAY + 2 * HOUR, start + 2 * HOUR), None);
    }

    #[test]
    fn a_full_sweep_is_soon_followed_by_another() {
        let start = Instant::now();
        let mut retention = Retention::new(30 * DAY, wall(), start);
        let begin = start + 2 * HOUR;
        let took = Duration::from_millis(10);
        assert!(retention.due(wall() + 2 * HOUR, begin).is_some());
        retention.swept(KEYS - 1, begin, begin + took);
        assert_eq!(retention.next(), begin + EVERY);
        retention.swept(KEYS, begin, begin + took);
        assert_eq!(retention.next(), begin + took + took * PAUSE);
    }
}
