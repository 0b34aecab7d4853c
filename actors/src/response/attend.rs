//! The one place where a response waits: for its work, and meanwhile for all that may come from outside.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::response::mailbox::{Mailbox, Notice};
use crate::response::sink::{Sink, Waiting};
use crate::running::CancelReason;

/// Longer than any process runs.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What may end a wait, beside the work that is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interrupt {
    ClientLeft,
    Cancelled(CancelReason),
    TooLong,
    /// No end: somebody wants to see the response.
    Peek,
}

/// What came of a wait.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Waited<T> {
    Done(T),
    Interrupted(Interrupt),
    /// The record of the beginning is due.
    BeginningDue,
    /// Nothing was done for so long that the client must hear something.
    Silence,
}

/// A response's ears: its client, its mailbox and its clock.
///
/// All of them stay registered from one wait to the next, so that a wait whose work is ready costs one look at it.
pub(crate) struct Attend {
    pub(crate) sink: Sink,
    pub(crate) mailbox: Rc<Mailbox>,
    /// Resolves when the reader of an open stream leaves.
    leaving: Option<Pin<Box<dyn Future<Output = ()>>>>,
    deadline: Instant,
    beginning: Option<Instant>,
    keepalive: Duration,
    quiet_since: Instant,
    /// Rings for whichever of the three is next, or too early: then it is set anew.
    alarm: Pin<Box<Sleep>>,
}

impl Attend {
    /// `left`: how long the response may take from now on.
    pub(crate) fn new(sink: Sink, mailbox: Rc<Mailbox>, left: Duration, keepalive: Duration) -> Self {
        let now = Instant::now();
        let deadline = now + left;
        let alarm = Box::pin(sleep_until(deadline.min(now + keepalive)));
        Self { sink, mailbox, leaving: None, deadline, beginning: None, keepalive, quiet_since: now, alarm }
    }

    /// When the record of the beginning is due, if it is.
    pub(crate) fn begin_at(&mut self, due: Option<Instant>) {
        self.beginning = due;
        if due.is_some() {
            let next = self.next_ring();
            self.alarm.as_mut().reset(next);
        }
    }

    /// How long the response may still take.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The deadline was heard of.
    pub(crate) fn end_of_deadline(&mut self) {
        self.deadline = Instant::now() + NEVER;
        let next = self.next_ring();
        self.alarm.as_mut().reset(next);
    }

    fn next_ring(&self) -> Instant {
        let ring = self.deadline.min(self.quiet_since + self.keepalive);
        self.beginning.map_or(ring, |due| ring.min(due))
    }

    /// Waits for `work`, or for the first thing that has to be reacted to; the wait can then go on with the same
    /// work.
    pub(crate) async fn wait<W: Future>(&mut self, mut work: Pin<&mut W>) -> Waited<W::Output> {
        poll_fn(|cx| {
            // The work first: what is there already counts before what would end the wait for it.
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                self.quiet_since = Instant::now();
                return Poll::Ready(Waited::Done(done));
            }
            if self.poll_left(cx).is_ready() {
                return Poll::Ready(Waited::Interrupted(Interrupt::ClientLeft));
            }
            if let Poll::Ready(notice) = self.mailbox.poll_notice(cx) {
                return Poll::Ready(Waited::Interrupted(match notice {
                    Notice::Cancel(reason) => Interrupt::Cancelled(reason),
                    Notice::Peek => Interrupt::Peek,
                }));
            }
            self.poll_clock(cx)
        })
        .await
    }

    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sink {
            Sink::Waiting(Waiting { reply, .. }) => reply.poll_closed(cx),
            Sink::Open(sender) => {
                let leaving = self.leaving.get_or_insert_with(|| {
                    let sender = sender.clone();
                    Box::pin(async move { sender.closed().await })
                });
                leaving.as_mut().poll(cx)
            }
            // Nobody has to stay for a background response.
            Sink::Log(_) | Sink::Detached => Poll::Pending,
            Sink::Done => Poll::Ready(()),
        }
    }

    fn poll_clock<T>(&mut self, cx: &mut Context<'_>) -> Poll<Waited<T>> {
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let now = Instant::now();
            let what = if self.deadline <= now {
                Some(Waited::Interrupted(Interrupt::TooLong))
            } else if self.beginning.is_some_and(|due| due <= now) {
                self.beginning = None;
                Some(Waited::BeginningDue)
            } else if self.quiet_since + self.keepalive <= now {
                self.quiet_since = now;
                Some(Waited::Silence)
            } else {
                None
            };
            let next = self.next_ring();
            self.alarm.as_mut().reset(next);
            if let Some(what) = what {
                return Poll::Ready(what);
            }
        }
    }
}

pub(crate) fn unix_now() -> i64 {
    // A clock before 1970 is wrong anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
