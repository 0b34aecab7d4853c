//! What stays the same while a response is made: its request, and the loop's neighbours.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use actix::Addr;
use or_adapters::Note;
use or_engine::ReasoningEvents;
use or_store::IdempotencyKey;
use or_telemetry::{Asked, ResponseFacts};

use crate::held::Held;
use crate::node::Node;
use crate::provider::{ProviderActor, Route, Target};
use crate::response::job::Job;
use crate::response::mailbox::Mailbox;
use crate::running::{EventLog, Status};
use crate::store::StoreHandle;
use crate::tools::ToolActor;

/// Whom a loop asks and tells.
pub(crate) struct Neighbours {
    pub(crate) node: Arc<Node>,
    /// Of each target of the route.
    pub(crate) providers: Vec<Addr<ProviderActor>>,
    pub(crate) store: StoreHandle,
    pub(crate) tools: Addr<ToolActor>,
    pub(crate) mailbox: Rc<Mailbox>,
    /// How far the response is, for those who look from outside.
    pub(crate) status: Arc<Status>,
    /// Of a background response that streams.
    pub(crate) log: Option<Arc<EventLog>>,
}

/// What a request says that does not change while it is served.
pub(crate) struct Request {
    pub(crate) facts: Arc<ResponseFacts>,
    pub(crate) route: Route,
    /// Which of its targets is asked now, or was last.
    asked: Cell<usize>,
    pub(crate) strict: bool,
    pub(crate) reasoning_events: ReasoningEvents,
    pub(crate) previous: Option<String>,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    /// Bytes of the request and of what it refers to, as far as they are known.
    bytes: Cell<usize>,
    pub(crate) held: Held,
}

impl Request {
    /// Takes out of a job what the loop keeps.
    pub(crate) fn of(job: &mut Job, facts: Arc<ResponseFacts>) -> Self {
        let routed = &mut job.request;
        Self {
            facts,
            route: std::mem::take(&mut routed.route),
            asked: Cell::new(0),
            strict: routed.strict,
            reasoning_events: routed.reasoning_events,
            idempotency_key: routed.idempotency_key.take(),
            previous: routed.body.previous_response_id.take(),
            bytes: Cell::new(routed.bytes),
            held: routed.held.clone(),
        }
    }

    /// The place of the target that is asked now, or was last.
    pub(crate) fn asked(&self) -> usize {
        self.asked.get()
    }

    /// Another target is asked.
    pub(crate) fn ask(&self, place: usize) {
        self.asked.set(place);
    }

    /// The target that is asked now, or was last; `None` if it is not there any more.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.route.targets.get(self.asked.get())
    }

    /// The name of its provider. One that is not there any more keeps its name.
    pub(crate) fn provider(&self) -> &Arc<str> {
        self.target().map_or(&self.facts.provider, |target| &target.provider.name)
    }

    /// The same for those who tell of the call.
    pub(crate) fn told(&self) -> Asked<'_> {
        match self.target() {
            Some(Target { provider, model, .. }) => Asked {
                provider: &provider.name,
                kind: provider.adapter.kind(),
                model,
                gen_ai: (provider.adapter.gen_ai_provider(), provider.adapter.gen_ai_operation()),
            },
            None => {
                let ResponseFacts { provider, provider_kind: kind, upstream_model: model, gen_ai, .. } =
                    &*self.facts;
                Asked { provider, kind, model, gen_ai: *gen_ai }
            }
        }
    }

    /// Whether these notes are of no loss that the request forbids.
    pub(crate) fn keeps(&self, notes: &[Note]) -> bool {
        !self.strict || !notes.iter().any(|note| note.kind.loses())
    }

    /// Bytes of the request, of what it refers to and of what was made so far, as far as they are known. From
    /// [`HEAVY`](crate::HEAVY) on nothing of it is worked on by an arbiter.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// It has so many now.
    pub(crate) fn set_bytes(&self, bytes: usize) {
        self.bytes.set(bytes);
    }
}
