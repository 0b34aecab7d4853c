//! Which models there are, and who serves them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use or_actors::{Discovery, Pick, ProviderSpec, RetryBudget, Route, RouteRules};
use or_adapters::{Abilities, Adapter, ModelInfo};
use or_http::{Card, ListedModel, Listing, Source};
use or_protocol::ApiError;
use or_telemetry::Metrics;

use crate::config::{self, Balance, Config, OffReason, Picked, ProviderState, Resilience, Resolved, Target};

/// Model names to providers (design D16), with the rules of each route. One value, which a change of the
/// configuration would replace as a whole: requests keep what they were routed with.
struct Router {
    config: Config,
    specs: BTreeMap<String, Arc<ProviderSpec>>,
    off: BTreeMap<String, OffReason>,
    /// Of [`Config::routes`], by place.
    rules: Vec<Arc<RouteRules>>,
    /// Of requests that no such route leads, by provider.
    usual: BTreeMap<String, Arc<RouteRules>>,
}

/// The router of a configuration.
pub(crate) fn router(resolved: &Resolved, specs: &BTreeMap<String, Arc<ProviderSpec>>) -> Box<Pick> {
    let off = resolved.providers.iter().filter_map(|(name, provider)| match &provider.state {
        ProviderState::Off(reason) => Some((name.clone(), reason.clone())),
        ProviderState::On { .. } | ProviderState::ClientKeyOnly => None,
    });
    let usual = &resolved.config.resilience;
    let of_route = |route: &config::Route| {
        let weighted = route.balance() == Balance::Weight;
        Arc::new(rules(&route.resilience.over(usual), weighted))
    };
    let router = Router {
        config: resolved.config.clone(),
        specs: specs.clone(),
        off: off.collect(),
        rules: resolved.config.routes.iter().map(of_route).collect(),
        usual: specs.keys().map(|name| (name.clone(), Arc::new(rules(usual, false)))).collect(),
    };
    Box::new(move |model| router.route(model))
}

fn rules(resilience: &Resilience, weighted: bool) -> RouteRules {
    RouteRules {
        weighted,
        retries: resilience.retries,
        delay: resilience.retry_delay(),
        max_delay: resilience.max_retry_delay(),
        hedge_after: resilience.hedge_after(),
        mid_stream: resilience.mid_stream,
        budget: RetryBudget::new(resilience.retry_budget_percent, resilience.retry_budget_floor),
    }
}

impl Router {
    /// The targets of a model that are on.
    fn route(&self, model: &str) -> Result<Route, ApiError> {
        let Some(picked) = self.config.pick(model) else {
            return Err(unknown(model, "no route or provider prefix matches it"));
        };
        let weights = picked.route.and_then(|at| self.config.routes.get(at)).map(|route| &route.targets);
        let mut targets = Vec::with_capacity(1);
        for (place, target) in picked.targets().enumerate() {
            let Some(spec) = self.specs.get(target.provider) else { continue };
            let listed = weights.and_then(|listed| listed.get(place));
            let weight = listed.and_then(|listed| listed.weight).unwrap_or(1);
            targets.push(or_actors::Target::new(Arc::clone(spec), target.model).weighing(weight));
        }
        let rules = match (picked.route, targets.first()) {
            (_, None) => return Err(self.nobody(model, picked)),
            (Some(at), Some(_)) => self.rules.get(at),
            (None, Some(first)) => self.usual.get(&*first.provider.name),
        };
        Ok(Route { targets, rules: rules.cloned().unwrap_or_default() })
    }

    /// Why nobody serves a model for which there is a route.
    fn nobody(&self, model: &str, picked: Picked<'_>) -> ApiError {
        let name = picked.targets().next().map_or("", |target| target.provider);
        match self.off.get(name) {
            Some(reason) => unknown(model, &format!("its provider '{name}' is off: {reason}")),
            None => unknown(model, "its provider is not configured"),
        }
    }
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
        for (model, _) in known(&config, provider, &*spec.adapter) {
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
            for (model, source) in known(&config, provider, &*spec.adapter).chain(discovered) {
                let id = name(&config, provider, model).filter(|id| ids.insert(id.clone()));
                let Some(id) = id else { continue };
                let told = told.get(model).copied();
                listed.push(entry(id, provider, spec, model, source, told, started));
            }
        }
        for name in config.routes.iter().filter_map(|route| route.pattern.only_model()) {
            let targets =
                config.pick(&name).into_iter().flat_map(|picked| picked.targets().collect::<Vec<_>>());
            let mut on = targets.filter_map(|target| Some((target, specs.get(target.provider)?)));
            let Some((target, spec)) = on.next() else { continue };
            if ids.insert(name.clone()) {
                let told = found
                    .get(target.provider)
                    .and_then(|all| all.iter().find(|told| told.name == target.model));
                let (provider, model) = (target.provider, target.model);
                listed.push(entry(name.clone(), provider, spec, model, Source::Configured, told, started));
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
        let models = models_named(config, provider, &*spec.adapter);
        metrics.configured_models(provider, models.iter().map(String::as_str));
    }
}

/// The models of a provider that are named by somebody else than a client, as the provider knows them.
pub(crate) fn models_named(config: &Config, provider: &str, adapter: &dyn Adapter) -> BTreeSet<String> {
    let known = known(config, provider, adapter).map(|(model, _)| model.to_owned());
    let routed = config.routes.iter().flat_map(|route| {
        let leads = route.leads_to().filter(|(name, _)| *name == provider);
        leads.filter_map(|(_, model)| model.map(str::to_owned).or_else(|| route.pattern.only_model()))
    });
    known.chain(routed).collect()
}

/// A model as it is listed. `model`: as the provider calls it.
fn entry(
    id: String,
    provider: &str,
    spec: &ProviderSpec,
    model: &str,
    source: Source,
    told: Option<&ModelInfo>,
    started: i64,
) -> ListedModel {
    ListedModel {
        id,
        object: "model",
        created: told.and_then(|model| model.created).unwrap_or(started),
        owned_by: provider.to_owned(),
        open_responses: Card {
            provider: provider.to_owned(),
            kind: spec.adapter.kind(),
            source,
            streaming: true,
            carries: spec.adapter.carries(),
            abilities: abilities(spec, model, told),
        },
    }
}

/// Models that are there without asking.
fn known<'a>(
    config: &'a Config,
    provider: &str,
    adapter: &'a dyn Adapter,
) -> impl Iterator<Item = (&'a str, Source)> {
    let built_in = adapter.models().iter().map(|model| (*model, Source::BuiltIn));
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

/// The shortest name for which this model at this provider is asked first.
fn name(config: &Config, provider: &str, model: &str) -> Option<String> {
    let wanted = Target { provider, model };
    [model.to_owned(), format!("{provider}/{model}")]
        .into_iter()
        .find(|name| config.pick(name).and_then(|picked| picked.targets().next()) == Some(wanted))
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
    fn a_route_for_one_name_is_listed_by_that_name() {
        let ollama = "[providers.ollama]\nmodels = ['llama4']\n";
        let route = "[[routes]]\npattern = '^smart$'\ntargets = [{ provider = 'ollama', model = 'llama4' }, { provider = 'demo', model = 'demo' }]";
        check(&format!("{ollama}{route}"), &[("llama4", "ollama"), ("smart", "ollama")]);
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
