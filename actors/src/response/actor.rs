//! The actor around one response. The work is one future; the actor holds its handles.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Recipient,
    ResponseFuture, WrapFuture as _,
};
use futures_util::FutureExt as _;
use or_engine::Outcome;
use or_protocol::ResponseId;
use tokio::time::timeout;

use crate::response::driver::{Driver, Neighbours};
use crate::response::job::Job;
use crate::response::mailbox::Mailbox;
use crate::response::messages::LoopEnded;
use crate::running::{AskEnd, Cancel, CancelReason, EndAsked, Peek, Peeked};

/// How long who asks waits for a look or an end. A loop that is busy writing answers neither.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);
const END_PATIENCE: Duration = Duration::from_secs(20);

/// Drives one response from its first provider call to its terminal event. Lives as long as its request.
pub(crate) struct LoopActor {
    id: ResponseId,
    work: Option<(Box<Job>, Neighbours)>,
    mailbox: Rc<Mailbox>,
    owner: String,
    stored: bool,
    background: bool,
    supervisor: Recipient<LoopEnded>,
    /// Stays `None` if a panic skips what would set it.
    outcome: Option<Outcome>,
}

impl LoopActor {
    pub(crate) fn new(job: Box<Job>, neighbours: Neighbours, supervisor: Recipient<LoopEnded>) -> Self {
        let mailbox = Rc::clone(&neighbours.mailbox);
        let (id, owner) = (job.id.clone(), job.request.owner.clone());
        let (stored, background) = (job.request.body.store, job.background.is_some());
        Self {
            id,
            work: Some((job, neighbours)),
            mailbox,
            owner,
            stored,
            background,
            supervisor,
            outcome: None,
        }
    }
}

/// Runs the loop; after a panic ends it once more in an orderly way, so that the client gets its
/// terminal event or an HTTP 500, and the record says failed.
async fn run(job: Box<Job>, neighbours: Neighbours) -> Option<Outcome> {
    let node = Arc::clone(&neighbours.node);
    let mut driver = Box::new(Driver::new(job, neighbours));
    let result = AssertUnwindSafe(driver.run()).catch_unwind().await;
    if let Ok(outcome) = result {
        return outcome;
    }
    node.metrics.panicked();
    tracing::error!(response_id = %driver.id(), "a panic ended this response");
    let result = AssertUnwindSafe(driver.crashed()).catch_unwind().await;
    if result.is_err() {
        driver.give_up();
    }
    Some(Outcome::Failed)
}

impl Actor for LoopActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((job, neighbours)) = self.work.take() else { return ctx.stop() };
        ctx.spawn(run(job, neighbours).into_actor(self).map(|outcome, actor, ctx| {
            actor.outcome = outcome;
            ctx.stop();
        }));
    }

    /// Runs after `ctx.stop()` and also while a panic unwinds (actix 0.13.5), so it must not panic.
    fn stopped(&mut self, _: &mut Self::Context) {
        self.supervisor.do_send(LoopEnded { id: self.id.clone(), outcome: self.outcome });
    }
}

impl Handler<Cancel> for LoopActor {
    type Result = ();

    fn handle(&mut self, message: Cancel, _: &mut Self::Context) {
        self.mailbox.cancel(message.0);
    }
}

impl Handler<Peek> for LoopActor {
    type Result = ResponseFuture<Peeked>;

    fn handle(&mut self, message: Peek, _: &mut Self::Context) -> Self::Result {
        if !self.stored || message.owner != self.owner {
            return Box::pin(std::future::ready(Peeked::AskStore));
        }
        let look = self.mailbox.peek();
        Box::pin(async move {
            match timeout(LOOK_PATIENCE, look).await {
                Ok(Ok(response)) => Peeked::Response(response),
                // It ended meanwhile.
                Ok(Err(_)) => Peeked::AskStore,
                Err(_) => Peeked::Slow,
            }
        })
    }
}

impl Handler<AskEnd> for LoopActor {
    type Result = ResponseFuture<EndAsked>;

    fn handle(&mut self, message: AskEnd, _: &mut Self::Context) -> Self::Result {
        if !self.stored || message.owner != self.owner {
            return Box::pin(std::future::ready(EndAsked::NotFound));
        }
        if message.background_only && !self.background {
            return Box::pin(std::future::ready(EndAsked::Foreground));
        }
        self.mailbox.cancel(CancelReason::Asked);
        let end = self.mailbox.end();
        Box::pin(async move {
            // It ends by being dropped.
            timeout(END_PATIENCE, end).await.map_or(EndAsked::Slow, |_| EndAsked::Over)
        })
    }
}
