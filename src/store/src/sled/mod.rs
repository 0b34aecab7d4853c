//! Responses in sled: one tree, one thread that writes.

mod approvals;
mod books;
mod cache;
mod confirmed;
mod db;
mod disk_space;
mod keys;
mod offline;
mod open;
mod pieces;
mod recovery;
mod retention;
mod rows;
mod store;
mod writer;

pub use offline::{Entry, Export, KeyShelf, Shelf, Step, TransferError, import};
pub use open::OnCorruption;
pub use store::{SledOptions, SledStore};
