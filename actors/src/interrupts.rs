//! What reaches a loop from outside: a client that leaves, somebody who looks or cancels, the end of its time.

use or_engine::{Action, Input, Outcome, Output};
use or_protocol::{ApiError, ErrorKind};

use crate::CancelReason;
use crate::client::{Client, Interrupt};
use crate::drive::{Drive, Next, unix_now};

impl Drive {
    /// Reacts to something that is not the model's. `None`: it goes on.
    pub(crate) async fn interrupt(&mut self, why: Interrupt) -> Option<Next> {
        let next = match why {
            Interrupt::Peek => {
                self.answer_peeks();
                return None;
            }
            Interrupt::ClientLeft => {
                self.client = Client::Done;
                self.cancel()
            }
            Interrupt::Cancelled(CancelReason::Asked) => self.feed(Input::Cancel).await,
            Interrupt::Cancelled(CancelReason::Park | CancelReason::Shutdown) if self.can_park() => {
                Next::Park
            }
            Interrupt::Cancelled(CancelReason::Park) => {
                self.links.control.decline_to_park();
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
    pub(crate) fn lost(&mut self) -> Next {
        if self.request.background { Next::Park } else { self.cancel() }
    }

    /// The client left: what was made so far is recorded as cancelled.
    pub(crate) fn cancel(&mut self) -> Next {
        let mut out = Output::default();
        let Some(engine) = &mut self.engine else { return Next::End(None) };
        engine.handle(Input::Cancel, unix_now(), &mut out);
        match out.next {
            Some(Action::Commit) => Next::Commit,
            _ => Next::End(Some(Outcome::Cancelled)),
        }
    }

    /// Shows the response as it is to all who asked.
    fn answer_peeks(&self) {
        for peek in self.links.control.take_peeks() {
            if let Some(engine) = &self.engine {
                // Who does not wait any more reads the store.
                let _ = peek.send(engine.current_json());
            }
        }
    }
}
