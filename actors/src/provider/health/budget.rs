//! How many calls of a route may be made again, so that an outage is not multiplied.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// One call.
const CALL: i64 = 100;
/// The time in which the floor comes back, in milliseconds.
const PERIOD: u64 = 10_000;
/// Calls that can be saved up by requests that went well, beyond the floor.
const SAVED: i64 = 100;

/// Calls that may be made again: a share of the requests, and a few in any case. Shared by all workers.
///
/// A bucket: each request puts a share of a call in, each call made again takes one out, and the floor flows in with time.
#[derive(Debug)]
pub struct RetryBudget {
    /// Hundredths of a call for each request.
    percent: i64,
    /// Calls in a period.
    floor: i64,
    /// In hundredths of a call.
    left: AtomicI64,
    /// When the floor flowed in last, in milliseconds of [`now`](super::clock::now).
    filled: AtomicU64,
}

impl RetryBudget {
    /// `percent`: calls made again, of a hundred requests. `floor`: calls in 10 s that are allowed whatever that comes to.
    pub fn new(percent: u32, floor: u32) -> Self {
        let floor = i64::from(floor);
        Self {
            percent: i64::from(percent),
            floor,
            left: AtomicI64::new(floor.saturating_mul(CALL)),
            filled: AtomicU64::new(0),
        }
    }

    /// A request begins.
    pub(crate) fn earn(&self) {
        let most = (self.floor + SAVED).saturating_mul(CALL);
        // It is full as long as all goes well.
        if self.percent > 0 && self.left.load(Ordering::Relaxed) < most {
            self.left.fetch_add(self.percent, Ordering::Relaxed);
        }
    }

    /// Takes out a call, if there is one.
    pub(crate) fn spend(&self, now: u64) -> bool {
        self.fill(now);
        let less = |left: i64| (left >= CALL).then(|| left - CALL);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Takes out a call that is made in any case; what is not there is not owed.
    pub(crate) fn take(&self, now: u64) {
        let _ = self.spend(now);
    }

    /// Lets in what of the floor has come since the last time. Time that is too short for a hundredth stays.
    fn fill(&self, now: u64) {
        let before = self.filled.load(Ordering::Relaxed);
        let passed = i64::try_from(now.saturating_sub(before).min(PERIOD)).unwrap_or_default();
        let more = self.floor.saturating_mul(CALL).saturating_mul(passed) / PERIOD as i64;
        let taken = more > 0
            && self.filled.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if taken {
            let most = self.floor.saturating_mul(CALL);
            // The floor alone never makes more than the floor.
            let fuller = |left: i64| Some(left.saturating_add(more).min(most).max(left));
            let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fuller);
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    fn spend_all(budget: &RetryBudget, now: u64) -> usize {
        (0..10_000).take_while(|_| budget.spend(now)).count()
    }

    #[test]
    fn the_floor_is_there_at_first_and_comes_back_with_time() {
        let budget = RetryBudget::new(0, 10);
        assert_eq!(spend_all(&budget, 0), 10);
        assert_eq!(spend_all(&budget, 5_000), 5);
        assert_eq!(spend_all(&budget, 1_000_000), 10);
    }

    #[test]
    fn requests_earn_their_share() {
        let budget = RetryBudget::new(20, 0);
        (0..50).for_each(|_| budget.earn());
        assert_eq!(spend_all(&budget, 0), 10);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(spend_all(&budget, 0), SAVED as usize);
    }

    proptest! {
        /// However requests and failures come, no more calls are made again than the share and the floor allow.
        #[test]
        fn it_is_never_overdrawn(
            percent in 0_u32..200,
            floor in 0_u32..20,
            events in proptest::collection::vec((any::<bool>(), 0_u64..3_000), 0..200),
        ) {
            let budget = RetryBudget::new(percent, floor);
            let (mut now, mut requests, mut spent) = (0, 0_u64, 0_u64);
            for (request, later) in events {
                now += later;
                match request {
                    true => { budget.earn(); requests += 1; }
                    false => spent += u64::from(budget.spend(now)),
                }
                let floors = u64::from(floor) * (now + PERIOD);
                prop_assert!(spent * PERIOD * 100 <= floors * 100 + requests * u64::from(percent) * PERIOD);
            }
        }
    }
}
