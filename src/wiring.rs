//! From configuration to providers and routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use or_actors::{ProviderSpec, Transport};
use or_adapters::{Adapter, ProviderOptions, builtin};
use or_http::{Pick, Picked};
use or_protocol::ApiError;

use crate::StartError;
use crate::config::{Config, Provider, ProviderState, Resolved};

/// Makes an adapter of a user's own kind.
pub(crate) type Factory = dyn Fn(&ProviderOptions) -> Result<Arc<dyn Adapter>, String> + Send + Sync;

/// Providers by name, those that are off left out.
pub(crate) fn providers(
    resolved: &Resolved,
    factories: &BTreeMap<String, Box<Factory>>,
) -> Result<BTreeMap<String, Arc<ProviderSpec>>, StartError> {
    let mut specs = BTreeMap::new();
    for (name, provider) in &resolved.providers {
        let key = match &provider.state {
            ProviderState::On { key } => key.as_ref().map(|key| Arc::from(key.expose())),
            ProviderState::ClientKeyOnly => None,
            ProviderState::Off(_) => continue,
        };
        let spec = spec(name, provider, key, factories)?;
        specs.insert(name.clone(), Arc::new(spec));
    }
    Ok(specs)
}

fn spec(
    name: &str,
    provider: &Provider,
    key: Option<Arc<str>>,
    factories: &BTreeMap<String, Box<Factory>>,
) -> Result<ProviderSpec, StartError> {
    let config = &provider.config;
    let kind = config.kind.as_str();
    let options = ProviderOptions {
        name: name.to_owned(),
        base_url: config.base_url.clone(),
        quirks: config.quirks.clone(),
    };
    let made = match factories.get(kind) {
        Some(factory) => Some(factory(&options)),
        None => builtin(kind, &options),
    };
    let adapter = match made {
        Some(Ok(adapter)) => adapter,
        Some(Err(reason)) => return Err(StartError::Provider { name: name.to_owned(), reason }),
        None => {
            let known: Vec<_> =
                or_adapters::KINDS.iter().copied().chain(factories.keys().map(String::as_str)).collect();
            let reason = format!("unknown kind `{kind}`; known are: {}", known.join(", "));
            return Err(StartError::Provider { name: name.to_owned(), reason });
        }
    };
    let headers =
        provider.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    Ok(ProviderSpec {
        name: name.to_owned(),
        adapter,
        transport: if kind == "demo" { Transport::Demo } else { Transport::Http },
        base_url: config.base_url.clone(),
        key,
        headers,
        connect_timeout: config.connect_timeout(),
        first_byte_timeout: config.first_byte_timeout(),
        idle_timeout: config.idle_timeout(),
        max_concurrent: config.max_concurrent,
        running: AtomicUsize::new(0),
    })
}

/// The router: model name to provider (design D16).
pub(crate) fn router(resolved: &Resolved, specs: &BTreeMap<String, Arc<ProviderSpec>>) -> Box<Pick> {
    let config: Config = resolved.config.clone();
    let states: BTreeMap<String, ProviderState> =
        resolved.providers.iter().map(|(name, p)| (name.clone(), p.state.clone())).collect();
    let specs = specs.clone();
    Box::new(move |model| {
        let Some(target) = config.pick(model) else {
            return Err(unknown(model, "no route or provider prefix matches it"));
        };
        let has_key = match states.get(target.provider) {
            Some(ProviderState::On { .. }) => true,
            Some(ProviderState::ClientKeyOnly) => false,
            Some(ProviderState::Off(reason)) => {
                return Err(unknown(model, &format!("its provider '{}' is off: {reason}", target.provider)));
            }
            None => return Err(unknown(model, "its provider is not configured")),
        };
        match specs.get(target.provider) {
            Some(spec) => Ok(Picked { provider: Arc::clone(spec), model: target.model.to_owned(), has_key }),
            None => Err(unknown(model, "its provider is off")),
        }
    })
}

fn unknown(model: &str, why: &str) -> ApiError {
    let model: String = model.chars().take(100).collect();
    let text = format!("The requested model '{model}' does not exist on this server: {why}.");
    ApiError::invalid("model_not_found", "model", text)
}
