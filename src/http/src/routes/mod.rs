//! A file for each resource: its handlers, and how their outcome is told.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod input_items;
pub(crate) mod input_tokens;
mod keyed;
pub(crate) mod models;
pub(crate) mod monitor;
pub(crate) mod page;
pub(crate) mod retrieve;
