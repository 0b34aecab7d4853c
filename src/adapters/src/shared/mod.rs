//! Rules that hold for every provider.

pub(crate) mod fields;
pub(crate) mod flat_tools;
pub(crate) mod tool_plan;
