//! What reaches a loop from outside: a client that leaves, somebody who looks or cancels, the end of its time.

use or_engine::{Action, Input, Outcome, Output};
use or_protocol::{ApiError, ErrorKind};
use tokio::time::{Instant, sleep_until};

use crate::response::driver::{Driver, Step, unix_now};
use crate::response::mailbox::{Call, Mailbox};
use crate::response::sink::Sink;
use crate::running::CancelReason;

/// What ends a loop from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Interrupt {
    ClientLeft,
    Cancelled(CancelReason),
    TooLong,
    /// No end: somebody wants to see the response.
    Peek,
}

/// Resolves when a loop has to react to something that is not the model's.
pub(crate) async fn interrupted(
    left: impl Future<Output = ()>,
    mailbox: &Mailbox,
    deadline: Instant,
) -> Interrupt {
    tokio::select! {
        () = left => Interrupt::ClientLeft,
        call = mailbox.called() => match call {
            Call::Cancel(reason) => Interrupt::Cancelled(reason),
            Call::Peek => Interrupt::Peek,
        },
        () = sleep_until(deadline) => Interrupt::TooLong,
    }
}

impl Driver {
    /// Reacts to something that is not the model's. `None`: it goes on.
    pub(crate) async fn interrupt(&mut self, why: Interrupt) -> Option<Step> {
        let next = match why {
            Interrupt::Peek => {
                self.answer_peeks();
                return None;
            }
            Interrupt::ClientLeft => {
                self.sink = Sink::Done;
                self.cancel()
            }
            Interrupt::Cancelled(CancelReason::Asked) => self.feed(Input::Cancel).await,
            Interrupt::Cancelled(CancelReason::Park | CancelReason::Shutdown) if self.can_park() => {
                Step::Park
            }
            Interrupt::Cancelled(CancelReason::Park) => {
                self.neighbours.mailbox.decline_to_park();
                return None;
            }
            Interrupt::Cancelled(CancelReason::Shutdown) => {
                let text = "The server was shut down before the response was complete.";
                self.fail_with(ApiError::new(ErrorKind::Unavailable, text).with_code("interrupted")).await
            }
            Interrupt::TooLong => {
                let text = "The response took longer than this server allows.";
                self.fail_with(ApiError::new(ErrorKind::Timeout, text).with_code("response_timeout")).await
            }
        };
        Some(next)
    }

    /// Nobody takes the frames any more.
    pub(crate) fn lost(&mut self) -> Step {
        if self.request.background { Step::Park } else { self.cancel() }
    }

    /// The client left: what was made so far is recorded as cancelled.
    pub(crate) fn cancel(&mut self) -> Step {
        let mut out = Output::default();
        let Some(engine) = &mut self.engine else { return Step::End(None) };
        engine.handle(Input::Cancel, unix_now(), &mut out);
        match out.next {
            Some(Action::Commit) => Step::Commit,
            _ => Step::End(Some(Outcome::Cancelled)),
        }
    }

    /// Shows the response as it is to all who asked.
    fn answer_peeks(&self) {
        for peek in self.neighbours.mailbox.take_peeks() {
            if let Some(engine) = &self.engine {
                // Who does not wait any more reads the store.
                let _ = peek.send(engine.current_json());
            }
        }
    }
}
