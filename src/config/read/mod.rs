//! From file, environment and command line to one checked configuration.

pub(super) mod env;
mod links;
pub(super) mod load;
mod rule;
pub(super) mod schema;
