//! How long a server that failed is left alone.

use std::time::{Duration, Instant};

use super::McpError;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The last failure, which is the answer to all requests until its time is over.
#[derive(Default)]
pub(super) struct Backoff {
    times: u32,
    last: Option<(McpError, Instant)>,
}

impl Backoff {
    /// The last error, if it is too early to try again.
    pub(super) fn holds(&self, now: Instant) -> Option<McpError> {
        let (error, until) = self.last.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    pub(super) fn failed(&mut self, error: McpError, now: Instant) {
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.times)).min(LONGEST);
        self.times = self.times.saturating_add(1);
        // So that many nodes do not come back at the same time.
        self.last = Some((error, now + pause.mul_f64(fastrand::f64().mul_add(0.5, 0.5))));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_stands_for_a_pause_that_doubles() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert_eq!(backoff.holds(now), None);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.failed(McpError::Broken, now);
            let pause = Duration::from_secs(pause);
            assert_eq!(backoff.holds(now + pause.mul_f64(0.49)), Some(McpError::Broken), "{pause:?}");
            assert_eq!(backoff.holds(now + pause), None, "{pause:?}");
        }
    }

    #[test]
    fn a_success_forgets_the_failures() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..100 {
            backoff.failed(McpError::Broken, now);
        }
        backoff.clear();
        assert_eq!(backoff.holds(now), None);
        backoff.failed(McpError::Broken, now);
        assert_eq!(backoff.holds(now + FIRST), None);
    }
}
