//! Runs the server's tools.

mod actor;
mod messages;

pub use actor::ToolActor;
pub use messages::RunTool;
