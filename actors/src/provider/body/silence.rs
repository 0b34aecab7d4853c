//! How long a stream may go on without giving anything.
//!
//! Two limits, because hosts say in different ways that they are at work:
//!
//! - **idle**: no frame and no part of one. Comments are no frames, so they do not keep a stream alive.
//! - **patience**: frames, but none of which anything comes. Pings and empty pieces are what some hosts send while a
//!   model thinks, which may take as long as the first byte of an answer may take, and no longer.
//!
//! Until the first event, comments are what hosts send that queue or think, and only patience counts.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// The limits on waiting of one stream. The timer itself is armed only when it runs out, because arming one for each
/// read costs more than the read.
pub(super) struct Silence {
    idle: Duration,
    patience: Duration,
    /// Waited since something of a frame came.
    quiet: Duration,
    /// Waited since something came of a frame.
    in_vain: Duration,
    begun: bool,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    pub(super) fn new(idle: Duration, first: Duration) -> Self {
        Self {
            idle,
            patience: first,
            quiet: Duration::ZERO,
            in_vain: Duration::ZERO,
            begun: false,
            since: Instant::now(),
            timer: Box::pin(sleep(first)),
        }
    }

    /// Waiting begins: while the loop is the slow side, no time passes.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
        // A shorter limit than the armed one would come too late.
        let end = self.since + self.left();
        if end < self.timer.deadline() {
            self.timer.as_mut().reset(end);
        }
    }

    /// Waiting is over: something came.
    pub(super) fn end(&mut self) {
        let waited = self.since.elapsed();
        self.quiet += waited;
        self.in_vain += waited;
    }

    /// What came was part of a frame.
    pub(super) fn came_to_life(&mut self) {
        self.quiet = Duration::ZERO;
    }

    /// Something came of what came.
    pub(super) fn came_to_something(&mut self) {
        (self.quiet, self.in_vain) = (Duration::ZERO, Duration::ZERO);
        if !self.begun {
            self.begun = true;
            self.patience = self.patience.max(self.idle);
        }
    }

    fn left(&self) -> Duration {
        let patience = self.patience.saturating_sub(self.in_vain);
        if self.begun { patience.min(self.idle.saturating_sub(self.quiet)) } else { patience }
    }

    pub(super) async fn tick(&mut self) {
        self.timer.as_mut().await;
        let end = self.since + self.left();
        self.timer.as_mut().reset(end);
    }

    /// The limit that was reached, if one was.
    pub(super) fn over(&self) -> Option<Duration> {
        let waited = self.since.elapsed();
        if self.in_vain + waited >= self.patience {
            return Some(self.patience);
        }
        (self.begun && self.quiet + waited >= self.idle).then_some(self.idle)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const IDLE: Duration = Duration::from_secs(10);
    const FIRST: Duration = Duration::from_secs(60);

    /// What comes each second, and when it is over.
    async fn check(begun: bool, each: fn(&mut Silence), want: Option<u64>) {
        let mut silence = Silence::new(IDLE, FIRST);
        if begun {
            silence.came_to_something();
        }
        let begin = Instant::now();
        let over = (0..200).find_map(|_| {
            silence.begin();
            silence.since -= Duration::from_secs(1);
            let over = silence.over();
            silence.end();
            each(&mut silence);
            over
        });
        assert!(begin.elapsed() < Duration::from_secs(1));
        assert_eq!(over.map(|limit| limit.as_secs()), want);
    }

    #[tokio::test]
    async fn comments_do_not_keep_a_stream_alive() {
        check(true, |_| {}, Some(10)).await;
        check(false, |_| {}, Some(60)).await;
    }

    #[tokio::test]
    async fn frames_of_which_nothing_comes_keep_it_alive_for_a_while() {
        check(true, Silence::came_to_life, Some(60)).await;
        check(false, Silence::came_to_life, Some(60)).await;
        check(true, Silence::came_to_something, None).await;
    }
}
