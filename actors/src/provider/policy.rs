//! What follows from a failed call of a provider: one rule for all who ask.

use std::time::Duration;

use or_adapters::{AdapterError, UpstreamErrorKind};

use super::error::SampleError;

/// Before the next look whether a full provider has a place.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A silence that was longer has cost too much to be tried again.
const SHORT_SILENCE_S: u64 = 60;

/// How patient the caller is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often a call may be made again at one target.
    pub(crate) retries: u32,
    /// The pause before the first; doubled for each further one.
    pub(crate) first: Duration,
    /// The longest pause.
    pub(crate) delay: Duration,
    /// Whether a place among the provider's running calls is waited for.
    pub(crate) waits_for_place: bool,
    /// Whether the provider has another key, which does not rest.
    pub(crate) other_key: bool,
    /// A random number from 0 to 1: so much of half a pause is left out, so that those who failed together do not
    /// come back together.
    pub(crate) chance: f64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Ask the same provider again after a pause. `counts`: whether it uses up a retry.
    Again { after: Duration, counts: bool },
    /// This provider will not do it; another one may.
    Next,
    /// Nobody will do better: the fault is ours, or the time is over.
    Stop,
}

/// What follows from a call that failed before anything came of it.
///
/// `retries`: how often it was made again already. `left`: how long the whole response may still take.
pub(crate) fn after(error: &SampleError, retries: u32, left: Duration, patience: Patience) -> Verdict {
    let (after, counts) = match cause(error) {
        Cause::Ours => return Verdict::Stop,
        Cause::Full if patience.waits_for_place => (LOOK_AGAIN, false),
        Cause::Full => return Verdict::Next,
        Cause::Passing(_) | Cause::Key(_) if retries >= patience.retries => return Verdict::Next,
        Cause::Key(_) if patience.other_key => (Duration::ZERO, true),
        Cause::Lasting | Cause::Key(Key::Refused) => return Verdict::Next,
        // A provider that wants more patience than there is will not be asked again.
        Cause::Passing(Some(named)) | Cause::Key(Key::Limited(Some(named))) if named > patience.delay => {
            return Verdict::Next;
        }
        Cause::Passing(Some(named)) | Cause::Key(Key::Limited(Some(named))) => (named, true),
        Cause::Passing(None) | Cause::Key(Key::Limited(None)) => {
            let pause = patience.first.saturating_mul(2_u32.saturating_pow(retries)).min(patience.delay);
            (pause.mul_f64(1.0 - patience.chance.clamp(0.0, 1.0) / 2.0), true)
        }
    };
    match (after < left, left.is_zero()) {
        (true, _) => Verdict::Again { after, counts },
        (false, true) => Verdict::Stop,
        (false, false) => Verdict::Next,
    }
}

/// What a failure says about the next try.
enum Cause {
    /// Our own limit on the provider.
    Full,
    /// It may be gone in a moment; with the time that the provider named.
    Passing(Option<Duration>),
    /// The key will not do; another one may.
    Key(Key),
    /// This provider will say the same again.
    Lasting,
    /// Whoever is asked makes no difference.
    Ours,
}

/// What is wrong with a key.
enum Key {
    /// For a while, which the provider may have named.
    Limited(Option<Duration>),
    Refused,
}

fn cause(error: &SampleError) -> Cause {
    match error {
        SampleError::Busy(_) => Cause::Full,
        SampleError::Unreachable(_)
        | SampleError::Broken(_)
        | SampleError::Adapter(AdapterError::Truncated { .. }) => Cause::Passing(None),
        SampleError::Silent(seconds) if *seconds <= SHORT_SILENCE_S => Cause::Passing(None),
        SampleError::Adapter(AdapterError::Upstream(error)) => {
            let named = error.retry_after_s.map(Duration::from_secs);
            match (error.kind, error.retryable()) {
                (UpstreamErrorKind::RateLimit, _) => Cause::Key(Key::Limited(named)),
                (UpstreamErrorKind::Auth | UpstreamErrorKind::Quota, _) => Cause::Key(Key::Refused),
                (_, true) => Cause::Passing(named),
                (_, false) => Cause::Lasting,
            }
        }
        SampleError::Silent(_)
        | SampleError::NoAnswer(_)
        | SampleError::TooLarge(_)
        | SampleError::Adapter(
            AdapterError::BadFrame { .. }
            | AdapterError::Unsupported { .. }
            | AdapterError::NotHonoured { .. },
        ) => Cause::Lasting,
        SampleError::Panicked | SampleError::Gone => Cause::Ours,
    }
}

/// Whether the provider itself is in trouble, and not the request, the key or this server.
pub(crate) fn is_outage(error: &SampleError) -> bool {
    match error {
        SampleError::Unreachable(_)
        | SampleError::Broken(_)
        | SampleError::Silent(_)
        | SampleError::NoAnswer(_)
        | SampleError::Adapter(AdapterError::Truncated { .. } | AdapterError::BadFrame { .. }) => true,
        SampleError::Adapter(AdapterError::Upstream(error)) => match error.kind {
            UpstreamErrorKind::Overloaded | UpstreamErrorKind::Server | UpstreamErrorKind::Timeout => true,
            UpstreamErrorKind::InvalidRequest
            | UpstreamErrorKind::ContextLength
            | UpstreamErrorKind::ModelNotFound
            | UpstreamErrorKind::Auth
            | UpstreamErrorKind::Quota
            | UpstreamErrorKind::RateLimit
            | UpstreamErrorKind::TooLarge
            | UpstreamErrorKind::ContentFilter => false,
        },
        SampleError::Adapter(AdapterError::Unsupported { .. } | AdapterError::NotHonoured { .. })
        | SampleError::TooLarge(_)
        | SampleError::Busy(_)
        | SampleError::Panicked
        | SampleError::Gone => false,
    }
}

/// How much an error says to the client, when all targets have failed: what is wrong with the request before when to
/// come again, and that before all others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Says {
    Little,
    ComeAgain,
    WhatIsWrong,
}

impl Says {
    pub(crate) fn of(error: &SampleError) -> Self {
        match error {
            SampleError::Busy(_) => Self::ComeAgain,
            SampleError::Adapter(AdapterError::Unsupported { .. } | AdapterError::NotHonoured { .. }) => {
                Self::WhatIsWrong
            }
            SampleError::Adapter(AdapterError::Upstream(error)) => match error.kind {
                UpstreamErrorKind::InvalidRequest
                | UpstreamErrorKind::ContextLength
                | UpstreamErrorKind::TooLarge
                | UpstreamErrorKind::ContentFilter => Self::WhatIsWrong,
                UpstreamErrorKind::RateLimit | UpstreamErrorKind::Overloaded => Self::ComeAgain,
                UpstreamErrorKind::ModelNotFound
                | UpstreamErrorKind::Auth
                | UpstreamErrorKind::Quota
                | UpstreamErrorKind::Server
                | UpstreamErrorKind::Timeout => Self::Little,
            },
            SampleError::Adapter(AdapterError::BadFrame { .. } | AdapterError::Truncated { .. })
            | SampleError::Unreachable(_)
            | SampleError::Broken(_)
            | SampleError::NoAnswer(_)
            | SampleError::Silent(_)
            | SampleError::TooLarge(_)
            | SampleError::Panicked
            | SampleError::Gone => Self::Little,
        }
    }
}

#[cfg(test)]
mod tests {
    use or_adapters::UpstreamError;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience {
        retries: 3,
        first: Duration::from_secs(1),
        delay: Duration::from_secs(8),
        waits_for_place: true,
        other_key: false,
        chance: 0.0,
    };
    const LONG: Duration = Duration::from_secs(3600);

    fn status(status: u16, retry_after_s: Option<u64>) -> SampleError {
        AdapterError::Upstream(UpstreamError::of_status(status, retry_after_s)).into()
    }

    fn again(seconds: u64) -> Verdict {
        Verdict::Again { after: Duration::from_secs(seconds), counts: true }
    }

    #[track_caller]
    fn check(error: &SampleError, retries: u32, want: Verdict) {
        assert_eq!(after(error, retries, LONG, PATIENCE), want, "{error:?}");
    }

    #[test]
    fn what_may_pass_is_tried_again_with_growing_pauses() {
        let broken = SampleError::Broken("reset".into());
        for (retries, want) in [(0, again(1)), (1, again(2)), (2, again(4)), (3, Verdict::Next)] {
            check(&broken, retries, want);
        }
        for code in [408, 409, 429, 500, 502, 503, 504, 529] {
            check(&status(code, None), 0, again(1));
        }
        check(&SampleError::Unreachable("refused".into()), 0, again(1));
        check(&SampleError::Silent(10), 0, again(1));
    }

    #[test]
    fn a_pause_is_shorter_by_chance_and_a_time_that_was_named_is_not() {
        let patience = Patience { chance: 1.0, ..PATIENCE };
        let got = after(&status(500, None), 1, LONG, patience);
        assert_eq!(got, Verdict::Again { after: Duration::from_secs(1), counts: true });
        assert_eq!(after(&status(500, Some(2)), 1, LONG, patience), again(2));
    }

    #[test]
    fn another_key_is_tried_at_once() {
        let patience = Patience { other_key: true, ..PATIENCE };
        for code in [401, 402, 403, 429] {
            assert_eq!(after(&status(code, Some(3600)), 0, LONG, patience), again(0), "{code}");
            assert_eq!(after(&status(code, None), 3, LONG, patience), Verdict::Next, "{code}");
        }
    }

    #[test]
    fn the_provider_is_to_blame_for_what_it_cannot_do_and_not_for_what_it_refuses() {
        for code in [408, 500, 503, 529] {
            assert!(is_outage(&status(code, None)), "{code}");
        }
        for code in [400, 401, 402, 403, 413, 429] {
            assert!(!is_outage(&status(code, None)), "{code}");
        }
    }

    #[test]
    fn what_is_wrong_says_more_than_when_to_come_again() {
        let says = |code| Says::of(&status(code, None));
        assert!(says(400) > says(429) && says(429) > says(500) && says(529) > says(401));
    }

    #[test]
    fn a_time_that_the_provider_names_counts_if_there_is_patience_for_it() {
        check(&status(429, Some(8)), 0, again(8));
        check(&status(429, Some(9)), 0, Verdict::Next);
    }

    #[test]
    fn what_lasts_is_for_another_provider_and_what_is_ours_for_nobody() {
        for code in [400, 401, 402, 403, 404, 413] {
            check(&status(code, None), 0, Verdict::Next);
        }
        check(&SampleError::Silent(600), 0, Verdict::Next);
        check(&SampleError::Panicked, 0, Verdict::Stop);
    }

    #[test]
    fn a_full_provider_is_waited_for_however_often() {
        let turn = Verdict::Again { after: LOOK_AGAIN, counts: false };
        check(&SampleError::Busy(1), 100, turn);
        let hurried = Patience { waits_for_place: false, ..PATIENCE };
        assert_eq!(after(&SampleError::Busy(1), 0, LONG, hurried), Verdict::Next);
    }

    fn errors() -> impl Strategy<Value = SampleError> {
        let statuses = (400_u16..600, proptest::option::of(0_u64..100_000));
        prop_oneof![
            statuses.prop_map(|(code, wait)| status(code, wait)),
            Just(SampleError::Broken(String::new())),
            Just(SampleError::Unreachable(String::new())),
            Just(SampleError::Busy(1)),
            Just(SampleError::Silent(1)),
            Just(SampleError::NoAnswer(String::new())),
            Just(SampleError::TooLarge(1)),
            Just(SampleError::Panicked),
            Just(SampleError::Gone),
            Just(SampleError::Adapter(AdapterError::Truncated { provider: "x" })),
        ]
    }

    proptest! {
        /// However a call fails, it is made again a bounded number of times, after bounded pauses, and never when
        /// the response is over by then.
        #[test]
        fn retries_end(
            error in errors(),
            retries in any::<u32>(),
            left in 0_u64..10_000,
            most in 0_u32..100,
            delay in 0_u64..1000,
            chance in 0.0..1.0,
            other_key in any::<bool>(),
        ) {
            let delay = Duration::from_secs(delay);
            let patience = Patience { retries: most, delay, chance, other_key, ..PATIENCE };
            let left = Duration::from_secs(left);
            match after(&error, retries, left, patience) {
                Verdict::Again { after, counts } => {
                    prop_assert!(after < left);
                    prop_assert!(!counts || (retries < most && after <= patience.delay));
                    prop_assert_eq!(counts, !matches!(error, SampleError::Busy(_)));
                }
                Verdict::Stop => {
                    prop_assert!(left.is_zero() || matches!(error, SampleError::Panicked | SampleError::Gone));
                }
                Verdict::Next => {}
            }
        }

        /// Who has more patience does not give up earlier.
        #[test]
        fn patience_is_never_worse(error in errors(), retries in 0_u32..20, delay in 0_u64..100) {
            let less = Patience { retries: 10, delay: Duration::from_secs(delay), ..PATIENCE };
            let more = Patience { retries: 11, delay: Duration::from_secs(delay + 1), ..PATIENCE };
            let is_again = |patience| matches!(after(&error, retries, LONG, patience), Verdict::Again { .. });
            prop_assert!(!is_again(less) || is_again(more));
        }
    }
}
