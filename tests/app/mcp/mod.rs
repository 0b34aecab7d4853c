//! MCP servers: who names them, what their tools do in a loop, and what may go wrong.

mod approvals;
mod errors;
mod interruptions;
mod owners;
mod provider;
mod rounds;
mod security;
mod servers;
