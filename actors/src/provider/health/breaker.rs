//! When a target is left alone: after failures in a row, for a while; then one call tries it again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many failures open it, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerRules {
    /// In a row; 0: it never opens.
    pub failures: u32,
    /// The first time; doubled each time that the call which tries the provider again fails.
    pub open: Duration,
    /// The longest.
    pub max_open: Duration,
}

/// What a breaker says of its target. The numbers are those of the metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BreakerState {
    /// It is asked.
    Closed = 0,
    /// One call tries it again.
    HalfOpen = 1,
    /// It is passed over where there is another.
    Open = 2,
}

/// The breaker of one target: a model of a provider. Shared by all workers; times are milliseconds of [`now`](super::clock::now).
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Of the target, as its provider knows it, or `other`.
    model: Box<str>,
    rules: BreakerRules,
    /// Nothing has failed lately. As long as that is so, nobody takes the lock.
    calm: AtomicBool,
    inner: Mutex<Inner>,
}

/// The breakers of one provider: one for each model that the configuration or the adapter names, one for all others. The
/// names that clients may invent are no bound.
#[derive(Debug)]
pub struct Breakers {
    named: BTreeMap<Box<str>, Arc<Breaker>>,
    other: Arc<Breaker>,
}

impl Breakers {
    /// `models`: as the provider knows them.
    pub fn new<'a>(models: impl IntoIterator<Item = &'a str>, rules: BreakerRules) -> Self {
        let named = models.into_iter().map(|model| (model.into(), Arc::new(Breaker::new(model, rules))));
        Self { named: named.collect(), other: Arc::new(Breaker::new("other", rules)) }
    }

    /// That of a model.
    pub(crate) fn of(&self, model: &str) -> &Arc<Breaker> {
        self.named.get(model).unwrap_or(&self.other)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Inner {
    /// In a row.
    failures: u32,
    /// When it may be tried again, if it is open.
    open_until: Option<u64>,
    /// How often it has opened in a row.
    openings: u32,
    /// When the call began that tries the provider. One of which nothing is heard is forgotten after a while.
    probing_since: Option<u64>,
}

impl Breaker {
    /// A closed one. `model`: of the target, as its provider knows it, or `other` for one of many that share it.
    pub(crate) fn new(model: &str, rules: BreakerRules) -> Self {
        Self { model: model.into(), rules, calm: AtomicBool::new(true), inner: Mutex::default() }
    }

    /// The model, for metrics and logs.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in there can be half-changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Milliseconds until a call may be made; 0: now. A call that tries an open one again keeps others away.
    pub(crate) fn free_in(&self, now: u64) -> u64 {
        if self.is_calm() {
            return 0;
        }
        let inner = *self.inner();
        let Some(until) = inner.open_until else { return 0 };
        let probe = inner.probing_since.map_or(0, |since| since.saturating_add(self.open_ms(inner.openings)));
        until.max(probe).saturating_sub(now)
    }

    /// A call begins. Answers with the state if that has changed: it tries an open one.
    pub(crate) fn begins(&self, now: u64) -> Option<BreakerState> {
        if self.is_calm() {
            return None;
        }
        let mut inner = self.inner();
        // Before its time it is asked only where there is nobody else, which says nothing if it fails.
        inner.open_until.filter(|until| *until <= now)?;
        inner.probing_since = Some(now);
        Some(BreakerState::HalfOpen)
    }

    /// A call has begun to answer: an open breaker closes. Failures in a row are forgotten only when an answer came
    /// to its end, or a provider whose streams all break would never be left alone.
    pub(crate) fn answers(&self) -> Option<BreakerState> {
        if self.is_calm() {
            return None;
        }
        let mut inner = self.inner();
        inner.open_until?;
        let failures = inner.failures.min(self.rules.failures.saturating_sub(1));
        *inner = Inner { failures, openings: inner.openings, ..Inner::default() };
        Some(BreakerState::Closed)
    }

    /// An answer came to its end.
    pub(crate) fn succeeded(&self) {
        if !self.is_calm() {
            let mut inner = self.inner();
            if inner.open_until.is_none() {
                *inner = Inner::default();
                self.calm.store(true, Ordering::Relaxed);
            }
        }
    }

    /// A call failed by the provider's fault. Answers with the state if that has changed.
    pub(crate) fn failed(&self, now: u64) -> Option<BreakerState> {
        if self.rules.failures == 0 {
            return None;
        }
        let mut inner = self.inner();
        self.calm.store(false, Ordering::Relaxed);
        inner.failures = inner.failures.saturating_add(1);
        let probed = inner.probing_since.take().is_some();
        let is_open = inner.open_until.is_some();
        // Calls that had begun before it opened change nothing.
        if inner.failures < self.rules.failures || is_open && !probed {
            return None;
        }
        inner.openings = inner.openings.saturating_add(1);
        inner.open_until = Some(now.saturating_add(self.open_ms(inner.openings)));
        Some(BreakerState::Open)
    }

    /// How long it stays open the time with this number, counted from 1.
    fn open_ms(&self, openings: u32) -> u64 {
        let time = self.rules.open.saturating_mul(2_u32.saturating_pow(openings.saturating_sub(1)));
        u64::try_from(time.min(self.rules.max_open).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::BreakerState::{Closed, HalfOpen, Open};
    use super::*;

    const RULES: BreakerRules =
        BreakerRules { failures: 3, open: Duration::from_secs(10), max_open: Duration::from_secs(25) };

    fn opened() -> Breaker {
        let breaker = Breaker::new("m", RULES);
        assert_eq!([0, 1, 2].map(|now| breaker.failed(now)), [None, None, Some(Open)]);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it() {
        let breaker = Breaker::new("m", RULES);
        for now in 0..10 {
            assert_eq!((breaker.failed(now), breaker.failed(now)), (None, None));
            breaker.answers();
            breaker.succeeded();
        }
        assert_eq!(breaker.free_in(10), 0);
        assert_eq!(opened().free_in(2), 10_000);
    }

    #[test]
    fn one_call_tries_it_again_and_closes_it() {
        let breaker = opened();
        assert_eq!(breaker.free_in(10_002), 0);
        assert_eq!(breaker.begins(10_002), Some(HalfOpen));
        assert!(breaker.free_in(10_003) > 0, "others wait for what comes of it");
        assert_eq!(breaker.answers(), Some(Closed));
        assert_eq!(breaker.free_in(10_004), 0);
        breaker.succeeded();
        assert_eq!((breaker.failed(10_005), breaker.failed(10_005)), (None, None));
    }

    #[test]
    fn each_failed_trial_doubles_the_time() {
        let breaker = opened();
        for (now, want) in [(10_002, 20_000), (30_002, 25_000), (60_000, 25_000)] {
            assert_eq!((breaker.begins(now), breaker.failed(now)), (Some(HalfOpen), Some(Open)));
            assert_eq!(breaker.free_in(now), want);
        }
    }

    #[test]
    fn a_call_before_its_time_changes_something_only_if_it_succeeds() {
        let breaker = opened();
        assert_eq!(
            (breaker.begins(5_000), breaker.failed(5_000), breaker.free_in(5_000)),
            (None, None, 5_002)
        );
        assert_eq!((breaker.begins(6_000), breaker.answers()), (None, Some(Closed)));
    }

    #[test]
    fn a_trial_of_which_nothing_is_heard_keeps_others_away_for_a_while_only() {
        let breaker = opened();
        breaker.begins(10_002);
        assert_eq!(breaker.free_in(20_002), 0);
    }

    #[test]
    fn streams_that_begin_and_break_open_it() {
        let breaker = Breaker::new("m", RULES);
        for (now, want) in [(0, None), (1, None), (2, Some(Open))] {
            assert_eq!((breaker.answers(), breaker.failed(now)), (None, want));
        }
    }

    #[test]
    fn it_can_be_switched_off() {
        let breaker = Breaker::new("m", BreakerRules { failures: 0, ..RULES });
        assert!((0..100).all(|now| breaker.failed(now).is_none() && breaker.free_in(now) == 0));
    }

    proptest! {
        /// Whatever happens in whatever order, it is free again after its longest time.
        #[test]
        fn it_never_stays_open(events in proptest::collection::vec((0_u8..4, 0_u64..40_000), 0..60)) {
            let breaker = Breaker::new("m", RULES);
            let mut now = 0;
            for (event, later) in events {
                now += later;
                match event {
                    0 => { breaker.begins(now); }
                    1 => { breaker.answers(); }
                    2 => breaker.succeeded(),
                    _ => { breaker.failed(now); }
                }
                prop_assert!(breaker.free_in(now) <= 25_000);
                prop_assert_eq!(breaker.free_in(now + 25_000), 0);
            }
        }
    }
}
