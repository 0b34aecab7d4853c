//! What has to be known before a response can begin: its context, its tools, its MCP servers.

pub(crate) mod approvals;
pub(crate) mod context;
mod mcp;
pub(crate) mod resume;
pub(crate) mod strict;

pub(crate) use mcp::{Unready, no_servers};
