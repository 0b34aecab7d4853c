//! A store that no server has open, in the hands of an operator.

mod client_keys;
mod shelf;
mod transfer;

pub use client_keys::KeyShelf;
pub use shelf::{Entry, Shelf};
pub use transfer::{Export, Step, TransferError, import};
