//! Everything an operator can set, read once at start.
//!
//! [`Config`] is what the file, the environment and the command line say, with
//! every default filled in. [`Resolved`] adds what only the environment knows:
//! keys, and which providers can therefore be used.

mod address;
mod cli;
mod conformance_cli;
mod difference;
mod error;
mod header;
mod keys_cli;
mod lookup;
mod provider_state;
mod read;
mod resolved;
mod routing;
mod secret;
mod summary;
mod tables;

pub use or_actors::ToolLimits;
pub use or_keys::OwnLimits;
pub use or_store::OnCorruption;
pub use or_telemetry::LogFormat;
pub use or_tools::{HttpMethod as ToolMethod, Offer as ToolOffer};

pub use cli::{Cli, Command, Responses};
pub use conformance_cli::Conformance;
pub use difference::restart_wanted;
pub use error::{ConfigError, Origin};
pub use header::HeaderValue;
pub use keys_cli::{Expiry, Keys, KeysCommand, Settings as KeySettings};
pub use provider_state::{OffReason, Provider, ProviderState};
pub use read::env::Env;
use read::load::DEFAULT_FILE;
pub use read::load::Overrides;
pub use resolved::{ClientKey, Resolved, ResolvedMcp, ResolvedTool};
pub use routing::{Picked, Target};
pub use secret::{SealKey, Secret};
pub use tables::Config;
pub use tables::admin::Admin;
pub use tables::auth::{Auth, AuthKey, ClientProviderKeys};
pub use tables::background::Background;
pub use tables::limits::{KeyLimits, McpLimits};
pub use tables::mcp::{ApprovalLists, ApprovalWord, McpConfig, RequireApproval};
pub use tables::metrics::MetricsConfig;
pub use tables::middleware::{MiddlewareConfig, MiddlewareKind};
pub use tables::provider::{McpRunner, ProviderConfig, ProviderKind};
pub use tables::route::resilience::{OwnResilience, Resilience};
pub use tables::route::{Balance, Pattern, Route, RouteTarget, built_in_routes};
pub use tables::security::Security;
pub use tables::server::{ReasoningNames, Server};
pub use tables::store::Store;
pub use tables::tool::{Parameters, ToolConfig, ToolKind};
pub use tables::webhook::{WebhookConfig, WebhookLimits};

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
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
        assert_eq!(config.webhooks.keys().collect::<Vec<_>>(), ["app"]);
        assert_eq!(
            config.pick("glm-5").and_then(|picked| picked.targets().next()).map(|target| target.provider),
            Some("zai")
        );
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
        let missing: Vec<_> = read::schema::keys().filter(|key| !shown(key)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    #[test]
    fn the_reference_has_a_row_for_every_key_with_its_range() {
        let missing: Vec<_> =
            read::schema::rows().into_iter().filter(|row| !REFERENCE.contains(row)).collect();
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
