//! The actors: one loop for each request, providers, tools, the store, and who watches over them.
//!
//! Data waits along its flow (every hop is bounded and awaited); control goes against it. From right to left:
//! `supervisor -> response -> node -> {mcp, tools} -> {client_keys, running, store} -> {provider, heavy, held, limits, owners, tokenizer}`.
#![warn(missing_docs)]

mod client_keys;
mod client_queue;
mod heavy;
mod held;
mod limits;
pub mod mcp;
mod node;
mod owners;
mod provider;
mod recording;
mod response;
mod running;
pub mod store;
mod supervisor;
mod tokenizer;
pub mod tools;

pub use client_keys::{ClientKeys, Shares};
pub use client_queue::ClientFrames;
pub use heavy::{Gone, Heavy, Place, WorkPanicked};
pub use held::{COST, Held};
pub use limits::{HEAVY, Limits, ToolLimits};
pub use node::{LiveNode, Node};
pub use owners::{OwnerLimits, Owners};
pub use provider::{
    Batch, BreakerRules, Breakers, CountTokens, Keys, ListModels, Pick, ProviderKey, ProviderSpec, Providers,
    RetryBudget, Route, RouteRules, Sample, SampleError, Sampled, Target, Transport,
};
pub use recording::Recording;
pub use response::{BackgroundJob, Job, LoopEnded, Reply, Routed, SavedRequest, Trail, read_along};
pub use running::{
    AskEnd, Cancel, CancelReason, EndAsked, Ending, Peek, Peeked, Phase, ReaderPlace, Readers, Running,
    RunningResponse, TooManyReaders,
};
pub use supervisor::{
    CountInput, CountJob, CountMethod, DiscoverModels, Discovery, Found, GoOn, InputCount, LoopSupervisor,
    StartResponse,
};
