//! Tools that the server runs itself: Rust code of a program that embeds it, HTTP endpoints, programs.
//!
//! A [`Registry`] holds what there is, [`ToolActor`] runs it. Whatever goes wrong in a tool becomes a text for
//! the model; the loop never sees an error.

mod actor;
mod answer;
mod command;
mod http;
mod registry;
mod run;
mod tool;
mod typed;
mod whole;

#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod run_tests;

pub use actor::ToolActor;
pub(crate) use answer::{head, limited};
pub use command::CommandTool;
pub(crate) use command::Group;
pub use http::{HttpMethod, HttpTool};
pub use registry::{AnyTool, Registry, RegistryError};
pub use run::ToolRun;
pub(crate) use run::{Failure, finished};
pub use tool::{Offer, Tool, ToolContext, ToolError, ToolFuture, ToolOutput, ToolSpec};
pub use typed::FunctionTool;
