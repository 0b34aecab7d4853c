//! How a response reacts to what comes from outside: a client that leaves, somebody who looks or cancels, the end of
//! its time.

use or_engine::{Action, Input, Outcome, ResponseLoop};
use or_protocol::{ApiError, ErrorKind};

use crate::response::attend::Interrupt;
use crate::response::driver::{Driver, Step};
use crate::response::sink::Sink;
use crate::running::CancelReason;

impl Driver {
    /// Reacts to something that is not the model's. `None`: it goes on.
    pub(super) async fn interrupt(&mut self, why: Interrupt) -> Option<Step> {
        let step = match why {
            Interrupt::Peek => {
                self.answer_peeks().await;
                return None;
            }
            Interrupt::ClientLeft => {
                self.attend.sink = Sink::Done;
                self.cancel().await
            }
            Interrupt::Cancelled(CancelReason::Asked | CancelReason::Removed) => {
                self.feed(Input::Cancel).await
            }
            // What is running may have an effect: it is better ended than left.
            Interrupt::Cancelled(CancelReason::Park) if self.engine.is_running_tools() => {
                self.attend.mailbox.decline_to_park();
                return None;
            }
            Interrupt::Cancelled(CancelReason::Park | CancelReason::Shutdown) if self.can_park() => {
                Step::Park
            }
            Interrupt::Cancelled(CancelReason::Park) => {
                self.attend.mailbox.decline_to_park();
                return None;
            }
            Interrupt::Cancelled(CancelReason::Shutdown) => {
                let text = "The server was shut down before the response was complete.";
                self.fail_with(ApiError::new(ErrorKind::Unavailable, text).with_code("interrupted")).await
            }
            Interrupt::TooLong => self.fail_with(took_too_long()).await,
        };
        Some(step)
    }

    /// Whether the next start can go on with it: its key is at hand then, and nothing was shown that a new
    /// sampling would contradict.
    fn can_park(&self) -> bool {
        let shown = self.request.facts.stream && self.engine.turn_has_output();
        self.request.facts.background && !self.request.route.uses_client_key() && !shown
    }

    /// Nobody takes the frames any more.
    pub(super) async fn lost(&mut self) -> Step {
        if self.request.facts.background { Step::Park } else { self.cancel().await }
    }

    /// The client left: what was made so far is recorded as cancelled.
    async fn cancel(&mut self) -> Step {
        match self.handle(Input::Cancel).await.next {
            Some(Action::Commit) => Step::Commit,
            _ => Step::End(Some(Outcome::Cancelled)),
        }
    }

    /// Shows the response as it is to all who asked.
    async fn answer_peeks(&mut self) {
        let json = self.look(ResponseLoop::current_json).await;
        for peek in self.attend.mailbox.take_peeks() {
            // Who does not wait any more reads the store.
            let _ = peek.send(json.clone());
        }
    }
}

pub(super) fn took_too_long() -> ApiError {
    let text = "The response took longer than this server allows.";
    ApiError::new(ErrorKind::Timeout, text).with_code("response_timeout")
}
