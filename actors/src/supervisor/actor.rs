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
use or_tools::Registry;

use super::count::{InputCount, count};
use super::discovery::Found;
use super::messages::{CountInput, DiscoverModels, GoOn, StartResponse};
use crate::node::{LiveNode, Node};
use crate::provider::{ProviderActor, ProviderSpec};
use crate::response::{Job, LoopActor, LoopEnded, Neighbours, prepare};
use crate::running::{Cancel, CancelReason, EventLog, Handle, Place, Status, Unfinished};
use crate::store::StoreHandle;
use crate::tools::ToolActor;

/// One per HTTP worker's arbiter. Owns the arbiter's provider actors and tool actor, and makes them
/// anew if they died.
pub struct LoopSupervisor {
    node: LiveNode,
    /// Each with what it was made of, by name.
    providers: HashMap<String, (Arc<ProviderSpec>, Addr<ProviderActor>)>,
    store: StoreHandle,
    tools: Option<(Arc<Registry>, Addr<ToolActor>)>,
}

impl LoopSupervisor {
    /// A supervisor for the arbiter it is started on; `store`: the arbiter's way to the store.
    pub fn new(node: LiveNode, store: StoreHandle) -> Self {
        Self { node, providers: HashMap::new(), store, tools: None }
    }

    /// The arbiter's actor for a provider. One that a new configuration changed gets another; whoever has the one before
    /// goes on with it.
    fn provider(&mut self, spec: &Arc<ProviderSpec>, node: &Node) -> Addr<ProviderActor> {
        match self.providers.get(&*spec.name) {
            Some((of, address)) if Arc::ptr_eq(of, spec) && address.connected() => address.clone(),
            _ => {
                self.providers.retain(|name, (of, _)| {
                    node.providers.named().get(name).is_some_and(|now| Arc::ptr_eq(of, now))
                });
                let address = ProviderActor::new(Arc::clone(spec), node.heavy.clone()).start();
                self.providers.insert(spec.name.to_string(), (Arc::clone(spec), address.clone()));
                address
            }
        }
    }

    fn spawn(&mut self, mut job: Box<Job>, place: Place, node: Arc<Node>, ctx: &Context<Self>) {
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
            node: Arc::clone(&node),
            providers: job
                .request
                .route
                .targets
                .iter()
                .map(|target| self.provider(&target.provider, &node))
                .collect(),
            store: self.store.clone(),
            tools: self.tools(&node),
            mailbox: Rc::default(),
            status: Arc::clone(&status),
            log: log.clone(),
        };
        let address = LoopActor::new(job, neighbours, ctx.address().recipient()).start();
        let handle = Handle { door: Arc::new(address.clone()), status, log, _place: place };
        node.running.register(id, handle);
        if node.running.stopping() {
            // The server may have begun to stop while it was not in the registry.
            address.do_send(Cancel(CancelReason::Park));
        }
    }

    /// The arbiter's tool actor.
    fn tools(&mut self, node: &Node) -> Addr<ToolActor> {
        match &self.tools {
            Some((of, address)) if Arc::ptr_eq(of, &node.tools) && address.connected() => address.clone(),
            _ => {
                let address = ToolActor::new(Arc::clone(&node.tools), node.metrics.clone()).start();
                self.tools = Some((Arc::clone(&node.tools), address.clone()));
                address
            }
        }
    }
}

impl Actor for LoopSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
        let (live, store, supervisor) = (self.node.clone(), self.store.clone(), ctx.address());
        // Every supervisor takes one at a time, so that they share the work.
        let resume = async move {
            let running = Arc::clone(&live.now().running);
            while let Some(Unfinished { id, owner, place }) = running.next_unfinished().await {
                let node = live.now();
                match prepare::job(&node, &store, id.clone(), owner).await {
                    Some(job) => supervisor.do_send(GoOn { job, place }),
                    None => running.stays_away(&id),
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
        let (job, node) = (message.job, self.node.now());
        let place = node.admit(&job.request.owner, job.background.is_some())?;
        self.spawn(job, place, node, ctx);
        Ok(())
    }
}

impl Handler<GoOn> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: GoOn, ctx: &mut Self::Context) {
        let node = self.node.now();
        self.spawn(message.job, message.place, node, ctx);
    }
}

impl Handler<CountInput> for LoopSupervisor {
    type Result = ResponseFuture<Result<InputCount, ApiError>>;

    /// The work has its own panic guard: this actor is everybody's.
    fn handle(&mut self, message: CountInput, _: &mut Self::Context) -> Self::Result {
        let node = self.node.now();
        let Some(target) = message.job.request.route.first() else {
            return Box::pin(ready(Err(ApiError::internal())));
        };
        let provider = self.provider(&target.provider, &node);
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
        let node = self.node.now();
        let actors = discovery.providers().iter().map(|spec| self.provider(spec, &node)).collect();
        Box::pin(async move { discovery.look(actors, &node.metrics).await })
    }
}

impl Handler<LoopEnded> for LoopSupervisor {
    type Result = ();

    fn handle(&mut self, message: LoopEnded, _: &mut Self::Context) {
        self.node.now().running.unregister(&message.id);
        if message.outcome.is_none() {
            tracing::debug!(response_id = %message.id, "loop ended before a response began");
        }
    }
}
