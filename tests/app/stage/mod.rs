//! The server itself in a test's process, with a history in memory, and what MCP tests have around it.

pub(crate) mod app;
pub(crate) mod collector;
pub(crate) mod mcp;
pub(crate) mod memory;
pub(crate) mod slow_store;
