//! From configuration to providers, routes and tools.

mod mcp;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use or_actors::tools::{AnyTool, CommandTool, HttpMethod, HttpTool, Offer, ToolSpec};
use or_actors::{Discovery, ProviderSpec, Transport};
use or_adapters::{Abilities, Adapter, ModelInfo, ProviderOptions, builtin};
use or_http::{Card, ListedModel, Listing, Pick, Picked, Source};
use or_protocol::ApiError;
use serde_json::Value;

pub(crate) use mcp::mcp;

use crate::StartError;
use crate::config::{
    Config, McpRunner, Parameters, Provider, ProviderState, Resolved, ResolvedTool, Secret, Target, ToolKind,
    ToolMethod, ToolOffer,
};

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
    let transport = if adapter.in_process() { Transport::Demo } else { Transport::Http };
    Ok(ProviderSpec {
        name: name.to_owned(),
        adapter,
        transport,
        base_url: config.base_url.clone(),
        key,
        headers,
        connect_timeout: config.connect_timeout(),
        first_byte_timeout: config.first_byte_timeout(),
        idle_timeout: config.idle_timeout(),
        max_concurrent: config.max_concurrent,
        runs_mcp: config.mcp == McpRunner::Provider,
        running: AtomicUsize::new(0),
    })
}

/// The tools of the configuration.
pub(crate) fn tools(resolved: &Resolved) -> Result<Vec<AnyTool>, StartError> {
    resolved.tools.iter().map(|(name, tool)| self::tool(name, tool)).collect()
}

fn tool(name: &str, tool: &ResolvedTool) -> Result<AnyTool, StartError> {
    let config = &tool.config;
    let bad = |reason: String| StartError::ToolTable { name: name.to_owned(), reason };
    let spec = ToolSpec::new(name, &config.description);
    let read = |text: &str| serde_json::from_str(text).map_err(|e| bad(format!("its parameters: {e}")));
    let parameters = match &config.parameters {
        Parameters::Text(text) => read(text)?,
        Parameters::Table(table) if !table.is_empty() => Value::Object(table.clone()),
        Parameters::Table(_) if config.parameters_file.as_os_str().is_empty() => spec.parameters.clone(),
        Parameters::Table(_) => {
            let path = config.parameters_file.display();
            let text = std::fs::read_to_string(&config.parameters_file)
                .map_err(|error| bad(format!("`parameters_file` {path} cannot be read: {error}")))?;
            read(&text)?
        }
    };
    let spec = ToolSpec {
        parameters,
        idempotent: config.idempotent,
        timeout: config.timeout(),
        max_output_bytes: config.max_output_bytes,
        max_concurrent: config.max_concurrent,
        offer: offer(config.offer),
        ..spec
    };
    let exposed = |list: &[(String, Secret)]| {
        list.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
    };
    match (config.kind, config.command.split_first()) {
        (Some(ToolKind::Http), _) => Ok(AnyTool::Http(Arc::new(HttpTool {
            spec,
            url: config.url.clone(),
            method: match config.method {
                ToolMethod::Get => HttpMethod::Get,
                ToolMethod::Post => HttpMethod::Post,
                ToolMethod::Put => HttpMethod::Put,
                ToolMethod::Patch => HttpMethod::Patch,
                ToolMethod::Delete => HttpMethod::Delete,
            },
            headers: exposed(&tool.headers),
        }))),
        (Some(ToolKind::Command), Some((program, arguments))) => {
            let folder = &config.working_directory;
            Ok(AnyTool::Rust(Arc::new(CommandTool {
                spec,
                program: program.clone(),
                arguments: arguments.to_vec(),
                environment: exposed(&tool.environment),
                working_directory: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
            })))
        }
        (Some(ToolKind::Command), None) => Err(bad("`command` is missing".into())),
        (None, _) => Err(bad("`kind` is missing".into())),
    }
}

fn offer(offer: ToolOffer) -> Offer {
    match offer {
        ToolOffer::Requested => Offer::Requested,
        ToolOffer::Always => Offer::Always,
    }
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

/// Whom to ask for models: providers that the server itself can call. `None`: nobody shall be asked.
pub(crate) fn discovery(
    resolved: &Resolved,
    specs: &BTreeMap<String, Arc<ProviderSpec>>,
) -> Option<Arc<Discovery>> {
    let period = resolved.config.server.model_discovery()?;
    let on = |name: &str| {
        resolved.providers.get(name).is_some_and(|p| matches!(p.state, ProviderState::On { .. }))
    };
    let asked = specs.iter().filter(|(name, spec)| on(name) && spec.adapter.list(None).is_some());
    Some(Arc::new(Discovery::new(period, asked.map(|(_, spec)| Arc::clone(spec)).collect())))
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
                found.iter().map(|info| (info.name.as_str(), info)).collect();
            let discovered = found.iter().map(|info| (info.name.as_str(), Source::Discovered));
            for (model, source) in known(&config, provider, spec).chain(discovered) {
                let id = name(&config, provider, model).filter(|id| ids.insert(id.clone()));
                let Some(id) = id else { continue };
                let told = told.get(model).copied();
                listed.push(ListedModel {
                    id,
                    object: "model",
                    created: told.and_then(|info| info.created).unwrap_or(started),
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
    let mut abilities = told.map_or_else(|| spec.adapter.abilities(model), |info| info.abilities.clone());
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
    use or_actors::tools::Registry;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::Env;

    /// `want`: ids and owners, without the demo's own models.
    #[track_caller]
    fn check(toml: &str, want: &[(&str, &str)]) {
        let resolved = Config::from_toml(toml).unwrap().resolve(&Env::default()).unwrap();
        let specs = providers(&resolved, &BTreeMap::new()).unwrap();
        let pick = router(&resolved, &specs);
        let all = listing(&resolved, &specs, 7)(&Found::new());
        for model in &all {
            assert_eq!(pick(&model.id).unwrap().provider.name, model.owned_by, "{model:?}");
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

    #[track_caller]
    fn check_tools(toml: &str, want: Result<&[&str], &str>) {
        let resolved = Config::from_toml(toml).unwrap().resolve(&Env::from_iter([("PATH", "/bin")])).unwrap();
        let got = tools(&resolved).and_then(|tools| Ok(Registry::new(tools)?));
        let names = got.as_ref().map(|registry| registry.names().collect::<Vec<_>>());
        assert_eq!(names.map_err(ToString::to_string), want.map(<[_]>::to_vec).map_err(str::to_owned));
    }

    #[test]
    fn tools_are_made_of_their_tables() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        std::fs::write(&path, r#"{"type": "object"}"#).unwrap();
        let http = "[tools.a]\nkind = 'http'\ndescription = 'x'\nurl = 'http://x'\n";
        let command = "[tools.b]\nkind = 'command'\ndescription = 'x'\ncommand = ['x']\n";
        check_tools(
            &format!("{http}parameters = '{{\"type\":\"object\"}}'\n{command}parameters_file = {path:?}"),
            Ok(&["a", "b"]),
        );
        let text =
            "the parameters of the tool `a` are no JSON Schema of an object: its `type` must be `object`";
        check_tools(&format!("{http}parameters.type = 'string'"), Err(text));
        let text =
            "tool `b`: `parameters_file` no.json cannot be read: No such file or directory (os error 2)";
        check_tools(&format!("{command}parameters_file = 'no.json'"), Err(text));
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
