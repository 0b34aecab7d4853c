//! The actors: one loop for each request, providers, the store, and who watches over them.
//!
//! Data waits along its flow (every hop is bounded and awaited); control goes against it.
#![warn(missing_docs)]

pub mod store;
