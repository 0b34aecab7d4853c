//! The agentic loop as a pure state machine: inputs in, frames and the next action out.
//!
//! Every rule of the loop and of the event stream is here, so no caller can produce an illegal order.
//! Time comes in as an argument; nothing here reads, waits or logs.
#![warn(missing_docs)]

mod cache_diagnostics;
mod context;
mod contract;
mod event_log;
mod events;
mod items;
mod mcp;
mod response_loop;
mod retelling;
mod seal;
mod snapshot;
mod tool_round;
mod tool_rules;

pub use cache_diagnostics::{Prompt, compare_prompts};
pub use context::{Context, HistoryTurn, ServerThen, build_context};
pub use contract::{Action, Input, LoopSpec, Outcome, Output, Progress, Record, Saved};
pub use event_log::{EndedLog, ResumeError};
pub use events::ReasoningEvents;
pub use mcp::{
    ApprovalAnswer, ApprovalRequest, ApprovedCall, ListedTools, Mcp, McpFunction, OfferedServer,
    find_answers, function_names, listed_tools,
};
pub use response_loop::ResponseLoop;
pub use retelling::retell;
pub use seal::{Seal, Sealer};
pub use snapshot::{failed_response, short_response};
pub use tool_round::{CalledServer, LoopLimits, McpFault, ToolCall, ToolResult, ToolRound};
