//! Admits requests, spawns their loops, and hears of every end.

use std::collections::HashMap;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, WrapFuture as _};
use actix_rt::task::yield_now;
use or_protocol::ApiError;

use crate::event_log::EventLog;
use crate::loop_actor::LoopActor;
use crate::node::RunningLoop;
use crate::provider::ProviderActor;
use crate::resume;
use crate::store::StoreActor;
use crate::{GoOn, Job, LoopEnded, Node, ProviderSpec, StartResponse};

/// One per HTTP worker's arbiter. Owns the arbiter's provider actors and store actor, and makes them anew
/// if they died.
pub struct LoopSupervisor {
    node: Arc<Node>,
    providers: HashMap<String, Addr<ProviderActor>>,
    store: Option<Addr<StoreActor>>,
}

impl LoopSupervisor {
    /// A supervisor for the arbiter it is started on.
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, providers: HashMap::new(), store: None }
    }

    fn provider(&mut self, spec: &Arc<ProviderSpec>) -> Addr<ProviderActor> {
        match self.providers.get(&spec.name) {
            Some(address) if address.connected() => address.clone(),
            _ => {
                let address = ProviderActor::new(Arc::clone(spec)).start();
                self.providers.insert(spec.name.clone(), address.clone());
                address
            }
        }
    }

    fn spawn(&mut self, job: Box<Job>, ctx: &Context<Self>) {
        let id = job.id.clone();
        let provider = self.provider(&job.provider);
        let store = self.store();
        let supervisor = ctx.address().recipient();
        let log = (job.background.is_some() && job.body.stream).then(|| Arc::new(EventLog::new()));
        let node = Arc::clone(&self.node);
        let address = LoopActor::new(job, node, provider, store, log.clone(), supervisor).start();
        self.node.register(id, RunningLoop { address, log });
    }

    fn store(&mut self) -> Addr<StoreActor> {
        match &self.store {
            Some(address) if address.connected() => address.clone(),
            _ => {
                let address = StoreActor::new(Arc::clone(&self.node.store)).start();
                self.store = Some(address.clone());
                address
            }
        }
    }
}

impl Actor for LoopSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        let (node, supervisor) = (Arc::clone(&self.node), ctx.address());
        // Every supervisor takes one at a time, so that they share the work.
        let resume = async move {
            while let Some((id, owner)) = node.next_unfinished() {
                if let Some(job) = resume::job(&node, id, owner).await {
                    supervisor.do_send(GoOn { job });
                }
                yield_now().await;
            }
        };
        ctx.spawn(resume.into_actor(self));
    }
}

impl Handler<StartResponse> for LoopSupervisor {
    type Result = Result<(), ApiError>;

    fn handle(&mut self, message: StartResponse, ctx: &mut Self::Context) -> Self::Result {
        self.node.admit()?;
        self.spawn(message.job, ctx);
        Ok(())
    }
}

impl Handler<GoOn> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: GoOn, ctx: &mut Self::Context) {
        self.node.admit_again();
        self.spawn(message.job, ctx);
    }
}

impl Handler<LoopEnded> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: LoopEnded, _: &mut Self::Context) {
        self.node.release();
        self.node.unregister(&message.id);
        if message.outcome.is_none() {
            tracing::debug!(response_id = %message.id, "loop ended before a response began");
        }
    }
}
