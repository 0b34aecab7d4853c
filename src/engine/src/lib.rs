//! The agentic loop as a pure state machine: inputs in, frames and actions out.
//!
//! Every rule of the loop and of the event stream is here, so no caller can produce an illegal order.
//! Time comes in as an argument; nothing here reads, waits or logs.
#![warn(missing_docs)]

mod assembly;
mod calls;
mod context;
mod events;
mod growth;
mod hosted;
mod io;
mod log;
mod mcp;
mod parts;
mod replay;
mod response_loop;
mod rounds;
mod snapshot;
mod tools;

pub use context::{Context, HistoryTurn, ServerThen, build_context};
pub use events::ReasoningEvents;
pub use io::{Action, Input, LoopSpec, Outcome, Output, Progress, Record};
pub use log::{EndedLog, ResumeError};
pub use mcp::{
    ApprovalAnswer, ApprovalRequest, ApprovedCall, ListedTools, Mcp, McpFunction, McpServer, find_answers,
    function_names, listed_tools,
};
pub use response_loop::{ResponseLoop, Saved};
pub use rounds::{LoopLimits, McpCall, McpFault, ToolCall, ToolResult, ToolRound};
