//! Admits requests, spawns their loops, and hears of every end.

use std::collections::HashMap;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext as _, Context, Handler, ResponseFuture, WrapFuture as _};
use actix_rt::task::yield_now;
use futures_util::FutureExt as _;
use or_protocol::ApiError;
use or_telemetry::ResponseFacts;

use super::count::{InputCount, count};
use super::discovery::Found;
use super::messages::{CountInput, DiscoverModels, GoOn, StartResponse};
use crate::node::Node;
use crate::provider::{ProviderActor, ProviderSpec};
use crate::response::{Job, LoopActor, LoopEnded, Neighbours, prepare};
use crate::running::{Cancel, CancelReason, EventLog, Handle, Place, Status, Unfinished};
use crate::store::StoreHandle;
use crate::tools::ToolActor;

/// One per HTTP worker's arbiter. Owns the arbiter's provider actors and tool actor, and makes them
/// anew if they died.
pub struct LoopSupervisor {
    node: Arc<Node>,
    providers: HashMap<String, Addr<ProviderActor>>,
    store: StoreHandle,
    tools: Option<Addr<ToolActor>>,
}

impl LoopSupervisor {
    /// A supervisor for the arbiter it is started on; `store`: the arbiter's way to the store.
    pub fn new(node: Arc<Node>, store: StoreHandle) -> Self {
        Self { node, providers: HashMap::new(), store, tools: None }
    }

    fn provider(&mut self, spec: &Arc<ProviderSpec>) -> Addr<ProviderActor> {
        match self.providers.get(&*spec.name) {
            Some(address) if address.connected() => address.clone(),
            _ => {
                let address = ProviderActor::new(Arc::clone(spec), self.node.heavy.clone()).start();
                self.providers.insert(spec.name.to_string(), address.clone());
                address
            }
        }
    }

    fn spawn(&mut self, mut job: Box<Job>, place: Place, ctx: &Context<Self>) {
        let (id, provider) = (job.id.clone(), job.provider());
        let background = job.background.is_some();
        let request = &mut job.request;
        let target = request.route.first();
        let upstream_model = target.map_or("", |target| &target.model);
        let adapter = target.map(|target| &target.provider.adapter);
        let provider_kind = adapter.map_or("", |adapter| adapter.kind());
        let gen_ai =
            adapter.map_or((None, ""), |adapter| (adapter.gen_ai_provider(), adapter.gen_ai_operation()));
        let facts = Arc::new(ResponseFacts {
            id: id.clone(),
            request_id: std::mem::take(&mut request.request_id),
            owner: std::mem::take(&mut request.owner),
            group: request.client.group.clone(),
            client: Arc::clone(&request.client),
            model: std::mem::take(&mut request.model),
            upstream_model: upstream_model.to_owned(),
            provider,
            provider_kind,
            gen_ai,
            stream: request.body.stream,
            background,
            received: request.received,
        });
        let log = (background && facts.stream).then(|| Arc::new(EventLog::new()));
        let status = Arc::new(Status::new(facts));
        let neighbours = Neighbours {
            node: Arc::clone(&self.node),
            provider: job.request.route.first().map(|target| self.provider(&target.provider)),
            store: self.store.clone(),
            tools: self.tools(),
            mailbox: Rc::default(),
            status: Arc::clone(&status),
            log: log.clone(),
        };
        let address = LoopActor::new(job, neighbours, ctx.address().recipient()).start();
        let handle = Handle { door: Arc::new(address.clone()), status, log, _place: place };
        self.node.running.register(id, handle);
        if self.node.running.stopping() {
            // The server may have begun to stop while it was not in the registry.
            address.do_send(Cancel(CancelReason::Park));
        }
    }

    /// The arbiter's tool actor.
    fn tools(&mut self) -> Addr<ToolActor> {
        match &self.tools {
            Some(address) if address.connected() => address.clone(),
            _ => {
                let address = ToolActor::new(Arc::clone(&self.node.tools), self.node.metrics.clone()).start();
                self.tools = Some(address.clone());
                address
            }
        }
    }
}

impl Actor for LoopSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        let (node, store, supervisor) = (Arc::clone(&self.node), self.store.clone(), ctx.address());
        // Every supervisor takes one at a time, so that they share the work.
        let resume = async move {
            while let Some(Unfinished { id, owner, place }) = node.running.next_unfinished().await {
                match prepare::job(&node, &store, id.clone(), owner).await {
                    Some(job) => supervisor.do_send(GoOn { job, place }),
                    None => node.running.stays_away(&id),
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
        let job = message.job;
        let place = self.node.admit(&job.request.owner, job.background.is_some())?;
        self.spawn(job, place, ctx);
        Ok(())
    }
}

impl Handler<GoOn> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: GoOn, ctx: &mut Self::Context) {
        self.spawn(message.job, message.place, ctx);
    }
}

impl Handler<CountInput> for LoopSupervisor {
    type Result = ResponseFuture<Result<InputCount, ApiError>>;

    /// The work has its own panic guard: this actor is everybody's.
    fn handle(&mut self, message: CountInput, _: &mut Self::Context) -> Self::Result {
        let node = Arc::clone(&self.node);
        let Some(target) = message.job.request.route.first() else {
            return Box::pin(ready(Err(ApiError::internal())));
        };
        let provider = self.provider(&target.provider);
        let work = count(message.job, Arc::clone(&node), provider, self.store.clone());
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(move |result| {
            result.unwrap_or_else(|_| {
                node.metrics.panicked();
                Err(ApiError::internal())
            })
        }))
    }
}

impl Handler<DiscoverModels> for LoopSupervisor {
    type Result = ResponseFuture<Arc<Found>>;

    fn handle(&mut self, message: DiscoverModels, _: &mut Self::Context) -> Self::Result {
        let DiscoverModels { discovery } = message;
        let actors = discovery.providers().iter().map(|spec| self.provider(spec)).collect();
        let node = Arc::clone(&self.node);
        Box::pin(async move { discovery.look(actors, &node.metrics).await })
    }
}

impl Handler<LoopEnded> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: LoopEnded, _: &mut Self::Context) {
        self.node.running.unregister(&message.id);
        if message.outcome.is_none() {
            tracing::debug!(response_id = %message.id, "loop ended before a response began");
        }
    }
}
