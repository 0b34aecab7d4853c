//! What is asked of a running loop from outside.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::running::CancelReason;

/// Between a loop's actor, which hears, and its work, which looks here whenever it waits. Both live on one arbiter.
///
/// The actor cannot hand these on as messages: its one piece of work is a future that runs beside its mailbox.
#[derive(Default)]
pub(crate) struct Mailbox {
    pending: RefCell<Pending>,
    /// Of the work, while it waits.
    waker: Cell<Option<Waker>>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pending.fmt(f)
    }
}

#[derive(Debug, Default)]
struct Pending {
    cancel: Option<CancelReason>,
    peeks: Vec<oneshot::Sender<Bytes>>,
    /// Dropped with the loop, which is what they wait for; unless its end cannot be written and is told without that.
    ends: Vec<oneshot::Sender<Bytes>>,
}

/// What a loop has to react to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    Cancel(CancelReason),
    /// Somebody wants to see the response as it is.
    Peek,
}

impl Mailbox {
    /// Asks for the end. The first reason stands, but for a wish to park, which is weaker than all others, and one to
    /// cancel what is then removed.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        {
            let mut pending = self.pending.borrow_mut();
            let stands = match pending.cancel {
                None | Some(CancelReason::Park) => false,
                Some(CancelReason::Asked) => reason != CancelReason::Removed,
                Some(CancelReason::Removed | CancelReason::Shutdown) => true,
            };
            if !stands {
                pending.cancel = Some(reason);
            }
        }
        self.wake();
    }

    /// The reason to end was heard, and has its effect.
    pub(crate) fn heard(&self) {
        self.pending.borrow_mut().cancel = None;
    }

    /// Asks for the response as it is; the answer never comes if the loop ends first.
    pub(crate) fn peek(&self) -> oneshot::Receiver<Bytes> {
        let (sender, answer) = oneshot::channel();
        self.pending.borrow_mut().peeks.push(sender);
        self.wake();
        answer
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Resolves with an error when the loop is over, and with the response object if its end cannot be written.
    pub(crate) fn end(&self) -> oneshot::Receiver<Bytes> {
        let (sender, end) = oneshot::channel();
        self.pending.borrow_mut().ends.push(sender);
        end
    }

    /// Tells who waits for the end that the response has it, as far as this process can.
    pub(crate) fn tell_ends(&self, json: &Bytes) {
        for end in std::mem::take(&mut self.pending.borrow_mut().ends) {
            let _ = end.send(json.clone());
        }
    }

    /// Everybody who waits for a look.
    pub(crate) fn take_peeks(&self) -> Vec<oneshot::Sender<Bytes>> {
        std::mem::take(&mut self.pending.borrow_mut().peeks)
    }

    /// The loop cannot park; it will hear of the next reason.
    pub(crate) fn decline_to_park(&self) {
        let mut pending = self.pending.borrow_mut();
        if pending.cancel == Some(CancelReason::Park) {
            pending.cancel = None;
        }
    }

    /// Ready when there is something to react to.
    pub(crate) fn poll_notice(&self, cx: &Context<'_>) -> Poll<Notice> {
        let pending = self.pending.borrow();
        if let Some(reason) = pending.cancel {
            return Poll::Ready(Notice::Cancel(reason));
        }
        if !pending.peeks.is_empty() {
            return Poll::Ready(Notice::Peek);
        }
        let waker = self.waker.take().filter(|waker| waker.will_wake(cx.waker()));
        self.waker.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;

    use super::*;

    fn notice(mailbox: &Mailbox) -> Option<Notice> {
        poll_fn(|cx| mailbox.poll_notice(cx)).now_or_never()
    }

    #[tokio::test]
    async fn a_call_is_heard_whether_it_comes_before_or_while_one_waits() {
        let mailbox = Mailbox::default();
        let heard = poll_fn(|cx| mailbox.poll_notice(cx));
        let asking = async {
            tokio::task::yield_now().await;
            drop(mailbox.peek());
        };
        assert_eq!(tokio::join!(heard, asking).0, Notice::Peek);
        assert_eq!(mailbox.take_peeks().len(), 1);
        assert_eq!(notice(&mailbox), None);
        mailbox.cancel(CancelReason::Asked);
        mailbox.cancel(CancelReason::Shutdown);
        assert_eq!(notice(&mailbox), Some(Notice::Cancel(CancelReason::Asked)));
    }

    #[test]
    fn a_wish_to_park_gives_way() {
        let mailbox = Mailbox::default();
        mailbox.cancel(CancelReason::Park);
        mailbox.decline_to_park();
        assert_eq!(notice(&mailbox), None);
        mailbox.cancel(CancelReason::Park);
        mailbox.cancel(CancelReason::Shutdown);
        mailbox.decline_to_park();
        assert_eq!(notice(&mailbox), Some(Notice::Cancel(CancelReason::Shutdown)));
    }
}
