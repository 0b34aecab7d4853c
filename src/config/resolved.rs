//! The configuration with its keys: what the server runs with.

use std::collections::BTreeMap;

use or_telemetry::otlp::OtlpOptions;
use or_webhooks::SigningKey;
use sha2::{Digest as _, Sha256};

use super::lookup::{header_values, seal_key, secret, shown_key, signing_keys, variables};
use super::provider_state::{Provider, ProviderState, settle_demo, state};
use super::{Config, ConfigError, Env, McpConfig, SealKey, Secret, ToolConfig, ToolKind};

/// A configuration, and what the environment adds to it.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: Config,
    /// Empty: nobody has to show a key.
    pub client_keys: Vec<ClientKey>,
    /// What has to be shown for the metrics in place of a client key.
    pub metrics_key: Option<Secret>,
    /// What has to be shown for the admin API; `None`: there is none.
    pub admin_key: Option<Secret>,
    /// The providers of the configuration, by the same names.
    pub providers: BTreeMap<String, Provider>,
    /// The tools of the configuration, by the same names.
    pub tools: BTreeMap<String, ResolvedTool>,
    /// The MCP servers of the configuration, by the same labels.
    pub mcp: BTreeMap<String, ResolvedMcp>,
    /// What the webhooks of the configuration sign with, by the same names.
    pub webhooks: BTreeMap<String, Vec<SigningKey>>,
    /// The headers of each middleware of the configuration, in its order.
    pub middleware_headers: Vec<Vec<(String, Secret)>>,
    /// What seals the state that clients carry; `None`: a key of the store's own.
    pub seal_key: Option<SealKey>,
    /// Where spans and metrics are sent, by the configuration and the variables; `None`: nowhere.
    pub otlp: Option<OtlpOptions>,
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

impl Resolved {
    /// Whether a client has to show a key, whatever keys the store has.
    pub fn wants_key(&self) -> bool {
        !self.client_keys.is_empty() || self.admin_key.is_some() || self.config.auth.require_key
    }

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
        let admin_key = self.admin_key(env, &client_keys)?;
        let keyless = client_keys.is_empty() && admin_key.is_none() && !self.auth.require_key;
        if keyless && !loopback && !self.server.allow_unauthenticated {
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
        settle_demo(&mut providers, keyless);
        let mut tools = BTreeMap::new();
        for (name, tool) in &self.tools {
            tools.insert(name.clone(), ResolvedTool::new(name, tool, env)?);
        }
        let mut mcp = BTreeMap::new();
        for (label, server) in &self.mcp {
            mcp.insert(label.clone(), ResolvedMcp::new(label, server, env)?);
        }
        let mut webhooks = BTreeMap::new();
        for (name, webhook) in &self.webhooks {
            let key = format!("webhooks.{name}.secret_env");
            webhooks.insert(name.clone(), signing_keys(&key, &webhook.secret_env, env)?);
        }
        let headers = self.middleware.iter().enumerate().map(|(index, middleware)| {
            header_values(&format!("middleware[{index}].headers"), &middleware.headers, env)
        });
        let middleware_headers = headers.collect::<Result<_, _>>()?;
        let metrics_key = self.metrics_key(env)?;
        if let (Some(admin), Some(metrics)) = (&admin_key, &metrics_key)
            && admin.expose() == metrics.expose()
        {
            let (variable, other) = (self.admin.key_env.clone(), "the key of the metrics".into());
            return Err(ConfigError::SharedAdminKey { variable, other });
        }
        let otlp = OtlpOptions::of(&self.telemetry.otlp_endpoint, |name| env.get(name))?;
        Ok(Resolved {
            config: self,
            client_keys,
            metrics_key,
            admin_key,
            providers,
            tools,
            mcp,
            webhooks,
            middleware_headers,
            seal_key,
            otlp,
        })
    }

    fn metrics_key(&self, env: &Env) -> Result<Option<Secret>, ConfigError> {
        let (key, variable) = ("metrics.key_env", self.metrics.key_env.as_str());
        if variable.is_empty() {
            return Ok(None);
        }
        shown_key(secret(env, key, variable)?, key, variable, "the key".into()).map(Some)
    }

    fn admin_key(&self, env: &Env, clients: &[ClientKey]) -> Result<Option<Secret>, ConfigError> {
        let (key, variable) = ("admin.key_env", self.admin.key_env.as_str());
        if variable.is_empty() {
            return Ok(None);
        }
        let admin = shown_key(secret(env, key, variable)?, key, variable, "the key".into())?;
        match clients.iter().find(|client| client.key.expose() == admin.expose()) {
            Some(client) => {
                let (variable, other) = (variable.to_owned(), format!("the client key `{}`", client.name));
                Err(ConfigError::SharedAdminKey { variable, other })
            }
            None => Ok(Some(admin)),
        }
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

#[cfg(test)]
#[path = "resolved_tests.rs"]
mod tests;
