//! The store's actor: one per arbiter, all in front of the same store.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;
use or_store::Store;

use super::messages::AskStore;

/// Asks the store. A panic in the store answers that one call with an error.
pub(super) struct StoreActor {
    store: Arc<dyn Store>,
}

impl StoreActor {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Each waiting commit is one response; their number is bounded by admission.
        ctx.set_mailbox_capacity(1024);
    }
}

impl<T: Send + 'static> Handler<AskStore<T>> for StoreActor {
    type Result = ResponseFuture<T>;

    fn handle(&mut self, message: AskStore<T>, _: &mut Self::Context) -> Self::Result {
        let AskStore { call, panicked } = message;
        let store = Arc::clone(&self.store);
        let work = AssertUnwindSafe(async move { call(&*store).await }).catch_unwind();
        Box::pin(work.map(|done| done.unwrap_or(panicked)))
    }
}
