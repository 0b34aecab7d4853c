//! When an event is sent again, and when it is given up. Time and chance come in as arguments.

use std::time::Duration;

/// Each pause is so many times the one before.
const GROWTH: u32 = 3;
/// The longest one.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);
/// An endpoint that fails is asked at most so often, however many events wait for it: first, and at last.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How patient the server is.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Pause behind the first try, at most; it has a random part.
    pub first_pause: Duration,
    /// An event that is older is given up.
    pub give_up_after: Duration,
}

impl Schedule {
    /// When to send an event again that was sent in vain `tries` times, this one included, and not before the pause that
    /// its endpoint asked for; `None`: never. All times are Unix milliseconds; `chance` is from 0 to 1.
    pub(crate) fn again(
        &self,
        created_ms: u64,
        tries: u32,
        now_ms: u64,
        asked: Duration,
        chance: f64,
    ) -> Option<u64> {
        let grown = GROWTH.saturating_pow(tries.saturating_sub(1));
        let pause = self.first_pause.saturating_mul(grown).min(LONGEST);
        let pause = jittered(pause, chance).max(asked.min(LONGEST));
        let at = now_ms.saturating_add(millis(pause));
        (at <= created_ms.saturating_add(millis(self.give_up_after))).then_some(at)
    }

    /// Whether an event is too old to be sent once more.
    pub(crate) fn is_over(&self, created_ms: u64, now_ms: u64) -> bool {
        now_ms > created_ms.saturating_add(millis(self.give_up_after))
    }
}

/// How long an endpoint is left alone that has failed so many times in a row, and asked for a pause.
pub(crate) fn rest(failures: u32, asked: Duration, chance: f64) -> Duration {
    let grown = 2_u32.saturating_pow(failures.saturating_sub(1));
    jittered(REST.saturating_mul(grown).min(LONGEST_REST), chance).max(asked.min(LONGEST))
}

/// At least half of it, so that what failed together does not come back together.
fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(chance.mul_add(0.5, 0.5))
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const NONE: Duration = Duration::ZERO;
    const SCHEDULE: Schedule = Schedule { first_pause: Duration::from_secs(5), give_up_after: DAY };

    #[test]
    fn pauses_grow_up_to_hours_and_end_with_a_day() {
        let (mut now, mut pauses) = (0, Vec::new());
        while let Some(at) = SCHEDULE.again(0, u32::try_from(pauses.len()).unwrap() + 1, now, NONE, 1.0) {
            pauses.push((at - now) / 1000);
            now = at;
        }
        assert_eq!(pauses, [5, 15, 45, 135, 405, 1215, 3645, 10_935, 14_400, 14_400, 14_400, 14_400]);
        assert!(!SCHEDULE.is_over(0, now) && SCHEDULE.is_over(0, millis(DAY) + 1));
    }

    #[test]
    fn chance_takes_half_of_a_pause_at_most() {
        assert_eq!(SCHEDULE.again(0, 1, 100, NONE, 0.0), Some(2600));
        assert_eq!(SCHEDULE.again(0, u32::MAX, 0, NONE, 0.0), Some(2 * 60 * 60 * 1000));
    }

    #[test]
    fn an_endpoint_rests_no_longer_than_its_events() {
        for failures in 1..40 {
            let again = SCHEDULE.again(0, failures, 0, NONE, 0.0).unwrap();
            assert!(millis(rest(failures, NONE, 1.0)) <= again, "{failures}");
        }
        assert_eq!(rest(u32::MAX, NONE, 1.0), LONGEST_REST);
    }

    #[test]
    fn the_pause_that_an_endpoint_asks_for_makes_it_longer_up_to_hours() {
        let minutes = Duration::from_secs(600);
        assert_eq!(SCHEDULE.again(0, 1, 0, minutes, 1.0), Some(600_000));
        assert_eq!(SCHEDULE.again(0, 1, 0, Duration::from_secs(1), 1.0), Some(5000));
        assert_eq!(SCHEDULE.again(0, 1, 0, Duration::MAX, 1.0), Some(millis(LONGEST)));
        assert_eq!([rest(1, minutes, 1.0), rest(1, Duration::MAX, 1.0)], [minutes, LONGEST]);
    }
}
