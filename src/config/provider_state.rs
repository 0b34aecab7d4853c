//! Whether a provider can be used, and with which keys.

use std::collections::BTreeMap;
use std::fmt;

use super::lookup::secret;
use super::tables::provider::is_built_in;
use super::{ClientProviderKeys, ConfigError, Env, ProviderConfig, Secret};

/// Name and kind of the provider that answers by itself.
const DEMO: &str = "demo";

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
    /// With the server's keys, or with none if the provider needs none.
    On {
        keys: Vec<Secret>,
    },
    /// The server has no key: only for clients that bring their own.
    ClientKeyOnly,
    Off(OffReason),
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

/// Turns the demo off where nobody asked for it and the server is beyond first steps: it gives away places and time.
pub(super) fn settle_demo(providers: &mut BTreeMap<String, Provider>, keyless: bool) {
    let is_in_use = |(name, provider): (&String, &Provider)| match &provider.state {
        _ if provider.config.kind.as_str() == DEMO => false,
        ProviderState::On { keys } => !keys.is_empty() || !is_built_in(name, &provider.config),
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

/// What the environment makes of a provider.
pub(super) fn state(
    name: &str,
    provider: &ProviderConfig,
    client_keys: ClientProviderKeys,
    env: &Env,
) -> Result<ProviderState, ConfigError> {
    let variables: Vec<&str> = provider.key_variables().collect();
    let is_set = |variable: &&str| env.get(variable).is_some();
    if !provider.enabled.unwrap_or(true) {
        return Ok(ProviderState::Off(OffReason::Disabled));
    }
    match variables.first() {
        // Of several keys all have to be there: one that is missing would be missed when it is needed.
        Some(_) if variables.iter().any(is_set) => {}
        None => {}
        Some(variable) => {
            return Ok(match client_keys {
                ClientProviderKeys::Allow => ProviderState::ClientKeyOnly,
                ClientProviderKeys::Deny => {
                    ProviderState::Off(OffReason::NoKey { variable: (*variable).into() })
                }
            });
        }
    }
    let key = |variable: &str| {
        let listed = variable != provider.api_key_env;
        secret(env, &format!("providers.{name}.api_key_env{}", if listed { "s" } else { "" }), variable)
    };
    let keys = variables.into_iter().map(key).collect::<Result<_, _>>()?;
    Ok(ProviderState::On { keys })
}
