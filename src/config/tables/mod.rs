//! The tables of the configuration.

pub(super) mod admin;
pub(super) mod auth;
pub(super) mod background;
pub(super) mod limits;
pub(super) mod mcp;
pub(super) mod metrics;
pub(super) mod middleware;
pub(super) mod provider;
pub(super) mod route;
pub(super) mod security;
pub(super) mod server;
pub(super) mod store;
pub(super) mod tool;
pub(super) mod webhook;

use std::collections::BTreeMap;

use or_actors::ToolLimits;
use serde::{Deserialize, Serialize};

use admin::Admin;
use auth::Auth;
use background::Background;
use limits::{KeyLimits, McpLimits};
use mcp::McpConfig;
use metrics::{MetricsConfig, Telemetry};
use middleware::MiddlewareConfig;
use provider::ProviderConfig;
use route::Route;
use route::resilience::Resilience;
use security::Security;
use server::Server;
use store::Store;
use tool::ToolConfig;
use webhook::{WebhookConfig, WebhookLimits};

/// The whole configuration.
///
/// `Config::default()` is what a server without file, variables and options
/// runs with; `config.toml` in the repository spells it out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub auth: Auth,
    pub key_limits: KeyLimits,
    pub metrics: MetricsConfig,
    pub telemetry: Telemetry,
    pub admin: Admin,
    pub store: Store,
    pub background: Background,
    /// By name; always holds the built-in ones, as they are or as the user replaced them.
    pub providers: BTreeMap<String, ProviderConfig>,
    pub resilience: Resilience,
    pub security: Security,
    /// By name: what the server runs itself.
    pub tools: BTreeMap<String, ToolConfig>,
    /// By label.
    pub mcp: BTreeMap<String, McpConfig>,
    pub tool_limits: ToolLimits,
    pub mcp_limits: McpLimits,
    /// By name: who is told of background responses.
    pub webhooks: BTreeMap<String, WebhookConfig>,
    pub webhook_limits: WebhookLimits,
    /// In their order.
    pub middleware: Vec<MiddlewareConfig>,
    /// The user's own routes; the built-in ones are added by [`Config::pick`].
    pub routes: Vec<Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            auth: Auth::default(),
            key_limits: KeyLimits::default(),
            metrics: MetricsConfig::default(),
            telemetry: Telemetry::default(),
            admin: Admin::default(),
            store: Store::default(),
            background: Background::default(),
            providers: provider::built_in_providers(),
            resilience: Resilience::default(),
            security: Security::default(),
            tools: BTreeMap::new(),
            mcp: BTreeMap::new(),
            tool_limits: ToolLimits::default(),
            mcp_limits: McpLimits::default(),
            webhooks: BTreeMap::new(),
            webhook_limits: WebhookLimits::default(),
            middleware: Vec::new(),
            routes: Vec::new(),
        }
    }
}
