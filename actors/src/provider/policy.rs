//! What follows from a failed call of a provider: one rule for all who ask.

use std::time::Duration;

use or_adapters::AdapterError;

use super::error::SampleError;

/// Before the first retry of a call that named no time; doubled for each further one.
const CALL_AGAIN: Duration = Duration::from_secs(1);

/// How patient the caller is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often a call may be made again.
    pub(crate) retries: u32,
    /// The longest pause before that.
    pub(crate) delay: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Ask the same provider again after a pause. `counts`: whether it uses up a retry.
    Again { after: Duration, counts: bool },
    /// This provider will not do it; another one may.
    Next,
    /// Nobody will do better: the request is wrong, or the fault is ours.
    Stop,
}

/// What follows from a call that failed before anything came of it.
///
/// `retries`: how often it was made again already. `left`: how long the whole response may still take.
pub(crate) fn after(error: &SampleError, retries: u32, left: Duration, patience: Patience) -> Verdict {
    let (after, counts) = match cause(error) {
        Cause::Ours => return Verdict::Stop,
        Cause::Lasting => return Verdict::Next,
        Cause::Full => (CALL_AGAIN, false),
        Cause::Passing(_) if retries >= patience.retries => return Verdict::Next,
        // A provider that wants more patience than there is will not be asked again.
        Cause::Passing(Some(named)) if named > patience.delay => return Verdict::Next,
        Cause::Passing(Some(named)) => (named, true),
        Cause::Passing(None) => {
            (CALL_AGAIN.saturating_mul(2_u32.saturating_pow(retries)).min(patience.delay), true)
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
    /// Our own limit on the provider: its turn comes, however long that takes.
    Full,
    /// It may be gone in a moment; with the time that the provider named.
    Passing(Option<Duration>),
    /// This provider will say the same again.
    Lasting,
    /// Whoever is asked makes no difference.
    Ours,
}

fn cause(error: &SampleError) -> Cause {
    match error {
        SampleError::Busy(_) => Cause::Full,
        SampleError::Unreachable(_)
        | SampleError::Broken(_)
        | SampleError::Adapter(AdapterError::Truncated { .. }) => Cause::Passing(None),
        SampleError::Adapter(AdapterError::Upstream(error)) if error.retryable() => {
            Cause::Passing(error.retry_after_s.map(Duration::from_secs))
        }
        // A silence has cost minutes already.
        SampleError::Silent(_)
        | SampleError::NoAnswer(_)
        | SampleError::TooLarge(_)
        | SampleError::Adapter(
            AdapterError::Upstream(_)
            | AdapterError::BadFrame { .. }
            | AdapterError::Unsupported { .. }
            | AdapterError::NotHonoured { .. },
        ) => Cause::Lasting,
        SampleError::Panicked | SampleError::Gone => Cause::Ours,
    }
}

#[cfg(test)]
mod tests {
    use or_adapters::UpstreamError;
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Patience = Patience { retries: 3, delay: Duration::from_secs(8) };
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
        for (code, want) in
            [(429, again(1)), (500, again(1)), (503, again(1)), (504, again(1)), (529, again(1))]
        {
            check(&status(code, None), 0, want);
        }
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
        let turn = Verdict::Again { after: CALL_AGAIN, counts: false };
        check(&SampleError::Busy(1), 100, turn);
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
        ) {
            let patience = Patience { retries: most, delay: Duration::from_secs(delay) };
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
            let less = Patience { retries: 10, delay: Duration::from_secs(delay) };
            let more = Patience { retries: 11, delay: Duration::from_secs(delay + 1) };
            let is_again = |patience| matches!(after(&error, retries, LONG, patience), Verdict::Again { .. });
            prop_assert!(!is_again(less) || is_again(more));
        }
    }
}
