//! What a driver does when a call of a provider fails.

use std::sync::Arc;
use std::time::Duration;

use or_adapters::Note;
use or_engine::Input;
use or_protocol::ApiError;
use tokio::time::sleep;

use super::{Driver, Step};
use crate::provider::SampleError;
use crate::response::attempts::{Failure, Then};
use crate::running::Phase;

impl Driver {
    /// A call of the provider failed: it is made again or another target is asked if that is called for, and otherwise
    /// the response ends.
    pub(crate) async fn fail(&mut self, error: &SampleError) -> Step {
        let failure = Failure {
            error,
            shown: self.engine.turn_has_output(),
            can_go_on: self.request.route.rules.mid_stream && self.engine.can_go_on() && self.may_be_joined(),
            left: self.attend.left(),
        };
        let from = Arc::clone(self.request.provider());
        let then = self.sampler.attempts.failed(&failure, &self.node.limits);
        if let Some(call) = &mut self.sample {
            let (reason, status) = (error.reason(), error.status());
            match &then {
                Then::Again(after) => {
                    call.failed_for_now(reason, status, error, self.sampler.attempts.retries(), *after);
                }
                Then::Next => call.failed_over(reason, status, error, self.request.provider()),
                Then::Fail(_) => call.failed(reason, status, error),
            }
        }
        match then {
            // Boxed: every loop would carry the room for it.
            Then::Again(after) => Box::pin(self.retry(after)).await,
            Then::Next => Box::pin(self.go_over(from)).await,
            Then::Fail(told) => self.fail_with(told).await,
        }
    }

    /// Whether no middleware looks at events: one that does may hold a part of what was said.
    fn may_be_joined(&self) -> bool {
        self.middleware.as_ref().is_none_or(|run| !run.wants().on_event)
    }

    /// The turn cannot be put in the words of the target that was to be asked.
    pub(crate) async fn untranslated(&mut self, error: ApiError) -> Step {
        let from = Arc::clone(self.request.provider());
        match self.sampler.attempts.pass_over(error) {
            None => Box::pin(self.go_over(from)).await,
            Some(error) => self.fail_with(error).await,
        }
    }

    /// Makes a failed call again after a pause.
    async fn retry(&mut self, after: Duration) -> Step {
        let _phase = self.status.enter(Phase::Retrying);
        match self.wait(sleep(after)).await {
            Ok(()) => self.feed(Input::Retry).await,
            Err(step) => step,
        }
    }

    /// The turn goes to another target.
    async fn go_over(&mut self, from: Arc<str>) -> Step {
        if !self.engine.turn_has_output() {
            // What was noted for the one before is not so for this one.
            self.sampler.take_back(&mut self.recorder.notes);
            return self.feed(Input::Retry).await;
        }
        let Some(target) = self.request.target() else { return self.fail_with(ApiError::internal()).await };
        let to = &target.provider;
        let prefills = to.adapter.prefills(&target.model, &self.engine.turn_settings());
        let how = if prefills { "from its text" } else { "as it was told to" };
        let why = format!("the stream of '{from}' broke, and '{}' went on {how}", to.name);
        self.recorder.notes.push(Note::emulated("output", why));
        if let Some(run) = &mut self.middleware {
            run.goes_on();
        }
        self.feed(Input::Interrupted { prefills }).await
    }
}
