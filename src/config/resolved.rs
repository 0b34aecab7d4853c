//! The configuration with its keys: what the server runs with.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::lookup::{header_values, seal_key, secret, shown_key, variables};
use super::tables::provider::is_built_in;
use super::{
    ClientProviderKeys, Config, ConfigError, Env, McpConfig, ProviderConfig, SealKey, Secret, ToolConfig,
    ToolKind,
};

/// Name and kind of the provider that answers by itself.
const DEMO: &str = "demo";

/// A configuration, and what the environment adds to it.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: Config,
    /// Empty: nobody has to show a key.
    pub client_keys: Vec<ClientKey>,
    /// What has to be shown for the metrics in place of a client key.
    pub metrics_key: Option<Secret>,
    /// The providers of the configuration, by the same names.
    pub providers: BTreeMap<String, Provider>,
    /// The tools of the configuration, by the same names.
    pub tools: BTreeMap<String, ResolvedTool>,
    /// The MCP servers of the configuration, by the same labels.
    pub mcp: BTreeMap<String, ResolvedMcp>,
    /// The headers of each middleware of the configuration, in its order.
    pub middleware_headers: Vec<Vec<(String, Secret)>>,
    /// What seals the state that clients carry; `None`: a key of the store's own.
    pub seal_key: Option<SealKey>,
}

/// A key that clients may show as `Authorization: Bearer`.
#[derive(Clone, Debug)]
pub struct ClientKey {
    /// Owner of what is stored under this key: its configured name, or one that is made of its hash. Unique.
    pub name: String,
    /// The owner that it had by its place in the list in records of earlier formats, if it has no configured name.
    pub old_name: Option<String>,
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
    NoKey {
        variable: String,
    },
    /// The demo is for first steps, and the server is beyond them.
    NotAlone,
}

impl fmt::Display for OffReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("`enabled` is false"),
            Self::NoKey { variable } => write!(f, "the variable `{variable}` is not set"),
            Self::NotAlone => f.write_str(
                "it is on by itself only without other providers and client keys; `providers.demo.enabled = true` keeps it on",
            ),
        }
    }
}

impl Resolved {
    /// Owners by the place of their key in `auth.client_keys_env`, as records of earlier versions have them, and the
    /// owners that these keys have. A program with a store of its own has to rename the owners in it.
    pub fn old_owners(&self) -> Vec<(String, String)> {
        let renamed = |key: &ClientKey| Some((key.old_name.clone()?, key.name.clone()));
        self.client_keys.iter().filter_map(renamed).collect()
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
        let seal_key = seal_key("security.seal_key_env", &self.security.seal_key_env, env)?;
        settle_demo(&mut providers, client_keys.is_empty());
        let mut tools = BTreeMap::new();
        for (name, tool) in &self.tools {
            tools.insert(name.clone(), ResolvedTool::new(name, tool, env)?);
        }
        let mut mcp = BTreeMap::new();
        for (label, server) in &self.mcp {
            mcp.insert(label.clone(), ResolvedMcp::new(label, server, env)?);
        }
        let headers = self.middleware.iter().enumerate().map(|(index, middleware)| {
            header_values(&format!("middleware[{index}].headers"), &middleware.headers, env)
        });
        let middleware_headers = headers.collect::<Result<_, _>>()?;
        let metrics_key = self.metrics_key(env)?;
        Ok(Resolved {
            config: self,
            client_keys,
            metrics_key,
            providers,
            tools,
            mcp,
            middleware_headers,
            seal_key,
        })
    }

    fn metrics_key(&self, env: &Env) -> Result<Option<Secret>, ConfigError> {
        let (key, variable) = ("metrics.key_env", self.metrics.key_env.as_str());
        if variable.is_empty() {
            return Ok(None);
        }
        shown_key(secret(env, key, variable)?, key, variable, "the key".into()).map(Some)
    }

    fn client_keys(&self, env: &Env) -> Result<Vec<ClientKey>, ConfigError> {
        let mut keys = Vec::new();
        if !self.auth.client_keys_env.is_empty() {
            let (key, variable) = ("auth.client_keys_env", self.auth.client_keys_env.as_str());
            let list = secret(env, key, variable)?;
            let values = list.expose().split(',').map(str::trim).filter(|value| !value.is_empty());
            for (place, value) in (1..).zip(values) {
                let value = shown_key(Secret::new(value), key, variable, format!("key {place}"))?;
                let old_name = Some(format!("key-{place}"));
                keys.push(ClientKey { name: hashed_name(value.expose()), old_name, key: value });
            }
            if keys.is_empty() {
                let variable = self.auth.client_keys_env.clone();
                return Err(ConfigError::UnsetVariable { key: "auth.client_keys_env".into(), variable });
            }
        }
        for (index, named) in self.auth.keys.iter().enumerate() {
            let path = format!("auth.keys[{index}].key_env");
            let key = secret(env, &path, &named.key_env)?;
            let key = shown_key(key, &path, &named.key_env, "the key".into())?;
            keys.push(ClientKey { name: named.name.clone(), old_name: None, key });
        }
        for (index, later) in keys.iter().enumerate() {
            for earlier in &keys[..index] {
                if earlier.key.expose() == later.key.expose() {
                    let (first, second) = (earlier.name.clone(), later.name.clone());
                    return Err(ConfigError::DuplicateClientKey { first, second });
                }
                if earlier.name == later.name {
                    return Err(ConfigError::DuplicateClientName { name: later.name.clone() });
                }
            }
        }
        Ok(keys)
    }
}

/// Owner of what is stored under a key without a name. It goes with the key wherever that stands in its list, so that
/// taking away another key gives its history to nobody.
fn hashed_name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    let hex: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("key-{hex}")
}

/// Turns the demo off where nobody asked for it and the server is beyond first steps: it gives away places and time.
fn settle_demo(providers: &mut BTreeMap<String, Provider>, keyless: bool) {
    let is_in_use = |(name, provider): (&String, &Provider)| match &provider.state {
        _ if provider.config.kind.as_str() == DEMO => false,
        ProviderState::On { key: Some(_) } => true,
        ProviderState::On { key: None } => !is_built_in(name, &provider.config),
        ProviderState::ClientKeyOnly | ProviderState::Off(_) => false,
    };
    let alone = keyless && !providers.iter().any(is_in_use);
    if let Some(demo) = providers.get_mut(DEMO)
        && demo.config.enabled.is_none()
        && demo.config.kind.as_str() == DEMO
        && !alone
    {
        demo.state = ProviderState::Off(OffReason::NotAlone);
    }
}

fn state(
    name: &str,
    provider: &ProviderConfig,
    client_keys: ClientProviderKeys,
    env: &Env,
) -> Result<ProviderState, ConfigError> {
    let variable = provider.api_key_env.as_str();
    Ok(match (provider.enabled.unwrap_or(true), variable, env.get(variable), client_keys) {
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

    const ANN: &str = "client-key-of-ann-1";
    const BOB: &str = "client-key-of-bob-2";
    /// The same by `printf %s KEY | sha256sum | cut -c1-12`.
    const ANN_OWNER: &str = "key-9e513cf53e75";
    const BOB_OWNER: &str = "key-c77936dd1f06";

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
    fn a_client_key_is_the_same_owner_wherever_it_stands_in_the_list() {
        let (ann, bob) = ((ANN_OWNER, ANN), (BOB_OWNER, BOB));
        let toml = "auth.client_keys_env = 'KEYS'";
        check_client_keys(toml, &[("KEYS", &format!("{ANN}, {BOB},"))], &[ann, bob]);
        check_client_keys(toml, &[("KEYS", &format!("{BOB},{ANN}"))], &[bob, ann]);
        check_client_keys(toml, &[("KEYS", &format!(",, {BOB}"))], &[bob]);
    }

    #[test]
    fn the_place_of_a_key_is_told_for_records_that_have_it() {
        let named = "[[auth.keys]]\nname = 'cyd'\nkey_env = 'CYD'";
        let toml = format!("auth.client_keys_env = 'KEYS'\n{named}");
        let env = [("KEYS", &*format!("{ANN},,{BOB}")), ("CYD", "client-key-of-cyd-3")];
        let want = [("key-1", ANN_OWNER), ("key-2", BOB_OWNER)].map(|(old, new)| (old.into(), new.into()));
        assert_eq!(resolve(&toml, &env).unwrap().old_owners(), want);
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused_without_being_told() {
        let env = [("KEYS", &*format!("{ANN},short-key-12345")), ("ANN", "short-key-12345")];
        let want = "`auth.client_keys_env` names the variable `KEYS`, in which key 2 is shorter than 16 characters and \
                    could be guessed; `openssl rand -hex 24` makes a good one";
        check_error("auth.client_keys_env = 'KEYS'", &env, want);
        let want = "`auth.keys[0].key_env` names the variable `ANN`, in which the key is shorter than 16 characters and \
                    could be guessed; `openssl rand -hex 24` makes a good one";
        check_error("[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'", &env, want);
        assert!(resolve("metrics.key_env = 'ANN'", &env).is_err());
        assert!(resolve("metrics.key_env = 'KEYS'", &env).is_ok());
    }

    #[test]
    fn the_metrics_have_one_rule() {
        let toml = "metrics = { public = true, key_env = 'X' }";
        assert_eq!(
            Config::from_toml(toml).unwrap_err().to_string(),
            "`metrics.public` in the given configuration is true although `metrics.key_env` names a key"
        );
    }

    #[test]
    fn the_demo_is_for_first_steps() {
        let off = OffReason::NotAlone.to_string();
        let keys = "auth.client_keys_env = 'KEYS'\n";
        let vllm = "[providers.vllm]\nkind = 'openai-chat'\nbase_url = 'http://127.0.0.1:8000/v1'\n";
        let env = [("KEYS", ANN)];
        for (toml, env, want) in [
            ("", &[][..], "on"),
            (include_str!("../../config.toml"), &[], "on"),
            ("", &[("OPENAI_API_KEY", "sk-1")], off.as_str()),
            ("providers.openai.enabled = false", &[("OPENAI_API_KEY", "sk-1")], "on"),
            ("providers.demo.enabled = true", &[("OPENAI_API_KEY", "sk-1")], "on"),
            ("providers.demo.enabled = false", &[], "`enabled` is false"),
            (vllm, &[], &off),
            ("providers.ollama.base_url = 'http://gpu:11434'", &[], &off),
            (keys, &env, &off),
            (&format!("{keys}providers.demo.enabled = true"), &env, "on"),
        ] {
            check_provider(toml, env, "demo", want);
        }
    }

    #[test]
    fn named_client_keys_come_with_their_names() {
        let toml = "[auth]\nclient_keys_env = 'KEYS'\n[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'";
        check_client_keys(toml, &[("KEYS", BOB), ("ANN", ANN)], &[(BOB_OWNER, BOB), ("ann", ANN)]);
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
        check_error(&keys("ann", "bob"), &[("A", ANN), ("B", ANN)], want);
        let want = "the client key `ann` is given twice";
        check_error(&keys("ann", "ann"), &[("A", ANN), ("B", BOB)], want);
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
        check_client_keys(keys, &[("KEYS", ANN)], &[(ANN_OWNER, ANN)]);
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
        let resolved =
            resolve(toml, &[("KEYS", "hush-1-hush-1-hush,hush-2-hush-2-hush"), ("OPENAI_API_KEY", "hush")])
                .unwrap();
        assert!(!format!("{resolved:#?}").contains("hush"));
    }
}
