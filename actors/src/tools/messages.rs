//! What a `ToolActor` is asked.

use actix::Message;
use or_tools::{ToolRequest, ToolRun};

/// Runs a tool of the server. Sent by a `LoopActor` to the `ToolActor` of its arbiter.
///
/// The reply always has a result for the model; what went wrong is said there. Dropping the other end of `gone`
/// ends the tool at any time.
#[derive(Debug, Message)]
#[rtype(result = "ToolRun")]
pub struct RunTool(
    /// What to run; `gone` resolves when the loop is gone.
    pub ToolRequest,
);
