//! Which models there are, and who serves them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use or_actors::{Discovery, ProviderSpec, Route};
use or_adapters::{Abilities, ModelInfo};
use or_http::{Card, ListedModel, Listing, Pick, Source};
use or_protocol::ApiError;
use or_telemetry::Metrics;

use crate::config::{Config, OffReason, ProviderState, Resolved, Target};

/// The router: model name to provider (design D16).
pub(crate) fn router(resolved: &Resolved, specs: &BTreeMap<String, Arc<ProviderSpec>>) -> Box<Pick> {
    let config: Config = resolved.config.clone();
    let off = resolved.providers.iter().filter_map(|(name, provider)| match &provider.state {
        ProviderState::Off(reason) => Some((name.clone(), reason.clone())),
        ProviderState::On { .. } | ProviderState::ClientKeyOnly => None,
    });
    let off: BTreeMap<String, OffReason> = off.collect();
    let specs = specs.clone();
    Box::new(move |model| {
        let Some(target) = config.pick(model) else {
            return Err(unknown(model, "no route or provider prefix matches it"));
        };
        match (specs.get(target.provider), off.get(target.provider)) {
            (Some(spec), _) => Ok(Route::to(Arc::clone(spec), target.model)),
            (None, Some(reason)) => {
                Err(unknown(model, &format!("its provider '{}' is off: {reason}", target.provider)))
            }
            (None, _) => Err(unknown(model, "its provider is not configured")),
        }
    })
}

/// Whom to ask for models: providers that the server itself can call. `None`: nobody shall be asked.
pub(crate) fn discovery(
    resolved: &Resolved,
    specs: &BTreeMap<String, Arc<ProviderSpec>>,
) -> Option<Arc<Discovery>> {
    let period = resolved.config.server.model_discovery()?;
    let asked = specs.values().filter(|spec| !spec.client_keys_only && spec.adapter.list(None).is_some());
    Some(Arc::new(Discovery::new(period, asked.cloned().collect())))
}

/// Makes `/v1/models`, by provider: what its adapter knows without asking, what the configuration names, what the
/// provider itself told.
pub(crate) fn listing(
    resolved: &Resolved,
    specs: &BTreeMap<String, Arc<ProviderSpec>>,
    started: i64,
) -> Box<Listing> {
    let config = resolved.config.clone();
    let specs = specs.clone();
    for (provider, spec) in &specs {
        for (model, _) in known(&config, provider, spec) {
            if name(&config, provider, model).is_none() {
                tracing::warn!(provider, model, "not listed: a route leads its name elsewhere");
            }
        }
    }
    Box::new(move |found| {
        let mut listed: Vec<ListedModel> = Vec::new();
        let mut ids = HashSet::new();
        for (provider, spec) in &specs {
            let found = found.get(provider).map(Vec::as_slice).unwrap_or_default();
            let told: HashMap<&str, &ModelInfo> =
                found.iter().map(|model| (model.name.as_str(), model)).collect();
            let discovered = found.iter().map(|model| (model.name.as_str(), Source::Discovered));
            for (model, source) in known(&config, provider, spec).chain(discovered) {
                let id = name(&config, provider, model).filter(|id| ids.insert(id.clone()));
                let Some(id) = id else { continue };
                let told = told.get(model).copied();
                listed.push(ListedModel {
                    id,
                    object: "model",
                    created: told.and_then(|model| model.created).unwrap_or(started),
                    owned_by: provider.clone(),
                    open_responses: Card {
                        provider: provider.clone(),
                        kind: spec.adapter.kind(),
                        source,
                        streaming: true,
                        carries: spec.adapter.carries(),
                        abilities: abilities(spec, model, told),
                    },
                });
            }
        }
        listed
    })
}

/// Gives labels in the metrics to the models that the configuration names: in `models` of their provider, or in a route
/// that is for one model only. Those that an adapter brings along have theirs, too.
pub(crate) fn label_models(
    resolved: &Resolved,
    specs: &BTreeMap<String, Arc<ProviderSpec>>,
    metrics: &Metrics,
) {
    let config = &resolved.config;
    for (provider, spec) in specs {
        metrics.configured_models(provider, known(config, provider, spec).map(|(model, _)| model));
        let routes = config.routes.iter().filter(|route| route.provider == *provider);
        let models: Vec<_> = routes.filter_map(|route| route.pattern.only_model()).collect();
        metrics.configured_models(provider, models.iter().map(String::as_str));
    }
}

/// Models that are there without asking.
fn known<'a>(
    config: &'a Config,
    provider: &str,
    spec: &'a ProviderSpec,
) -> impl Iterator<Item = (&'a str, Source)> {
    let built_in = spec.adapter.models().iter().map(|model| (*model, Source::BuiltIn));
    let configured = config.providers.get(provider).map(|p| p.models.as_slice()).unwrap_or_default();
    built_in.chain(configured.iter().map(|model| (model.as_str(), Source::Configured)))
}

/// What the provider says of a model, as far as it can be carried; else what the adapter knows.
fn abilities(spec: &ProviderSpec, model: &str, told: Option<&ModelInfo>) -> Abilities {
    let mut abilities = told.map_or_else(|| spec.adapter.abilities(model), |model| model.abilities.clone());
    if let Some(inputs) = &mut abilities.input_modalities {
        inputs.retain(|input| spec.adapter.carries().contains(input));
    }
    abilities
}

/// The shortest name by which the router finds this model at this provider.
fn name(config: &Config, provider: &str, model: &str) -> Option<String> {
    let wanted = Target { provider, model };
    [model.to_owned(), format!("{provider}/{model}")]
        .into_iter()
        .find(|name| config.pick(name) == Some(wanted))
}

fn unknown(model: &str, why: &str) -> ApiError {
    let model: String = model.chars().take(100).collect();
    let text = format!("The requested model '{model}' does not exist on this server: {why}.");
    ApiError::invalid("model_not_found", "model", text)
}

#[cfg(test)]
mod tests {
    use or_actors::Found;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::Env;
    use crate::wiring::providers;

    /// `want`: ids and owners, without the demo's own models.
    #[track_caller]
    fn check(toml: &str, want: &[(&str, &str)]) {
        let resolved = Config::from_toml(toml).unwrap().resolve(&Env::default()).unwrap();
        let specs = providers(&resolved, &BTreeMap::new()).unwrap();
        let pick = router(&resolved, &specs);
        let all = listing(&resolved, &specs, 7)(&Found::new());
        for model in &all {
            assert_eq!(
                pick(&model.id).unwrap().targets[0].provider.name.to_string(),
                model.owned_by,
                "{model:?}"
            );
        }
        let known = specs.get("demo").map_or(0, |demo| demo.adapter.models().len());
        let got: Vec<_> = all.iter().map(|m| (m.id.as_str(), m.owned_by.as_str())).collect();
        let demo = got.iter().filter(|(_, owner)| *owner == "demo").count();
        assert_eq!(demo, known);
        let rest: Vec<_> = got.into_iter().filter(|(_, owner)| *owner != "demo").collect();
        assert_eq!(rest, want);
    }

    #[test]
    fn without_configuration_only_the_demo_is_listed() {
        check("", &[]);
        check("providers.demo.enabled = false", &[]);
    }

    #[test]
    fn a_model_is_listed_by_the_shortest_name_that_leads_to_it() {
        let azure = "[providers.azure]\nkind = 'openai-responses'\nmodels = ['gpt-5.1', 'mine']\n";
        let openai = "[providers.openai]\nmodels = ['gpt-5.1', 'gpt-5.1', 'ft:x']\n";
        check(
            &format!("{azure}{openai}"),
            &[
                ("azure/gpt-5.1", "azure"),
                ("azure/mine", "azure"),
                ("gpt-5.1", "openai"),
                ("openai/ft:x", "openai"),
            ],
        );
        let route = "[[routes]]\npattern = '^mine'\nprovider = 'azure'";
        check(&format!("{azure}{route}"), &[("azure/gpt-5.1", "azure"), ("mine", "azure")]);
    }

    #[test]
    fn a_second_demo_has_its_models_under_its_name() {
        let resolved =
            Config::from_toml("providers.two.kind = 'demo'").unwrap().resolve(&Env::default()).unwrap();
        let specs = providers(&resolved, &BTreeMap::new()).unwrap();
        let all = listing(&resolved, &specs, 7)(&Found::new());
        assert!(all.iter().any(|m| (m.id.as_str(), m.owned_by.as_str()) == ("demo-long", "demo")));
        assert!(all.iter().any(|m| (m.id.as_str(), m.owned_by.as_str()) == ("two/demo-long", "two")));
    }

    #[test]
    fn what_is_off_or_out_of_reach_is_not_listed() {
        let ollama = "[providers.ollama]\nmodels = ['llama4']\n";
        check(ollama, &[("llama4", "ollama")]);
        check(&format!("{ollama}enabled = false"), &[]);
        check("auth.client_provider_keys = 'deny'\nproviders.openai.models = ['gpt-5.1']", &[]);
        check("providers.openai.models = ['gpt-5.1']", &[("gpt-5.1", "openai")]);
        let elsewhere = "[[routes]]\npattern = 'llama'\nprovider = 'demo'";
        check(&format!("{ollama}{elsewhere}"), &[]);
    }
}
