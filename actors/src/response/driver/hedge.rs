//! A second target is asked where the first does not begin in time. Whoever begins first answers; the other call is
//! closed.

use std::time::Duration;

use futures_util::future::{Either, select};
use or_middleware::TurnRequest;
use or_telemetry::{Attempt, SampleSpan};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Driver, Step};
use crate::provider::{Batch, SampleError, Sampled};

/// An answer that has begun.
pub(crate) struct Beginning {
    pub(crate) sampled: Sampled,
    /// What was read of a stream already.
    pub(crate) first: Option<Batch>,
}

impl From<Sampled> for Beginning {
    fn from(sampled: Sampled) -> Self {
        Self { sampled, first: None }
    }
}

/// Waits for the first events: a head is no beginning.
async fn beginning(
    asked: impl Future<Output = Result<Sampled, SampleError>>,
) -> Result<Beginning, SampleError> {
    match asked.await? {
        Sampled::Stream(mut events) => match events.recv().await {
            Some(Err(error)) => Err(*error),
            first => Ok(Beginning { sampled: Sampled::Stream(events), first }),
        },
        whole @ Sampled::Whole(_) => Ok(whole.into()),
    }
}

impl Driver {
    /// Waits for a call to begin, and after a while for a second one as well. `request`: what middlewares made of the turn.
    pub(crate) async fn hedged(
        &mut self,
        asked: impl Future<Output = Result<Sampled, SampleError>>,
        after: Duration,
        request: Option<TurnRequest>,
    ) -> Result<Result<Beginning, SampleError>, Step> {
        let mut first = Box::pin(beginning(asked));
        if let Ok(begun) = self.wait(timeout(after, first.as_mut())).await? {
            return Ok(begun);
        }
        let before = self.request.asked();
        let Some(place) = self.sampler.attempts.hedge() else { return self.wait(first).await };
        self.request.ask(place);
        let translation = self.sampler.translate(&self.engine, request.as_ref());
        let translated = self.wait(translation).await.inspect_err(|_| self.request.ask(before))?;
        let (here, gone) = oneshot::channel();
        // In strict mode what it cannot keep is no reason to fail: it was not asked for.
        let asked = translated.ok().filter(|turn| self.request.keeps(&turn.call.notes));
        let asked = asked.map(|mut turn| {
            let mut span = self.span.sample(&self.request.told(), self.sampler.turns(), Attempt::Hedge);
            Self::ask_in(&mut span, &mut turn, &self.request, &self.engine);
            (turn.call.notes.clone(), span, self.sampler.ask(turn, gone))
        });
        self.request.ask(before);
        let Some((notes, mut span, asked)) = asked else { return self.wait(first).await };
        let second = Box::pin(beginning(asked));
        match self.wait(select(first, second)).await? {
            Either::Left((Ok(begun), _)) => {
                self.tell_trail();
                Ok(Ok(begun))
            }
            Either::Right((Ok(begun), _)) => {
                self.turn_to(place, here, span, after);
                self.sampler.change_notes(notes, &mut self.recorder.notes);
                Ok(Ok(begun))
            }
            Either::Left((Err(error), second)) => {
                if let Some(call) = &mut self.sample {
                    call.failed(error.reason(), error.status(), &error);
                }
                self.sampler.attempts.hedge_failed(before, &error);
                self.turn_to(place, here, span, after);
                self.sampler.change_notes(notes, &mut self.recorder.notes);
                self.wait(second).await
            }
            Either::Right((Err(error), first)) => {
                span.failed(error.reason(), error.status(), &error);
                self.sampler.attempts.hedge_failed(place, &error);
                self.wait(first).await
            }
        }
    }

    /// The second target is the one that is heard. The call of the first is closed; it was alone for so long.
    fn turn_to(&mut self, place: usize, here: oneshot::Sender<()>, span: SampleSpan, alone: Duration) {
        self.here = Some(here);
        self.request.ask(place);
        self.sample = Some(span);
        self.span.waited(alone);
        self.span.hears(&self.request.told(), self.engine.usage());
        self.sampler.attempts.hedge_heard();
        self.tell_trail();
    }
}
