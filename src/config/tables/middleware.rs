//! `[[middleware]]`: what stands between requests and models, in this order.

use std::collections::BTreeMap;
use std::time::Duration;

use or_middleware::{MiddlewareSpec, OnFailure};
use regex::Regex;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::config::header::HeaderValue;
use crate::config::tables::route::Pattern;

/// One middleware, as configured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MiddlewareConfig {
    pub kind: MiddlewareKind,
    /// For logs and metrics; the kind if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub on_failure: OnFailure,
    #[serde(default = "usual_timeout_ms")]
    pub timeout_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// Of the kind `webhook`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderValue>,
    /// The other keys of its kind.
    #[serde(flatten)]
    pub own: Table,
}

fn usual_timeout_ms() -> u64 {
    5000
}

/// Which middleware.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MiddlewareKind {
    AuditLog,
    ContentFilter,
    TurnLimit,
    RateLimit,
    SystemPrompt,
    Webhook,
}

impl MiddlewareKind {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuditLog => "audit_log",
            Self::ContentFilter => "content_filter",
            Self::TurnLimit => "turn_limit",
            Self::RateLimit => "rate_limit",
            Self::SystemPrompt => "system_prompt",
            Self::Webhook => "webhook",
        }
    }
}

impl MiddlewareConfig {
    /// What all kinds have in common.
    pub fn spec(&self) -> MiddlewareSpec {
        MiddlewareSpec {
            timeout: Duration::from_millis(self.timeout_ms),
            on_failure: self.on_failure,
            // It was compiled before.
            models: self.models.as_ref().and_then(|models| Regex::new(models.as_str()).ok()),
            clients: self.clients.clone(),
            ..MiddlewareSpec::new(self.name.as_deref().unwrap_or(self.kind.as_str()))
        }
    }
}
