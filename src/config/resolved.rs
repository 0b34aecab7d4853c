//! The configuration with its keys: what the server runs with.

use std::collections::BTreeMap;
use std::fmt;

use super::lookup::{header_values, secret, variables};
use super::{
    ClientProviderKeys, Config, ConfigError, Env, McpConfig, ProviderConfig, Secret, ToolConfig, ToolKind,
};

/// A configuration, and what the environment adds to it.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: Config,
    /// Empty: nobody has to show a key.
    pub client_keys: Vec<ClientKey>,
    /// The providers of the configuration, by the same names.
    pub providers: BTreeMap<String, Provider>,
    /// The tools of the configuration, by the same names.
    pub tools: BTreeMap<String, ResolvedTool>,
    /// The MCP servers of the configuration, by the same labels.
    pub mcp: BTreeMap<String, ResolvedMcp>,
}

/// A key that clients may show as `Authorization: Bearer`.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// Owner of what is stored under this key. Unique.
    pub name: String,
    /// Unique.
    pub key: Secret,
}

/// One provider and whether it can be used.
#[derive(Clone, Debug)]
pub struct Provider {
    pub config: ProviderConfig,
    pub state: ProviderState,
    /// The extra headers with their values; empty if the provider is off.
    pub headers: Vec<(String, Secret)>,
}

/// Whether calls to a provider may be made, and with what.
#[derive(Clone, Debug)]
pub enum ProviderState {
    /// With the server's key, or with none if the provider needs none.
    On {
        key: Option<Secret>,
    },
    /// The server has no key: only for clients that bring their own.
    ClientKeyOnly,
    Off(OffReason),
}

/// One tool, and what the environment adds to it.
#[derive(Clone, Debug)]
pub struct ResolvedTool {
    pub config: ToolConfig,
    pub headers: Vec<(String, Secret)>,
    /// What its program finds in its environment.
    pub environment: Vec<(String, Secret)>,
}

impl ResolvedTool {
    fn new(name: &str, config: &ToolConfig, env: &Env) -> Result<Self, ConfigError> {
        let headers = header_values(&format!("tools.{name}.headers"), &config.headers, env)?;
        let passed = match config.kind {
            Some(ToolKind::Command) => config.env.as_slice(),
            Some(ToolKind::Http) | None => &[],
        };
        let environment = variables(env, &format!("tools.{name}.env"), passed)?;
        Ok(Self { config: config.clone(), headers, environment })
    }
}

/// One MCP server, and what the environment adds to it.
#[derive(Clone, Debug)]
pub struct ResolvedMcp {
    pub config: McpConfig,
    pub headers: Vec<(String, Secret)>,
    /// What its program finds in its environment; empty if it has none.
    pub environment: Vec<(String, Secret)>,
}

impl ResolvedMcp {
    fn new(label: &str, config: &McpConfig, env: &Env) -> Result<Self, ConfigError> {
        let headers = header_values(&format!("mcp.{label}.headers"), &config.headers, env)?;
        let passed = if config.command.is_empty() { &[] } else { config.env.as_slice() };
        let environment = variables(env, &format!("mcp.{label}.env"), passed)?;
        Ok(Self { config: config.clone(), headers, environment })
    }
}

/// Why a provider is off. `Display` is a text for users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OffReason {
    Disabled,
    NoKey { variable: String },
}

impl fmt::Display for OffReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("`enabled` is false"),
            Self::NoKey { variable } => write!(f, "the variable `{variable}` is not set"),
        }
    }
}

impl Config {
    /// Takes the keys out of the environment and decides who may call what.
    ///
    /// Fails if a client key or a header names a variable that is unset, and
    /// if the server would be open to the network without client keys.
    pub fn resolve(self, env: &Env) -> Result<Resolved, ConfigError> {
        self.check()?;
        let client_keys = self.client_keys(env)?;
        let loopback = self.server.bind.ip().to_canonical().is_loopback();
        if client_keys.is_empty() && !loopback && !self.server.allow_unauthenticated {
            return Err(ConfigError::OpenBind { bind: self.server.bind });
        }
        let mut providers = BTreeMap::new();
        for (name, provider) in &self.providers {
            let state = state(name, provider, self.auth.client_provider_keys, env)?;
            let headers = match state {
                ProviderState::Off(_) => Vec::new(),
                ProviderState::On { .. } | ProviderState::ClientKeyOnly => {
                    header_values(&format!("providers.{name}.headers"), &provider.headers, env)?
                }
            };
            providers.insert(name.clone(), Provider { config: provider.clone(), state, headers });
        }
        let mut tools = BTreeMap::new();
        for (name, tool) in &self.tools {
            tools.insert(name.clone(), ResolvedTool::new(name, tool, env)?);
        }
        let mut mcp = BTreeMap::new();
        for (label, server) in &self.mcp {
            mcp.insert(label.clone(), ResolvedMcp::new(label, server, env)?);
        }
        Ok(Resolved { config: self, client_keys, providers, tools, mcp })
    }

    fn client_keys(&self, env: &Env) -> Result<Vec<ClientKey>, ConfigError> {
        let mut keys = Vec::new();
        if !self.auth.client_keys_env.is_empty() {
            let list = secret(env, "auth.client_keys_env", &self.auth.client_keys_env)?;
            let values = list.expose().split(',').map(str::trim).filter(|value| !value.is_empty());
            keys.extend(
                (1..)
                    .zip(values)
                    .map(|(n, value)| ClientKey { name: format!("key-{n}"), key: Secret::new(value) }),
            );
            if keys.is_empty() {
                let variable = self.auth.client_keys_env.clone();
                return Err(ConfigError::UnsetVariable { key: "auth.client_keys_env".into(), variable });
            }
        }
        for (index, named) in self.auth.keys.iter().enumerate() {
            let key = secret(env, &format!("auth.keys[{index}].key_env"), &named.key_env)?;
            keys.push(ClientKey { name: named.name.clone(), key });
        }
        for (index, later) in keys.iter().enumerate() {
            for earlier in &keys[..index] {
                if earlier.name == later.name {
                    return Err(ConfigError::DuplicateClientName { name: later.name.clone() });
                }
                if earlier.key.expose() == later.key.expose() {
                    let (first, second) = (earlier.name.clone(), later.name.clone());
                    return Err(ConfigError::DuplicateClientKey { first, second });
                }
            }
        }
        Ok(keys)
    }
}

fn state(
    name: &str,
    provider: &ProviderConfig,
    client_keys: ClientProviderKeys,
    env: &Env,
) -> Result<ProviderState, ConfigError> {
    let variable = provider.api_key_env.as_str();
    Ok(match (provider.enabled, variable, env.get(variable), client_keys) {
        (false, ..) => ProviderState::Off(OffReason::Disabled),
        (true, "", ..) => ProviderState::On { key: None },
        (true, _, Some(_), _) => {
            let key = secret(env, &format!("providers.{name}.api_key_env"), variable)?;
            ProviderState::On { key: Some(key) }
        }
        (true, _, None, ClientProviderKeys::Allow) => ProviderState::ClientKeyOnly,
        (true, _, None, ClientProviderKeys::Deny) => {
            ProviderState::Off(OffReason::NoKey { variable: variable.into() })
        }
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn resolve(toml: &str, env: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
        Config::from_toml(toml).unwrap().resolve(&env.iter().copied().collect())
    }

    /// `want` is `on`, `on with <key>`, `client key only`, or why it is off.
    #[track_caller]
    fn check_provider(toml: &str, env: &[(&str, &str)], name: &str, want: &str) {
        let got = match &resolve(toml, env).unwrap().providers[name].state {
            ProviderState::On { key: None } => "on".into(),
            ProviderState::On { key: Some(key) } => format!("on with {}", key.expose()),
            ProviderState::ClientKeyOnly => "client key only".into(),
            ProviderState::Off(reason) => reason.to_string(),
        };
        assert_eq!(got, want);
    }

    #[track_caller]
    fn check_client_keys(toml: &str, env: &[(&str, &str)], want: &[(&str, &str)]) {
        let resolved = resolve(toml, env).unwrap();
        let got: Vec<_> =
            resolved.client_keys.iter().map(|key| (key.name.as_str(), key.key.expose())).collect();
        assert_eq!(got, want);
    }

    #[track_caller]
    fn check_error(toml: &str, env: &[(&str, &str)], want: &str) {
        assert_eq!(resolve(toml, env).unwrap_err().to_string(), want);
    }

    #[test]
    fn a_provider_with_its_key_is_on() {
        check_provider("", &[("OPENAI_API_KEY", "sk-1\n")], "openai", "on with sk-1");
    }

    #[test]
    fn a_provider_that_needs_no_key_is_on() {
        check_provider("", &[], "ollama", "on");
        check_provider("", &[], "demo", "on");
    }

    #[test]
    fn a_provider_without_its_key_waits_for_a_clients_key() {
        check_provider("", &[("OPENAI_API_KEY", "")], "openai", "client key only");
    }

    #[test]
    fn a_provider_without_its_key_is_off_if_clients_may_bring_none() {
        check_provider(
            "auth.client_provider_keys = 'deny'",
            &[],
            "openai",
            "the variable `OPENAI_API_KEY` is not set",
        );
    }

    #[test]
    fn a_disabled_provider_is_off_even_with_a_key() {
        let disabled = "providers.openai.enabled = false";
        check_provider(disabled, &[("OPENAI_API_KEY", "sk-1")], "openai", "`enabled` is false");
    }

    #[test]
    fn a_list_of_client_keys_is_numbered() {
        let want = [("key-1", "a"), ("key-2", "b")];
        check_client_keys("auth.client_keys_env = 'KEYS'", &[("KEYS", "a, b,")], &want);
    }

    #[test]
    fn named_client_keys_come_with_their_names() {
        let toml = "[auth]\nclient_keys_env = 'KEYS'\n[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'";
        check_client_keys(toml, &[("KEYS", "a"), ("ANN", "b")], &[("key-1", "a"), ("ann", "b")]);
    }

    #[test]
    fn a_client_key_that_is_not_there_is_refused() {
        let key = "[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'";
        let want = "`auth.keys[0].key_env` names the variable `ANN`, which is not set or empty";
        check_error(key, &[], want);
        let want = "`auth.client_keys_env` names the variable `KEYS`, which is not set or empty";
        check_error("auth.client_keys_env = 'KEYS'", &[("KEYS", " , ")], want);
    }

    #[test]
    fn two_clients_cannot_share_a_key_or_a_name() {
        let keys =
            |a, b| format!("[[auth.keys]]\nname='{a}'\nkey_env='A'\n[[auth.keys]]\nname='{b}'\nkey_env='B'");
        let want = "the client keys `ann` and `bob` have the same value";
        check_error(&keys("ann", "bob"), &[("A", "x"), ("B", "x")], want);
        let want = "the client key `ann` is given twice";
        check_error(&keys("ann", "ann"), &[("A", "x"), ("B", "y")], want);
    }

    #[test]
    fn an_open_bind_is_refused() {
        for bind in ["0.0.0.0:4000", "[::]:4000", "192.168.1.2:4000"] {
            let error = resolve(&format!("server.bind = '{bind}'"), &[]).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("refusing to listen on {bind} without client keys")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_open_bind_needs_client_keys_or_a_word() {
        let keys = "server.bind = '0.0.0.0:1'\nauth.client_keys_env = 'KEYS'";
        check_client_keys(keys, &[("KEYS", "a")], &[("key-1", "a")]);
        check_client_keys("server = { bind = '0.0.0.0:1', allow_unauthenticated = true }", &[], &[]);
        check_client_keys("server.bind = '[::ffff:127.0.0.1]:1'", &[], &[]);
    }

    #[test]
    fn headers_take_their_values_from_the_environment() {
        let toml = "[providers.ollama.headers]\nx-a = 'text'\nx-b = { env = 'B' }";
        let ollama = resolve(toml, &[("B", "secret")]).unwrap().providers.remove("ollama").unwrap();
        let got: Vec<_> =
            ollama.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(got, [("x-a", "text"), ("x-b", "secret")]);
        let want = "`providers.ollama.headers.x-b` names the variable `B`, which is not set or empty";
        check_error(toml, &[], want);
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused() {
        check_error(
            "",
            &[("OPENAI_API_KEY", "sk-\u{e9}")],
            "`providers.openai.api_key_env` names the variable `OPENAI_API_KEY`, whose value no header can carry",
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let toml = "[auth]\nclient_keys_env = 'KEYS'\n[providers.ollama.headers]\nx = 'hush'";
        let resolved = resolve(toml, &[("KEYS", "hush-1,hush-2"), ("OPENAI_API_KEY", "hush")]).unwrap();
        assert!(!format!("{resolved:#?}").contains("hush"));
    }
}
