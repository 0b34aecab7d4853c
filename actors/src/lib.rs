//! The actors: one loop for each request, providers, the store, and who watches over them.
//!
//! Data waits along its flow (every hop is bounded and awaited); control goes against it.
#![warn(missing_docs)]

mod approvals;
mod ask;
mod background;
mod client;
mod control;
mod count;
mod discovery;
mod drive;
mod ending;
mod event_log;
mod interrupts;
mod job;
mod keeping;
mod loop_actor;
mod mask;
pub mod mcp;
mod mcp_round;
mod messages;
mod node;
mod play;
mod provider;
mod reader;
mod references;
mod resume;
pub mod store;
mod strict;
mod summary;
mod supervisor;
mod tokenizer;
mod tool_media;
mod tool_round;
pub mod tools;
mod turn;
mod upstream;

pub use count::{CountJob, CountMethod, InputCount};
pub use discovery::{Discovery, Found};
pub use ending::Ending;
pub use job::{BackgroundJob, Job, ProviderKey, Reply, Routed};
pub use messages::{
    AskEnd, Batch, CallMcpTool, Cancel, CancelReason, CountInput, CountTokens, DiscoverModels, EndAsked,
    GoOn, ListMcpTools, ListModels, LoopEnded, Peek, Peeked, RunTool, Sample, SampleError, Sampled,
    StartResponse,
};
pub use node::{Limits, Node, ProviderSpec, ToolLimits, Transport};
pub use reader::read_along;
pub use resume::ResumeData;
pub use supervisor::LoopSupervisor;
