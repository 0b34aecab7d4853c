//! Limits of the responses.

use std::sync::Arc;
use std::time::Duration;

use or_engine::LoopLimits;
use serde::{Deserialize, Serialize};

use crate::owners::{OwnerLimits, Owners};

/// JSON from this size on is read, written and translated off the arbiter, in bytes.
pub const HEAVY: usize = 256 * 1024;

/// Limits of the loops.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Responses at the same time over all workers.
    pub max_concurrent_responses: usize,
    /// What a request's own body, the chain it continues and the items it refers to may have together, in bytes.
    pub max_context_bytes: u64,
    /// SSE comment after so much silence; also how long a stream's head waits for the provider.
    pub keepalive: Duration,
    /// A whole response.
    pub max_response: Duration,
    /// Of the output of one response, as JSON.
    pub max_output_bytes: u64,
    /// How often a background response's failed provider calls are made again.
    pub background_max_retries: u32,
    /// Longest pause before that.
    pub background_max_retry_delay: Duration,
    /// Of the turns and tool calls of one response.
    pub tools: ToolLimits,
    /// Clients that read the event log of one response at the same time.
    pub max_readers_per_response: usize,
    /// Background responses in progress at the same time over all workers.
    pub max_background: usize,
    /// Of each owner.
    pub owners: Arc<Owners>,
}

impl Limits {
    /// The shares of an owner.
    pub fn of_owner(&self, owner: &str) -> OwnerLimits {
        self.owners.of(owner)
    }
}

/// Limits of the tool loop of one response; 0: none. In a configuration the table `[tool_limits]`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolLimits {
    /// Turns whose calls are run; the model is then asked once more, without tools.
    pub max_turns: u32,
    /// Runs of tools.
    pub max_tool_calls: u32,
    /// Repetitions of a call that succeeded, in turns that follow each other.
    pub max_repeats: u32,
    /// Tokens of all turns, input and output.
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

impl ToolLimits {
    /// As the engine has them.
    pub(crate) fn of_loop(self) -> LoopLimits {
        let some = |limit: u32| if limit == 0 { u32::MAX } else { limit };
        LoopLimits {
            max_turns: some(self.max_turns),
            max_tool_calls: (self.max_tool_calls > 0).then_some(self.max_tool_calls),
            max_repeats: some(self.max_repeats),
            max_total_tokens: (self.max_total_tokens > 0).then_some(self.max_total_tokens),
            max_output_bytes: u64::MAX,
        }
    }
}
