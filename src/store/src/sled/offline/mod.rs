//! A store that no server has open, in the hands of an operator.

mod shelf;
mod transfer;

pub use shelf::{Entry, Shelf};
pub use transfer::{Export, Step, TransferError, import};
