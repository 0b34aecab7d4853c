//! From file, environment and command line to one checked configuration.

pub(super) mod env;
mod keys;
mod links;
pub(super) mod load;
mod routes;
mod rule;
pub(super) mod schema;
