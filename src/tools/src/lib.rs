//! Tools that the server runs itself: Rust code of a program that embeds it, HTTP endpoints, programs; and clients
//! of MCP servers.
//!
//! A [`Registry`] holds what there is. Whatever goes wrong in a tool becomes a text for the model; the loop never
//! sees an error.
#![warn(missing_docs)]

mod answer;
mod command;
mod http;
pub mod mcp;
mod places;
mod process;
mod registry;
mod run;
mod secrets;
mod tool;
mod typed;

#[cfg(test)]
mod tests;

pub use command::CommandTool;
pub use http::{HttpMethod, HttpTool, client};
pub use places::{Place, Places};
pub use process::{watch, watch_with};
pub use registry::{AnyTool, Registry, RegistryError};
pub use run::{Failure, ToolRequest, ToolRun, finished, run};
pub use tool::{Offer, Tool, ToolContext, ToolError, ToolFuture, ToolOutput, ToolSpec};
pub use typed::FunctionTool;
