//! Rules that every provider needs, each of them once; where providers differ, the difference is data.

pub(crate) mod arguments;
pub(crate) mod custom_input;
pub(crate) mod error_body;
pub(crate) mod fields;
pub(crate) mod flat_tools;
pub(crate) mod hosted;
pub(crate) mod lenient;
pub(crate) mod media;
pub(crate) mod names;
pub(crate) mod openai_models;
pub(crate) mod quirks;
pub(crate) mod schema;
pub(crate) mod told;
pub(crate) mod tool_plan;
