//! What no key can tell alone.

use std::collections::BTreeSet;

use or_protocol::MCP_HEADERS;
use serde_json::Map;

use crate::config::error::{ConfigError, Origin, nearest};
use crate::config::tables::Config;
use crate::config::tables::mcp::{ApprovalWord, McpConfig, RequireApproval};
use crate::config::tables::provider::{McpRunner, can_run_mcp, needs_base_url};
use crate::config::tables::tool::{Parameters, ToolConfig, ToolKind, ToolOffer};

/// Checks the keys of a whole configuration against each other.
pub(super) fn check(config: &Config, origin_of: impl Fn(&str) -> Origin) -> Result<(), ConfigError> {
    for (name, provider) in &config.providers {
        if provider.kind.as_str().is_empty() {
            let key = format!("providers.{name}.kind");
            let others = config.providers.keys().filter(|other| *other != name).map(String::as_str);
            let nearest = nearest(name, others).map(|near| format!("providers.{near}"));
            return Err(ConfigError::MissingKey { origin: origin_of(&key), key, nearest });
        }
        if provider.base_url.is_empty() && needs_base_url(&provider.kind) {
            let key = format!("providers.{name}.base_url");
            return Err(ConfigError::MissingKey { origin: origin_of(&key), key, nearest: None });
        }
        if provider.mcp == McpRunner::Provider && !can_run_mcp(&provider.kind) {
            let key = format!("providers.{name}.mcp");
            let problem = format!("cannot be `provider` for the kind `{}`", provider.kind);
            return Err(ConfigError::BadValue { origin: origin_of(&key), key, problem });
        }
    }
    for (name, tool) in &config.tools {
        let others = config.tools.keys().filter(|other| *other != name).map(String::as_str);
        check_tool(name, tool, nearest(name, others), &origin_of)?;
    }
    for (label, server) in &config.mcp {
        let others = config.mcp.keys().filter(|other| *other != label).map(String::as_str);
        check_mcp(label, server, nearest(label, others), &origin_of)?;
    }
    for (index, route) in config.routes.iter().enumerate() {
        if !config.providers.contains_key(&route.provider) {
            let key = format!("routes[{index}].provider");
            return Err(ConfigError::UnknownProvider {
                origin: origin_of(&key),
                key,
                nearest: nearest(&route.provider, config.providers.keys().map(String::as_str))
                    .map(str::to_owned),
                provider: route.provider.clone(),
            });
        }
    }
    Ok(())
}

/// Checks what no key of a tool can tell alone. `nearest`: another tool, whose name this one may be a slip of.
fn check_tool(
    name: &str,
    tool: &ToolConfig,
    nearest: Option<&str>,
    origin_of: impl Fn(&str) -> Origin,
) -> Result<(), ConfigError> {
    let missing = |key: &str| {
        let key = format!("tools.{name}.{key}");
        Err(ConfigError::MissingKey { origin: origin_of(&key), key, nearest: None })
    };
    let bad = |key: &str, problem: &str| {
        let key = format!("tools.{name}.{key}");
        Err(ConfigError::BadValue { origin: origin_of(&key), key, problem: problem.into() })
    };
    let of_other = |key, other| bad(key, &format!("is for tools of the kind `{other}`"));
    let Some(kind) = tool.kind else {
        let key = format!("tools.{name}.kind");
        let nearest = nearest.map(|near| format!("tools.{near}"));
        return Err(ConfigError::MissingKey { origin: origin_of(&key), key, nearest });
    };
    if tool.description.is_empty() {
        return missing("description");
    }
    if tool.parameters != Parameters::Table(Map::new()) && !tool.parameters_file.as_os_str().is_empty() {
        return bad("parameters_file", "and `parameters` are both given");
    }
    let default = ToolConfig::default();
    match kind {
        ToolKind::Http if tool.url.is_empty() => missing("url"),
        ToolKind::Http if !tool.command.is_empty() => of_other("command", "command"),
        ToolKind::Http if tool.env != default.env => of_other("env", "command"),
        ToolKind::Http if tool.working_directory != default.working_directory => {
            of_other("working_directory", "command")
        }
        ToolKind::Command if tool.command.is_empty() => missing("command"),
        ToolKind::Command if !tool.url.is_empty() => of_other("url", "http"),
        ToolKind::Command if tool.method != default.method => of_other("method", "http"),
        ToolKind::Command if !tool.headers.is_empty() => of_other("headers", "http"),
        ToolKind::Http | ToolKind::Command => Ok(()),
    }
}

/// Checks what no key of an MCP server can tell alone. `nearest`: another one, whose label this may be a slip of.
fn check_mcp(
    label: &str,
    mcp: &McpConfig,
    nearest: Option<&str>,
    origin_of: impl Fn(&str) -> Origin,
) -> Result<(), ConfigError> {
    let bad = |key: &str, problem: &str| {
        let key = format!("mcp.{label}.{key}");
        Err(ConfigError::BadValue { origin: origin_of(&key), key, problem: problem.into() })
    };
    let default = McpConfig::default();
    match (mcp.url.is_empty(), mcp.command.is_empty()) {
        (true, true) => {
            return Err(ConfigError::MissingKey {
                origin: origin_of(&format!("mcp.{label}.url")),
                key: format!("mcp.{label}.url` or `mcp.{label}.command"),
                nearest: nearest.map(|near| format!("mcp.{near}")),
            });
        }
        (false, false) => return bad("command", "and `url` are both given"),
        (false, true) if mcp.env != default.env => return bad("env", "is for servers with a `command`"),
        (false, true) if mcp.working_directory != default.working_directory => {
            return bad("working_directory", "is for servers with a `command`");
        }
        (true, false) if !mcp.headers.is_empty() => return bad("headers", "is for servers with a `url`"),
        (false, true) | (true, false) => {}
    }
    let mut taken = BTreeSet::new();
    for name in mcp.headers.keys() {
        let lower = name.to_ascii_lowercase();
        if MCP_HEADERS.contains(&lower.as_str()) {
            return bad(&format!("headers.{name}"), "is a header that the server sets itself");
        }
        if !taken.insert(lower) {
            return bad(&format!("headers.{name}"), "is given twice, in other letters");
        }
    }
    if let Some(RequireApproval::ByTool(lists)) = &mcp.require_approval {
        if let Some(name) = lists.always.iter().find(|name| lists.never.contains(name)) {
            return bad("require_approval", &format!("names the tool `{name}` in both lists"));
        }
        let allowed = |name: &&String| mcp.allowed_tools.is_empty() || mcp.allowed_tools.contains(name);
        if let Some(name) = lists.always.iter().chain(&lists.never).find(|name| !allowed(name)) {
            let problem = format!("names the tool `{name}`, which is not in `allowed_tools`");
            return bad("require_approval", &problem);
        }
    }
    let never = mcp.require_approval == Some(RequireApproval::All(ApprovalWord::Never));
    if mcp.offer == ToolOffer::Always && !never {
        return bad(
            "offer",
            "can be `always` only with `require_approval = \"never\"`: \
             who does not name the server does not expect to be asked for an approval",
        );
    }
    Ok(())
}
