//! From file, environment and command line to one [`Config`].
//!
//! Later layers win: built-in providers, the file, `OR__…` variables, options.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::env::{self, Env};
use super::{links, schema};
use crate::config::address::parse_address;
use crate::config::error::{ConfigError, Origin};
use crate::config::tables::{Config, provider, route};

/// Read if no file is named and this one is in the working directory.
pub(crate) const DEFAULT_FILE: &str = "config.toml";

/// Sections of tables whose names are the user's choice.
const NAMED: [&str; 4] = ["providers", "tools", "mcp", "webhooks"];

/// What the command line says over everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// For `server.bind`.
    pub bind: Option<String>,
    /// For `store.path`.
    pub data: Option<PathBuf>,
}

impl Config {
    /// Loads the configuration.
    ///
    /// A file that is named must exist; without a name, `config.toml` in the
    /// working directory is read if it is there.
    pub fn load(path: Option<&Path>, env: &Env, overrides: &Overrides) -> Result<Self, ConfigError> {
        let (text, origin) = match read(path.unwrap_or(Path::new(DEFAULT_FILE)))? {
            Some(read) => read,
            None if path.is_none() => (String::new(), Origin::Given),
            None => return Err(ConfigError::NoFile { path: path.unwrap_or(Path::new("")).into() }),
        };
        let mut config = layer(&text, &origin, env)?;
        if let Some(bind) = &overrides.bind {
            config.server.bind = parse_address(bind).ok_or_else(|| ConfigError::BadValue {
                key: "server.bind".into(),
                origin: Origin::Argument("--bind"),
                problem: "must be an address with a port, such as `127.0.0.1:4000`".into(),
            })?;
        }
        if let Some(data) = &overrides.data {
            config.store.path.clone_from(data);
        }
        Ok(config)
    }

    /// Reads TOML text as if it were the file, without environment and options.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        layer(text, &Origin::Given, &Env::default())
    }

    /// Checks a configuration that was made in code by the rules for a file.
    pub fn check(&self) -> Result<(), ConfigError> {
        let table = Table::try_from(self).map_err(|source| ConfigError::Unserialisable { source })?;
        schema::check(&table, &Origin::Given)?;
        links::check(self, &|_| Origin::Given)
    }
}

fn read(path: &Path) -> Result<Option<(String, Origin)>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((text, Origin::File(path.into())))),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { path: path.into(), source }),
    }
}

fn layer(text: &str, origin: &Origin, env: &Env) -> Result<Config, ConfigError> {
    let syntax = |source| ConfigError::Syntax { origin: origin.clone(), source };
    let mut table: Table = text.parse().map_err(syntax)?;
    schema::check(&table, origin)?;

    provider::add_built_in(&mut table);
    provider::complete(&mut table);
    let in_file = named_tables(&table);
    let set_by = env::apply(env, &mut table)?;
    provider::complete(&mut table);

    let mut config: Config = table.try_into().map_err(|source| ConfigError::Shape { source })?;
    config.routes = route::without_built_in(config.routes);
    for provider in config.providers.values_mut() {
        provider.base_url.truncate(provider.base_url.trim_end_matches('/').len());
    }
    links::check(&config, &|key| origin_of(key, origin, &set_by, &in_file))?;
    Ok(config)
}

/// Paths of the tables whose names are the user's choice, in a checked file.
fn named_tables(file: &Table) -> BTreeSet<String> {
    let names = |section: &'static str| {
        let names = file.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys);
        names.map(move |name| format!("{section}.{name}"))
    };
    NAMED.into_iter().flat_map(names).collect()
}

/// Where the value of a key comes from, or the table that should have it.
fn origin_of(
    key: &str,
    file: &Origin,
    set_by: &BTreeMap<String, String>,
    in_file: &BTreeSet<String>,
) -> Origin {
    let set_here = |(path, _): &(&String, &String)| key == *path || key.starts_with(&format!("{path}["));
    let made_here = |(path, _): &(&String, &String)| match key.rsplit_once('.') {
        Some((table, _)) => {
            let named = table.split_once('.').is_some_and(|(section, _)| NAMED.contains(&section));
            named && !in_file.contains(table) && path.starts_with(&format!("{table}."))
        }
        None => false,
    };
    let variable = set_by.iter().find(set_here).or_else(|| set_by.iter().find(made_here));
    variable.map_or_else(|| file.clone(), |(_, variable)| Origin::Variable(variable.clone()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::{McpRunner, OnCorruption, ProviderKind};

    /// Loads a file with this text; `change` makes the defaults what is wanted.
    #[track_caller]
    fn check(text: &str, env: &[(&str, &str)], change: impl FnOnce(&mut Config)) {
        let mut want = Config::default();
        change(&mut want);
        assert_eq!(load(text, env, &Overrides::default()).unwrap(), want);
    }

    #[track_caller]
    fn check_error(text: &str, env: &[(&str, &str)], want: &str) {
        let error = load(text, env, &Overrides::default()).unwrap_err();
        assert_eq!(error.to_string(), want);
    }

    fn load(text: &str, env: &[(&str, &str)], overrides: &Overrides) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = Config::load(Some(&path), &env.iter().copied().collect(), overrides);
        loaded.map_err(|error| match error {
            ConfigError::UnknownKey { key, nearest, origin: Origin::File(_) } => {
                ConfigError::UnknownKey { key, nearest, origin: Origin::File("c.toml".into()) }
            }
            ConfigError::MissingKey { key, nearest, origin: Origin::File(_) } => {
                ConfigError::MissingKey { key, nearest, origin: Origin::File("c.toml".into()) }
            }
            ConfigError::UnknownProvider { key, provider, nearest, origin: Origin::File(_) } => {
                ConfigError::UnknownProvider { key, provider, nearest, origin: Origin::File("c.toml".into()) }
            }
            error => error,
        })
    }

    #[test]
    fn the_environment_overrides_the_file() {
        check(
            "[server]\nworkers = 2\nkeepalive_s = 5\n[store]\non_corruption = 'fail'",
            &[("OR__SERVER__WORKERS", "3")],
            |want| {
                want.server.workers = 3;
                want.server.keepalive_s = 5;
                want.store.on_corruption = OnCorruption::Fail;
            },
        );
    }

    #[test]
    fn one_key_of_a_built_in_provider_can_be_overridden() {
        check("", &[("OR__PROVIDERS__OPENAI__BASE_URL", "http://127.0.0.1:9/v1/")], |want| {
            want.providers.get_mut("openai").unwrap().base_url = "http://127.0.0.1:9/v1".into();
        });
    }

    #[test]
    fn a_file_replaces_a_built_in_provider_as_a_whole() {
        check("[providers.openai]\nkind = 'openai-chat'\nbase_url = 'http://x/v1'", &[], |want| {
            let openai = want.providers.get_mut("openai").unwrap();
            openai.kind = ProviderKind::new("openai-chat");
            openai.base_url = "http://x/v1".into();
            openai.api_key_env = String::new();
        });
    }

    #[test]
    fn a_provider_can_be_made_of_variables_alone() {
        let env = [
            ("OR__PROVIDERS__GROQ__KIND", "openai-chat"),
            ("OR__PROVIDERS__GROQ__BASE_URL", "https://api.groq.com/openai/v1"),
        ];
        check("", &env, |want| {
            let groq = crate::config::ProviderConfig {
                kind: ProviderKind::new("openai-chat"),
                base_url: "https://api.groq.com/openai/v1".into(),
                ..Default::default()
            };
            want.providers.insert("groq".into(), groq);
        });
    }

    #[test]
    fn options_win_over_the_environment() {
        let overrides = Overrides { bind: Some("127.0.0.1:3".into()), data: Some("elsewhere".into()) };
        let env = [("OR__SERVER__BIND", "127.0.0.1:2"), ("OR__STORE__PATH", "there")];
        let got = load("server.bind = '127.0.0.1:1'", &env, &overrides).unwrap();
        assert_eq!((got.server.bind.port(), got.store.path), (3, "elsewhere".into()));
    }

    #[test]
    fn a_bad_bind_option_is_refused_by_name() {
        let overrides = Overrides { bind: Some("4000".into()), data: None };
        assert_eq!(
            load("", &[], &overrides).unwrap_err().to_string(),
            "`server.bind` in the option `--bind` must be an address with a port, such as `127.0.0.1:4000`"
        );
    }

    #[test]
    fn a_named_file_must_exist() {
        let error = Config::load(Some(Path::new("no/such.toml")), &Env::default(), &Overrides::default());
        assert_eq!(error.unwrap_err().to_string(), "the config file `no/such.toml` does not exist");
    }

    #[test]
    fn an_unknown_key_names_the_file() {
        check_error("[store]\nretention = 3", &[], "unknown key `store.retention` in the file `c.toml`");
        check_error(
            "[store]\nretention_day = 3",
            &[],
            "unknown key `store.retention_day` in the file `c.toml`; did you mean `store.retention_days`?",
        );
    }

    #[test]
    fn a_route_to_an_unknown_provider_is_refused_with_the_nearest() {
        check_error(
            "[[routes]]\npattern = '^x'\nprovider = 'antropic'",
            &[],
            "`routes[0].provider` in the file `c.toml` names the provider `antropic`, which is not configured; \
             did you mean `anthropic`?",
        );
        check_error(
            "",
            &[("OR__ROUTES", "[{ pattern = '^x', provider = 'zai' }]")],
            "`routes[0].provider` in the variable `OR__ROUTES` names the provider `zai`, which is not configured",
        );
    }

    #[test]
    fn a_misspelt_provider_in_a_variable_is_refused_with_the_nearest() {
        check_error(
            "",
            &[("OR__PROVIDERS__OPENIA__BASE_URL", "http://x/v1")],
            "`providers.openia.kind` is missing in the variable `OR__PROVIDERS__OPENIA__BASE_URL`; \
             did you mean `providers.openai`?",
        );
    }

    #[test]
    fn a_misspelt_tool_in_a_variable_is_refused_with_the_nearest() {
        check_error(
            "[tools.weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://x'",
            &[("OR__TOOLS__WETHER__URL", "http://y")],
            "`tools.wether.kind` is missing in the variable `OR__TOOLS__WETHER__URL`; \
             did you mean `tools.weather`?",
        );
    }

    #[test]
    fn a_misspelt_mcp_server_in_a_variable_is_refused_with_the_nearest() {
        check_error(
            "[mcp.deepwiki]\nurl = 'http://x/mcp'",
            &[("OR__MCP__DEPWIKI__TIMEOUT_S", "5")],
            "`mcp.depwiki.url` or `mcp.depwiki.command` is missing in the variable `OR__MCP__DEPWIKI__TIMEOUT_S`; \
             did you mean `mcp.deepwiki`?",
        );
    }

    #[test]
    fn mcp_is_left_only_to_a_kind_that_can_run_it() {
        check("", &[("OR__PROVIDERS__OPENAI__MCP", "provider")], |want| {
            want.providers.get_mut("openai").unwrap().mcp = McpRunner::Provider;
        });
        check("[providers.mine]\nkind = 'my-adapter'\nmcp = 'provider'", &[], |want| {
            let kind = ProviderKind::new("my-adapter");
            let mcp = McpRunner::Provider;
            let mine = crate::config::ProviderConfig { kind, mcp, ..Default::default() };
            want.providers.insert("mine".into(), mine);
        });
        check_error(
            "",
            &[("OR__PROVIDERS__ANTHROPIC__MCP", "provider")],
            "`providers.anthropic.mcp` in the variable `OR__PROVIDERS__ANTHROPIC__MCP` \
             cannot be `provider` for the kind `anthropic`",
        );
    }

    #[test]
    fn a_compatible_host_needs_a_base_url() {
        check_error(
            "[providers.x]\nkind = 'openai-chat'",
            &[],
            "`providers.x.base_url` is missing in the file `c.toml`",
        );
    }

    #[test]
    fn a_kind_of_the_users_own_needs_no_base_url() {
        check("[providers.mine]\nkind = 'my-adapter'", &[], |want| {
            let mine =
                crate::config::ProviderConfig { kind: ProviderKind::new("my-adapter"), ..Default::default() };
            want.providers.insert("mine".into(), mine);
        });
    }

    #[test]
    fn what_is_not_toml_says_where() {
        let error = Config::from_toml("[server\n").unwrap_err();
        assert_eq!(error.to_string(), "the given configuration is not valid TOML");
    }

    #[test]
    fn a_configuration_made_in_code_is_checked_like_a_file() {
        let mut config = Config::default();
        assert!(config.check().is_ok());
        config.server.workers = 5000;
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "`server.workers` in the given configuration must be from 0 to 1024, found 5000"
        );
    }
}
