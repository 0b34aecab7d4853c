//! Runs the server's tools.

mod actor;

pub use actor::ToolActor;
