//! The actor around one response. The work is one future; the actor holds its handles.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Recipient,
    ResponseFuture, WrapFuture as _,
};
use futures_util::FutureExt as _;
use or_engine::Outcome;
use or_protocol::{ApiError, ResponseId};
use tokio::time::timeout;

use crate::response::driver::Driver;
use crate::response::job::Job;
use crate::response::mailbox::Mailbox;
use crate::response::messages::LoopEnded;
use crate::response::prepare::Preparation;
use crate::response::request::Neighbours;
use crate::running::{Answer, AskEnd, Cancel, CancelReason, Door, EndAsked, Peek, Peeked, Status};

/// How long who asks waits for a look or an end. A loop that is busy writing answers neither.
const PEEK_PATIENCE: Duration = Duration::from_secs(2);
const END_PATIENCE: Duration = Duration::from_secs(20);

/// Drives one response from its first provider call to its terminal event. Lives as long as its request.
pub(crate) struct LoopActor {
    id: ResponseId,
    work: Option<(Box<Job>, Neighbours)>,
    mailbox: Rc<Mailbox>,
    status: Arc<Status>,
    stored: bool,
    background: bool,
    supervisor: Recipient<LoopEnded>,
    /// Stays `None` if a panic skips what would set it.
    outcome: Option<Outcome>,
}

impl LoopActor {
    pub(crate) fn new(job: Box<Job>, neighbours: Neighbours, supervisor: Recipient<LoopEnded>) -> Self {
        let (mailbox, status) = (Rc::clone(&neighbours.mailbox), Arc::clone(&neighbours.status));
        let (id, stored, background) = (job.id.clone(), job.request.body.store, job.background.is_some());
        Self {
            id,
            work: Some((job, neighbours)),
            mailbox,
            status,
            stored,
            background,
            supervisor,
            outcome: None,
        }
    }

    /// Whether this is for `owner` to look at and to end later.
    fn is_of(&self, owner: &str) -> bool {
        self.stored && self.status.facts.owner == owner
    }
}

/// How far the work is. A value of its own so that a panic finds it.
enum Stage {
    Preparing(Box<Preparation>),
    Running(Box<Driver>),
    /// It ended before it ran.
    Refused,
}

impl Stage {
    async fn run(&mut self) -> Option<Outcome> {
        if let Self::Preparing(preparation) = self {
            // Boxed: the loop would carry the room for it to its end.
            let prepared = Box::pin(preparation.prepare()).await;
            match (prepared, std::mem::replace(self, Self::Refused)) {
                (Ok(prepared), Self::Preparing(preparation)) => {
                    *self = Self::Running(Box::new(Driver::new(*preparation, prepared)));
                }
                (Err(error), Self::Preparing(mut preparation)) => preparation.refuse(error),
                (_, Self::Running(_) | Self::Refused) => {}
            }
        }
        match self {
            Self::Running(driver) => driver.run().await,
            Self::Preparing(_) | Self::Refused => None,
        }
    }

    /// Ends it once more in an orderly way after a panic, so that the client gets its terminal event or an HTTP 500,
    /// and the record says failed.
    async fn crashed(&mut self) {
        match self {
            Self::Preparing(preparation) => {
                preparation.span.panicked();
                preparation.refuse(ApiError::internal());
            }
            Self::Running(driver) => {
                driver.span.panicked();
                if AssertUnwindSafe(driver.crashed()).catch_unwind().await.is_err() {
                    driver.give_up();
                }
            }
            Self::Refused => {}
        }
    }
}

/// Runs the loop to its end, whatever that takes.
async fn run(job: Job, neighbours: Neighbours) -> Option<Outcome> {
    let mut stage = Stage::Preparing(Box::new(Preparation::new(job, neighbours)));
    match AssertUnwindSafe(stage.run()).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            stage.crashed().await;
            Some(Outcome::Failed)
        }
    }
}

impl Actor for LoopActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some((job, neighbours)) = self.work.take() else { return ctx.stop() };
        ctx.spawn(run(*job, neighbours).into_actor(self).map(|outcome, actor, ctx| {
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
        if !self.is_of(&message.owner) {
            return Box::pin(std::future::ready(Peeked::AskStore));
        }
        let look = self.mailbox.peek();
        Box::pin(async move {
            match timeout(PEEK_PATIENCE, look).await {
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
        if !self.is_of(&message.owner) {
            return Box::pin(std::future::ready(EndAsked::NotFound));
        }
        if message.background_only && !self.background {
            return Box::pin(std::future::ready(EndAsked::Foreground));
        }
        let end = self.mailbox.end();
        // Whoever removes it ends it first.
        let reason = if message.background_only { CancelReason::Asked } else { CancelReason::Removed };
        self.mailbox.cancel(reason);
        Box::pin(async move {
            match timeout(END_PATIENCE, end).await {
                Ok(Ok(json)) => EndAsked::Unwritten(json),
                Ok(Err(_)) => EndAsked::Over,
                Err(_) => EndAsked::Slow,
            }
        })
    }
}

impl Door for Addr<LoopActor> {
    fn cancel(&self, reason: CancelReason) {
        self.do_send(Cancel(reason));
    }

    fn peek(&self, owner: &str) -> Answer<Peeked> {
        let asked = self.send(Peek { owner: owner.to_owned() });
        // Its mailbox is closed: it has just ended.
        Box::pin(async { asked.await.unwrap_or(Peeked::AskStore) })
    }

    fn end(&self, owner: &str, background_only: bool) -> Answer<EndAsked> {
        let asked = self.send(AskEnd { owner: owner.to_owned(), background_only });
        // The same.
        Box::pin(async { asked.await.unwrap_or(EndAsked::Over) })
    }
}
