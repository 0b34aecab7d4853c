//! The tables of the configuration.

pub(super) mod mcp;
pub(super) mod mcp_limits;
pub(super) mod provider;
pub(super) mod route;
pub(super) mod tool;
