//! What a `StoreActor` is asked.

use std::fmt;

use actix::Message;
use or_store::{Store, StoreFuture};

/// A call of the store.
pub type StoreCall<T> = Box<dyn FnOnce(&dyn Store) -> StoreFuture<T> + Send>;

/// Asks the store. Sent through a [`StoreHandle`](super::StoreHandle) by loops, by the work of their
/// supervisor, and by HTTP handlers.
///
/// The reply is what the store says of it.
#[derive(Message)]
#[rtype(result = "T")]
pub struct AskStore<T: 'static> {
    /// The call.
    pub call: StoreCall<T>,
    /// The reply if the call panics.
    pub panicked: T,
}

impl<T: 'static> fmt::Debug for AskStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskStore").finish_non_exhaustive()
    }
}
