//! The way to the store.

mod actor;
mod messages;

pub use actor::StoreActor;
pub use messages::{Begun, Commit, LoadApproval, LoadChain, LoadResponse, MarkApproval, ReadLog};
