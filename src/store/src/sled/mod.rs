//! Responses in sled: one tree, one thread that writes.

mod approvals;
mod cache;
mod confirmed;
mod db;
mod disk_space;
mod keys;
mod open;
mod pieces;
mod recovery;
mod retention;
mod rows;
mod store;
mod transfer;
mod writer;

pub use open::OnCorruption;
pub use store::{SledOptions, SledStore};
pub use transfer::{Export, Step, TransferError, import};
