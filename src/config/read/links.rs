//! What no key can tell alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use or_protocol::MCP_HEADERS;
use or_tools::Offer;
use serde_json::Map;

use super::routes;
use crate::config::error::{ConfigError, Origin, nearest};
use crate::config::tables::Config;
use crate::config::tables::mcp::{ApprovalWord, McpConfig, RequireApproval};
use crate::config::tables::provider::{McpRunner, ProviderConfig, can_run_mcp, needs_base_url};
use crate::config::tables::tool::{Parameters, ToolConfig, ToolKind};
use crate::config::tables::webhook::WebhookConfig;

/// Checks the keys of a whole configuration against each other.
pub(super) fn check(config: &Config, origin_of: &dyn Fn(&str) -> Origin) -> Result<(), ConfigError> {
    each("providers", &config.providers, origin_of, check_provider)?;
    each("tools", &config.tools, origin_of, check_tool)?;
    each("mcp", &config.mcp, origin_of, check_mcp)?;
    each("webhooks", &config.webhooks, origin_of, check_webhook)?;
    if config.metrics.public && !config.metrics.key_env.is_empty() {
        let key = "metrics.public".to_owned();
        let problem = "is true although `metrics.key_env` names a key".to_owned();
        return Err(ConfigError::BadValue { origin: origin_of(&key), key, problem });
    }
    let (delay, most) = (config.resilience.retry_delay_ms, config.resilience.max_retry_delay_ms);
    if delay > most {
        let key = "resilience.retry_delay_ms".to_owned();
        let problem = format!("is {delay}, which is more than `resilience.max_retry_delay_ms` ({most})");
        return Err(ConfigError::BadValue { origin: origin_of(&key), key, problem });
    }
    if config.admin.bind.is_some() && config.admin.key_env.is_empty() {
        let key = "admin.bind".to_owned();
        let problem =
            "is given although `admin.key_env` names no key, without which there is no admin API".to_owned();
        return Err(ConfigError::BadValue { origin: origin_of(&key), key, problem });
    }
    routes::check(config, origin_of)
}

/// Checks each table of a section.
fn each<T>(
    section: &str,
    tables: &BTreeMap<String, T>,
    origin_of: &dyn Fn(&str) -> Origin,
    check: impl Fn(&Named<'_>, &T) -> Result<(), ConfigError>,
) -> Result<(), ConfigError> {
    tables.iter().try_for_each(|(name, table)| {
        let others = tables.keys().filter(|other| *other != name).map(String::as_str);
        let nearest = nearest(name, others).map(|near| format!("{section}.{near}"));
        check(&Named { path: format!("{section}.{name}"), nearest, origin_of }, table)
    })
}

/// A table whose name is the user's choice.
struct Named<'a> {
    path: String,
    /// Another one of its section, whose name this one may be a slip of.
    nearest: Option<String>,
    origin_of: &'a dyn Fn(&str) -> Origin,
}

impl Named<'_> {
    fn bad(&self, key: &str, problem: impl Into<String>) -> Result<(), ConfigError> {
        let key = format!("{}.{key}", self.path);
        Err(ConfigError::BadValue { origin: (self.origin_of)(&key), key, problem: problem.into() })
    }

    fn missing(&self, key: &str) -> Result<(), ConfigError> {
        let key = format!("{}.{key}", self.path);
        Err(ConfigError::MissingKey { origin: (self.origin_of)(&key), key, nearest: None })
    }

    /// Refuses the first of these keys that is given. `whose`: what may have them.
    fn only_for(&self, whose: &str, keys: &[(&str, bool)]) -> Result<(), ConfigError> {
        match keys.iter().find(|(_, is_given)| *is_given) {
            Some((key, _)) => self.bad(key, format!("is for {whose}")),
            None => Ok(()),
        }
    }

    /// For a table without the key that no other follows from: it may have been made by a slip in another's name.
    fn missing_first(&self, key: &str, named: String) -> Result<(), ConfigError> {
        let origin = (self.origin_of)(&format!("{}.{key}", self.path));
        Err(ConfigError::MissingKey { origin, key: named, nearest: self.nearest.clone() })
    }
}

/// Keys of what runs as a program, and whether they are given other values than their defaults.
fn of_programs(env: &[String], working_directory: &Path) -> [(&'static str, bool); 2] {
    [("env", env != ["PATH"]), ("working_directory", !working_directory.as_os_str().is_empty())]
}

fn check_provider(named: &Named<'_>, provider: &ProviderConfig) -> Result<(), ConfigError> {
    if provider.kind.as_str().is_empty() {
        return named.missing_first("kind", format!("{}.kind", named.path));
    }
    if provider.base_url.is_empty() && needs_base_url(&provider.kind) {
        return named.missing("base_url");
    }
    if provider.mcp == McpRunner::Provider && !can_run_mcp(&provider.kind) {
        return named.bad("mcp", format!("cannot be `provider` for the kind `{}`", provider.kind));
    }
    Ok(())
}

fn check_tool(named: &Named<'_>, tool: &ToolConfig) -> Result<(), ConfigError> {
    let Some(kind) = tool.kind else {
        return named.missing_first("kind", format!("{}.kind", named.path));
    };
    if tool.description.is_empty() {
        return named.missing("description");
    }
    if tool.parameters != Parameters::Table(Map::new()) && !tool.parameters_file.as_os_str().is_empty() {
        return named.bad("parameters_file", "and `parameters` are both given");
    }
    match kind {
        ToolKind::Http if tool.url.is_empty() => named.missing("url"),
        ToolKind::Http => {
            let [env, folder] = of_programs(&tool.env, &tool.working_directory);
            let command = ("command", !tool.command.is_empty());
            named.only_for("tools of the kind `command`", &[command, env, folder])
        }
        ToolKind::Command if tool.command.is_empty() => named.missing("command"),
        ToolKind::Command => {
            let url = ("url", !tool.url.is_empty());
            let method = ("method", tool.method != ToolConfig::default().method);
            let headers = ("headers", !tool.headers.is_empty());
            named.only_for("tools of the kind `http`", &[url, method, headers])
        }
    }
}

fn check_webhook(named: &Named<'_>, webhook: &WebhookConfig) -> Result<(), ConfigError> {
    if webhook.url.is_empty() {
        return named.missing_first("url", format!("{}.url", named.path));
    }
    if webhook.secret_env.is_empty() { named.missing("secret_env") } else { Ok(()) }
}

fn check_mcp(named: &Named<'_>, mcp: &McpConfig) -> Result<(), ConfigError> {
    match (mcp.url.is_empty(), mcp.command.is_empty()) {
        (true, true) => {
            let path = &named.path;
            return named.missing_first("url", format!("{path}.url` or `{path}.command"));
        }
        (false, false) => return named.bad("command", "and `url` are both given"),
        (false, true) => {
            let keys = of_programs(&mcp.env, &mcp.working_directory);
            named.only_for("servers with a `command`", &keys)?;
        }
        (true, false) => {
            let allowed = ("allow_client_headers", !mcp.allow_client_headers.is_empty());
            named.only_for("servers with a `url`", &[("headers", !mcp.headers.is_empty()), allowed])?;
        }
    }
    let ours = |name: &&String| MCP_HEADERS.contains(&name.to_ascii_lowercase().as_str());
    if let Some(name) = mcp.allow_client_headers.iter().find(ours) {
        let problem = format!("names `{name}`, a header that the server sets itself");
        return named.bad("allow_client_headers", problem);
    }
    let mut taken = BTreeSet::new();
    for name in mcp.headers.keys() {
        let lower = name.to_ascii_lowercase();
        if MCP_HEADERS.contains(&lower.as_str()) {
            return named.bad(&format!("headers.{name}"), "is a header that the server sets itself");
        }
        if !taken.insert(lower) {
            return named.bad(&format!("headers.{name}"), "is given twice, in other letters");
        }
    }
    if let Some(RequireApproval::ByTool(lists)) = &mcp.require_approval {
        if let Some(name) = lists.always.iter().find(|name| lists.never.contains(name)) {
            return named.bad("require_approval", format!("names the tool `{name}` in both lists"));
        }
        let allowed = |name: &&String| mcp.allowed_tools.is_empty() || mcp.allowed_tools.contains(name);
        if let Some(name) = lists.always.iter().chain(&lists.never).find(|name| !allowed(name)) {
            let problem = format!("names the tool `{name}`, which is not in `allowed_tools`");
            return named.bad("require_approval", problem);
        }
    }
    let never = mcp.require_approval == Some(RequireApproval::All(ApprovalWord::Never));
    if mcp.offer == Offer::Always && !never {
        return named.bad(
            "offer",
            "can be `always` only with `require_approval = \"never\"`: \
             who does not name the server does not expect to be asked for an approval",
        );
    }
    Ok(())
}
