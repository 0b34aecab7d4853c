//! Middlewares that a configuration can name.

mod audit_log;
mod content_filter;
mod rate_limit;
mod system_prompt;
mod turn_limit;
mod webhook;

pub use audit_log::{AuditContent, AuditLog, AuditLogOptions};
pub use content_filter::{
    ContentFilter, ContentFilterOptions, FilterAction, FilterPlace, FilterRule, MAX_MATCH_BYTES,
};
pub use rate_limit::{RateLimit, RateLimitOptions};
pub use system_prompt::{Position, SystemPrompt, SystemPromptOptions};
pub use turn_limit::{TurnLimit, TurnLimitOptions};
pub use webhook::{Webhook, WebhookHook, WebhookOptions};
