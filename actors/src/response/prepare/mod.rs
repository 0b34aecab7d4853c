//! What has to be known before a response can begin: its context, its tools, its MCP servers. A request that is only
//! counted is prepared in the same way.

pub(crate) mod approvals;
mod begin;
mod context;
mod diagnostics;
mod quota;
mod resume;
mod states;
pub(crate) mod strict;
mod tools;

pub(crate) use begin::{Preparation, Prepared};
pub(crate) use context::{Loaded, Loader};
pub(crate) use resume::job;
pub(crate) use tools::{Purpose, ReadyTools, WantedTools, ready_tools};
