//! Open Responses server.

pub mod config;
