//! From configuration to providers, tools and models.

mod mcp;
mod middleware;
mod models;
mod owners;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use or_actors::{BreakerRules, Breakers, Keys, ProviderSpec, Transport};
use or_adapters::{Adapter, ProviderOptions, builtin};
use or_tools::{AnyTool, CommandTool, HttpTool, ToolSpec};
use serde_json::Value;

pub(crate) use mcp::mcp;
pub(crate) use middleware::middlewares;
pub(crate) use models::{discovery, label_models, listing, router};
pub(crate) use owners::{max_background, owners, several, stored_shares};
pub(crate) use webhooks::{subscriptions, webhooks};

use crate::StartError;
use crate::config::{
    Config, McpRunner, Parameters, Provider, ProviderState, Resolved, ResolvedTool, Secret, ToolKind,
};

const PROGRAMS_PER_CORE: usize = 4;

/// Makes an adapter of a user's own kind.
pub(crate) type Factory = dyn Fn(&ProviderOptions) -> Result<Arc<dyn Adapter>, String> + Send + Sync;

/// Providers by name, those that are off left out.
pub(crate) fn providers(
    resolved: &Resolved,
    factories: &BTreeMap<String, Box<Factory>>,
) -> Result<BTreeMap<String, Arc<ProviderSpec>>, StartError> {
    let mut specs = BTreeMap::new();
    for (name, provider) in &resolved.providers {
        if matches!(provider.state, ProviderState::Off(_)) {
            continue;
        }
        let spec = spec(name, provider, &resolved.config, factories)?;
        specs.insert(name.clone(), Arc::new(spec));
    }
    Ok(specs)
}

fn spec(
    name: &str,
    provider: &Provider,
    whole: &Config,
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
    let keys = match &provider.state {
        ProviderState::On { keys } => keys.iter().map(|key| Arc::from(key.expose())).collect(),
        ProviderState::ClientKeyOnly | ProviderState::Off(_) => Vec::new(),
    };
    let resilience = &whole.resilience;
    let breaker = BreakerRules {
        failures: resilience.breaker_failures,
        open: Duration::from_secs(resilience.breaker_open_s),
        max_open: Duration::from_secs(resilience.breaker_max_open_s),
    };
    let models = models::models_named(whole, name, &*adapter);
    let breakers = Breakers::new(models.iter().map(String::as_str), breaker);
    let transport = if adapter.in_process() { Transport::Demo } else { Transport::Http };
    Ok(ProviderSpec {
        name: name.into(),
        adapter,
        transport,
        base_url: config.base_url.clone(),
        keys: Keys::new(keys, Duration::from_secs(resilience.key_cooldown_s)),
        breakers,
        client_keys_only: matches!(provider.state, ProviderState::ClientKeyOnly),
        headers: Secret::expose_all(&provider.headers),
        connect_timeout: config.connect_timeout(),
        first_byte_timeout: config.first_byte_timeout(),
        idle_timeout: config.idle_timeout(),
        max_answer_bytes: whole.server.max_upstream_bytes,
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
        max_concurrent: config.max_concurrent.unwrap_or_else(|| usual_runs(config.kind)),
        offer: config.offer,
        ..spec
    };
    match (config.kind, config.command.split_first()) {
        (Some(ToolKind::Http), _) => Ok(AnyTool::Http(Arc::new(HttpTool {
            spec,
            url: config.url.clone(),
            method: config.method,
            headers: Secret::expose_all(&tool.headers),
        }))),
        (Some(ToolKind::Command), Some((program, arguments))) => {
            let folder = &config.working_directory;
            Ok(AnyTool::Rust(Arc::new(CommandTool {
                spec,
                program: program.clone(),
                arguments: arguments.to_vec(),
                environment: Secret::expose_all(&tool.environment),
                working_directory: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
            })))
        }
        (Some(ToolKind::Command), None) => Err(bad("`command` is missing".into())),
        (None, _) => Err(bad("`kind` is missing".into())),
    }
}

/// Runs of a tool at the same time, where the operator says nothing. Each run of a program costs memory and a core.
fn usual_runs(kind: Option<ToolKind>) -> usize {
    match kind {
        Some(ToolKind::Command) => PROGRAMS_PER_CORE * cores(),
        Some(ToolKind::Http) | None => 0,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

#[cfg(test)]
mod tests {
    use or_tools::Registry;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::Env;

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
}
