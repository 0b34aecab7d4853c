//! Everything an operator can set, read once at start.
//!
//! [`Config`] is what the file, the environment and the command line say, with
//! every default filled in. [`Resolved`] adds what only the environment knows:
//! keys, and which providers can therefore be used.

mod cli;
mod env;
mod error;
mod load;
mod mcp;
mod mcp_limits;
mod provider;
mod resolved;
mod routes;
mod rule;
mod schema;
mod secret;
mod summary;
mod tool;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use or_telemetry::LogFormat;
use serde::{Deserialize, Deserializer, Serialize};

pub use cli::{Cli, Command};
pub use env::Env;
pub use error::{ConfigError, Origin};
pub use load::Overrides;
pub use mcp::{ApprovalLists, ApprovalWord, McpConfig, McpRunner, RequireApproval, ResolvedMcp};
pub use mcp_limits::McpLimits;
pub use provider::{HeaderValue, ProviderConfig, ProviderKind};
pub use resolved::{ClientKey, OffReason, Provider, ProviderState, Resolved};
pub use routes::{Pattern, Route, Target, built_in_routes};
pub use secret::Secret;
pub use tool::{Parameters, ResolvedTool, ToolConfig, ToolKind, ToolLimits, ToolMethod, ToolOffer};

/// The whole configuration.
///
/// `Config::default()` is what a server without file, variables and options
/// runs with; `config.toml` in the repository spells it out.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub auth: Auth,
    pub store: Store,
    pub background: Background,
    /// By name; always holds the built-in ones, as they are or as the user replaced them.
    pub providers: BTreeMap<String, ProviderConfig>,
    pub security: Security,
    /// By name: what the server runs itself.
    pub tools: BTreeMap<String, ToolConfig>,
    /// By label.
    pub mcp: BTreeMap<String, McpConfig>,
    pub tool_limits: ToolLimits,
    pub mcp_limits: McpLimits,
    /// The user's own routes; the built-in ones are added by [`Config::pick`].
    pub routes: Vec<Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            auth: Auth::default(),
            store: Store::default(),
            background: Background::default(),
            providers: provider::built_in_providers(),
            security: Security::default(),
            tools: BTreeMap::new(),
            mcp: BTreeMap::new(),
            tool_limits: ToolLimits::default(),
            mcp_limits: McpLimits::default(),
            routes: Vec::new(),
        }
    }
}

/// `[server]`: the listener, its limits and its clocks.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Refused by [`Config::resolve`] if it is not loopback and nobody has to show a key.
    #[serde(deserialize_with = "address")]
    pub bind: SocketAddr,
    pub allow_unauthenticated: bool,
    /// HTTP worker threads; 0: one per core, see [`Server::worker_count`].
    pub workers: usize,
    pub max_body_bytes: usize,
    pub max_concurrent_responses: usize,
    pub shutdown_grace_s: u64,
    pub keepalive_s: u64,
    pub client_write_timeout_s: u64,
    pub max_response_s: u64,
    /// How long a provider's list of models is believed; 0: nobody is asked.
    pub model_discovery_s: u64,
    pub cors_allowed_origins: Vec<String>,
    pub reasoning_events: ReasoningEvents,
    pub strict_translation: bool,
    pub log_format: LogFormat,
}

impl Server {
    /// How many HTTP workers to start: `workers`, or one per core if that is 0.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_s)
    }

    pub fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_s)
    }

    pub fn client_write_timeout(&self) -> Duration {
        Duration::from_secs(self.client_write_timeout_s)
    }

    pub fn max_response(&self) -> Duration {
        Duration::from_secs(self.max_response_s)
    }

    /// How long a provider's list of models is believed; `None`: nobody is asked.
    pub fn model_discovery(&self) -> Option<Duration> {
        (self.model_discovery_s > 0).then(|| Duration::from_secs(self.model_discovery_s))
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)),
            allow_unauthenticated: false,
            workers: 0,
            max_body_bytes: 64 * 1024 * 1024,
            max_concurrent_responses: 10_000,
            shutdown_grace_s: 30,
            keepalive_s: 15,
            client_write_timeout_s: 60,
            max_response_s: 3600,
            model_discovery_s: 300,
            cors_allowed_origins: Vec::new(),
            reasoning_events: ReasoningEvents::Spec,
            strict_translation: false,
            log_format: LogFormat::Auto,
        }
    }
}

/// Names of the events that carry a raw reasoning trace.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEvents {
    /// `response.reasoning.delta` and `.done`.
    Spec,
    /// `response.reasoning_text.delta` and `.done`.
    OpenAi,
}

/// `[auth]`: who may call the server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Variable with comma-separated keys, named `key-1`, `key-2`, …; empty: none.
    pub client_keys_env: String,
    pub client_provider_keys: ClientProviderKeys,
    pub keys: Vec<AuthKey>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            client_keys_env: String::new(),
            client_provider_keys: ClientProviderKeys::Allow,
            keys: Vec::new(),
        }
    }
}

/// Whether a request may bring its own provider key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientProviderKeys {
    Allow,
    Deny,
}

/// `[[auth.keys]]`: one client key, with the name that stored responses belong to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthKey {
    pub name: String,
    /// The variable that holds the key.
    pub key_env: String,
}

/// `[store]`: where responses are kept, and for how long.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// A relative path starts at the working directory.
    pub path: PathBuf,
    pub on_corruption: OnCorruption,
    /// 0: for ever, see [`Store::retention`].
    pub retention_days: u64,
    pub power_loss_safe: bool,
}

impl Store {
    /// How long a response is kept; `None`: for ever.
    pub fn retention(&self) -> Option<Duration> {
        match self.retention_days {
            0 => None,
            days => Some(Duration::from_secs(days * 24 * 60 * 60)),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            on_corruption: OnCorruption::Quarantine,
            retention_days: 30,
            power_loss_safe: false,
        }
    }
}

/// `[background]`: responses that run without their client.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Of failed provider calls, as long as nothing was output.
    pub max_retries: u32,
    pub max_retry_delay_s: u64,
}

impl Background {
    pub fn max_retry_delay(&self) -> Duration {
        Duration::from_secs(self.max_retry_delay_s)
    }
}

impl Default for Background {
    fn default() -> Self {
        Self { max_retries: 5, max_retry_delay_s: 60 }
    }
}

/// What to do at start with a store that is corrupt.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnCorruption {
    /// Move the folder aside and start with an empty one.
    Quarantine,
    /// Exit and leave everything as it is.
    Fail,
}

/// `[security]`: what URLs in a request may reach.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// `host:port` of private targets that are allowed all the same.
    pub allow_private_hosts: Vec<String>,
}

/// Reads `host:port`, where the host is an address or `localhost`.
///
/// Other names are refused: what they stand for is not known before the
/// network is asked, and the loopback rule needs to know.
fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_address(&text).ok_or_else(|| serde::de::Error::custom("not an address with a port"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pretty_assertions::assert_eq;

    use super::*;

    const SHOWN: &str = include_str!("../../config.toml");
    const REFERENCE: &str = include_str!("../../docs/configuration_reference.md");

    #[track_caller]
    fn check(text: &str, want: Config) {
        assert_eq!(Config::from_toml(text).unwrap(), want);
    }

    #[test]
    fn the_shown_file_says_what_the_defaults_are() {
        check(SHOWN, Config::default());
    }

    #[test]
    fn the_examples_in_the_shown_file_load() {
        let (_, examples) = SHOWN.split_once("# Examples").unwrap();
        let is_toml = |line: &&str| line.starts_with('[') || line.contains(" = ");
        let lines: Vec<_> =
            examples.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_toml).collect();
        let config = Config::from_toml(&format!("{SHOWN}\n{}", lines.join("\n"))).unwrap();
        let added = config.providers.keys().filter(|name| !Config::default().providers.contains_key(*name));
        assert_eq!(added.collect::<Vec<_>>(), ["groq", "mistral", "my-vllm", "openrouter", "zai"]);
        assert_eq!(config.tools.keys().collect::<Vec<_>>(), ["get_weather", "word_count"]);
        assert_eq!(config.mcp.keys().collect::<Vec<_>>(), ["docs", "files"]);
        assert_eq!(config.pick("glm-5").map(|target| target.provider), Some("zai"));
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        check("", Config::default());
    }

    #[test]
    fn the_shown_file_shows_every_key() {
        let shown = |key: &str| {
            let last = key.rsplit('.').next().unwrap_or(key);
            last.starts_with('<')
                || SHOWN.lines().any(|l| l.trim_start_matches("# ").starts_with(&format!("{last} =")))
        };
        let missing: Vec<_> = schema::keys().filter(|key| !shown(key)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn the_reference_has_a_row_for_every_key_with_its_range() {
        let missing: Vec<_> = schema::rows().into_iter().filter(|row| !REFERENCE.contains(row)).collect();
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn localhost_is_an_address_to_bind() {
        let mut want = Config::default();
        want.server.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        check("server.bind = \"localhost:8080\"", want);
    }

    #[test]
    fn zero_retention_days_keep_responses_for_ever() {
        let mut want = Config::default();
        want.store.retention_days = 0;
        assert_eq!(want.store.retention(), None);
        check("[store]\nretention_days = 0", want);
    }

    #[test]
    fn the_default_store_is_beside_the_process() {
        assert_eq!(Config::default().store.path, Path::new("data"));
    }
}
