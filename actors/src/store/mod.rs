//! The way to the store.

mod actor;

pub use actor::{Begun, Commit, LoadApproval, LoadChain, LoadResponse, MarkApproval, ReadLog, StoreActor};
