//! The way to the store: an actor on each arbiter, behind a handle.

mod actor;
mod handle;
mod messages;

pub use handle::StoreHandle;
pub use messages::{AskStore, StoreCall};
