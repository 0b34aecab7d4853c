//! `[tool_limits]`: how long the loop of a response goes on.

use serde::{Deserialize, Serialize};

/// `[tool_limits]`: how long the loop of a response goes on; 0: no limit.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolLimits {
    /// Turns whose calls are run; the model is then asked once more, without tools.
    pub max_turns: u32,
    /// Runs of tools.
    pub max_tool_calls: u32,
    /// Repetitions of a call that succeeded, in turns that follow each other.
    pub max_repeats: u32,
    /// Input and output of all turns.
    pub max_total_tokens: u64,
    /// Runs of tools at the same time.
    pub max_concurrent_per_response: usize,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self {
            max_turns: 25,
            max_tool_calls: 100,
            max_repeats: 3,
            max_total_tokens: 0,
            max_concurrent_per_response: 8,
        }
    }
}
