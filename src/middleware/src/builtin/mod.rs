//! Middlewares that a configuration can name.

mod content_filter;
mod system_prompt;
mod turn_limit;

pub use content_filter::{
    ContentFilter, ContentFilterOptions, FilterAction, FilterPlace, FilterRule, MAX_MATCH_BYTES,
};
pub use system_prompt::{Position, SystemPrompt, SystemPromptOptions};
pub use turn_limit::{TurnLimit, TurnLimitOptions};
