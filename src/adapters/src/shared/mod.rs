//! Rules that every provider needs, each of them once; where providers differ, the difference is data.

pub(crate) mod fields;
pub(crate) mod flat_tools;
pub(crate) mod names;
pub(crate) mod tool_plan;
