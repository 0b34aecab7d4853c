//! The actor around one response. The work is one future; the actor holds its handles.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Recipient,
    WrapFuture as _,
};
use futures_util::FutureExt as _;
use or_engine::Outcome;
use or_protocol::ResponseId;
use tokio::sync::watch;

use crate::drive::{Drive, Links};
use crate::provider::ProviderActor;
use crate::store::StoreActor;
use crate::{Cancel, CancelReason, Job, LoopEnded, Node};

/// Drives one response from its first provider call to its terminal event. Lives as long as its request.
pub(crate) struct LoopActor {
    id: ResponseId,
    work: Option<(Box<Job>, Links)>,
    cancel: watch::Sender<Option<CancelReason>>,
    supervisor: Recipient<LoopEnded>,
    /// Stays `None` if a panic skips what would set it.
    outcome: Option<Outcome>,
}

impl LoopActor {
    pub(crate) fn new(
        job: Box<Job>,
        node: Arc<Node>,
        provider: Addr<ProviderActor>,
        store: Addr<StoreActor>,
        supervisor: Recipient<LoopEnded>,
    ) -> Self {
        let (cancel, cancelled) = watch::channel(None);
        let id = job.id.clone();
        let links = Links { node, provider, store, cancelled };
        Self { id, work: Some((job, links)), cancel, supervisor, outcome: None }
    }
}

/// Runs the loop; after a panic ends it once more in an orderly way, so that the client gets its
/// terminal event or an HTTP 500, and the record says failed.
async fn run(job: Box<Job>, links: Links) -> Option<Outcome> {
    let node = Arc::clone(&links.node);
    let mut drive = Box::new(Drive::new(job, links));
    let result = AssertUnwindSafe(drive.run()).catch_unwind().await;
    if let Ok(outcome) = result {
        return outcome;
    }
    node.metrics.panicked();
    tracing::error!(response_id = %drive.id(), "a panic ended this response");
    let result = AssertUnwindSafe(drive.crashed()).catch_unwind().await;
    if result.is_err() {
        drive.give_up();
    }
    Some(Outcome::Failed)
}

impl Actor for LoopActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((job, links)) = self.work.take() else { return ctx.stop() };
        ctx.spawn(run(job, links).into_actor(self).map(|outcome, actor, ctx| {
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
        self.cancel.send_replace(Some(message.0));
    }
}
