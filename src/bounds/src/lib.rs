//! Bounds of the whole server: what all requests together may hold.

mod budget;
mod memory;

pub use budget::{Budget, Full, Reservation};
pub use memory::usable_memory;
