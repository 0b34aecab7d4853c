//! The tables that are nothing but bounds.

mod key;
mod mcp;

pub use key::KeyLimits;
pub use mcp::McpLimits;
