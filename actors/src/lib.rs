//! The actors: one loop for each request, providers, the store, and who watches over them.
//!
//! Data waits along its flow (every hop is bounded and awaited); control goes against it.
#![warn(missing_docs)]

mod ask;
mod client;
mod count;
mod discovery;
mod drive;
mod job;
mod loop_actor;
mod mask;
mod messages;
pub mod metrics;
mod node;
mod play;
mod provider;
mod references;
pub mod store;
mod strict;
mod summary;
mod supervisor;
mod tokenizer;
mod turn;
mod upstream;

pub use count::{CountJob, CountMethod, InputCount};
pub use discovery::{Discovery, Found};
pub use job::{Job, ProviderKey, Reply};
pub use messages::{
    Batch, Cancel, CancelReason, CountInput, CountTokens, DiscoverModels, ListModels, LoopEnded, Sample,
    SampleError, Sampled, StartResponse,
};
pub use node::{Limits, Node, ProviderSpec, Transport};
pub use supervisor::LoopSupervisor;
