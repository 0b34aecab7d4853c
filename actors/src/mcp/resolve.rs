//! From a tool of a request to the server that it means, and from that server's refusal to an error.

use std::sync::Arc;

use or_adapters::Note;
use or_protocol::{ApiError, ErrorKind, McpTool as RequestTool};
use serde_json::Value;

use super::configured::{ConfiguredMcp, McpServers};
use or_tools::mcp::{McpError, McpLimits, McpPlace, McpServer};

/// The server that a tool of the request means, and the operator's word on it.
///
/// # Errors
/// 400 if there is no such server, or the tool may not name it.
pub(super) fn resolve<'a>(
    servers: &'a McpServers,
    tool: &RequestTool,
    index: usize,
) -> Result<(Arc<McpServer>, Option<&'a ConfiguredMcp>), ApiError> {
    let label = &tool.server_label;
    match (&tool.server_url, servers.by_url) {
        (Some(url), Some(limits)) => Ok((given(tool, url, limits), None)),
        (Some(_), None) => {
            let text = "This server calls no MCP servers by URL; name a configured one by its label alone.";
            let param = format!("tools[{index}].server_url");
            Err(ApiError::invalid("mcp_server_not_allowed", param, text))
        }
        (None, _) => {
            let configured = servers.configured(label).ok_or_else(|| unknown(index, label))?;
            Ok((as_configured(configured, tool, index)?, Some(configured)))
        }
    }
}

/// Looks at the members that this server knows no use for. A limit must not be ignored.
///
/// # Errors
/// 400 for one that nobody knows, and for one that forbids what the model would do.
pub(super) fn members(tool: &RequestTool, index: usize) -> Result<Option<Note>, ApiError> {
    if let Some(member) = tool.unknown_member() {
        let param = format!("tools[{index}].{member}");
        let text = format!("Unknown parameter: '{param}'.");
        return Err(ApiError::invalid("unknown_parameter", param, text));
    }
    let may_call = match tool.raw.get("allowed_callers") {
        None => true,
        Some(callers) if callers.get() == "null" => true,
        Some(callers) => serde_json::from_str::<Vec<Value>>(callers.get())
            .is_ok_and(|list| list.iter().any(|one| one == "direct")),
    };
    if !may_call {
        let text =
            "This server lets the model call tools 'direct' only, which is not among 'allowed_callers'.";
        return Err(ApiError::invalid("unsupported_value", format!("tools[{index}].allowed_callers"), text));
    }
    let deferred = tool.raw.get("defer_loading").is_some_and(|raw| raw.get() == "true");
    let why = "the model gets all tools at once";
    Ok(deferred.then(|| Note::dropped(format!("tools[{index}].defer_loading"), why)))
}

/// A server as a request describes it.
fn given(tool: &RequestTool, url: &str, limits: McpLimits) -> Arc<McpServer> {
    Arc::new(McpServer {
        label: tool.server_label.clone(),
        place: McpPlace::Url(url.to_owned()),
        headers: headers(tool),
        trusted: false,
        shared: false,
        limits,
    })
}

fn headers(tool: &RequestTool) -> Vec<(String, String)> {
    let bearer =
        tool.authorization.as_ref().map(|token| ("authorization".to_owned(), format!("Bearer {token}")));
    tool.headers.clone().into_iter().chain(bearer).collect()
}

/// Headers that say who somebody is.
const CREDENTIALS: &[&str] =
    &["authorization", "api-key", "cookie", "x-access-token", "x-api-key", "x-auth-token", "x-authorization"];

fn has_credentials(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| CREDENTIALS.contains(&name.as_str()))
}

/// An operator's server. A request may bring the headers that the operator has listed for it, which take the place of the
/// operator's; with credentials among them, none of the operator's headers go along, since any of them may be one.
fn as_configured(
    configured: &ConfiguredMcp,
    tool: &RequestTool,
    index: usize,
) -> Result<Arc<McpServer>, ApiError> {
    let own = headers(tool);
    if own.is_empty() {
        return Ok(Arc::clone(&configured.server));
    }
    let label = &tool.server_label;
    if matches!(configured.server.place, McpPlace::Command(_)) {
        let member = if tool.authorization.is_some() { "authorization" } else { "headers" };
        let text = format!("The MCP server '{label}' is a program: it takes no '{member}'.");
        return Err(ApiError::invalid("invalid_value", format!("tools[{index}].{member}"), text));
    }
    if let Some((name, _)) = own.iter().find(|(name, _)| !configured.client_headers.contains(name)) {
        let is_token = name == "authorization" && tool.authorization.is_some();
        let member = if is_token { "authorization".to_owned() } else { format!("headers.{name}") };
        let text = format!(
            "The MCP server '{label}' is configured by the operator, who does not let requests set its header '{name}'."
        );
        return Err(ApiError::invalid("mcp_header_not_allowed", format!("tools[{index}].{member}"), text));
    }
    let mut server = McpServer::clone(&configured.server);
    if has_credentials(&own) {
        server.headers.clear();
    }
    server.headers.retain(|(name, _)| !own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    server.headers.extend(own);
    // What the operator said of the session was said of the operator's own headers.
    server.shared = false;
    Ok(Arc::new(server))
}

fn unknown(index: usize, label: &str) -> ApiError {
    let text = format!("No MCP server '{label}' is configured on this server; give its 'server_url'.");
    ApiError::invalid("mcp_server_not_found", format!("tools[{index}].server_label"), text)
}

/// A server that does not list its tools, as the client is told.
pub(super) fn refused(error: &McpError, index: usize, tool: &RequestTool) -> ApiError {
    let label = &tool.server_label;
    tracing::warn!(label, reason = error.reason(), error = error.own_words(), "an MCP server gives no tools");
    let text = format!("Error retrieving tool list from MCP server: '{label}'. Reason: {error}.");
    // The client's own credentials; otherwise it could do nothing about it.
    let own = tool.server_url.is_some() || has_credentials(&headers(tool));
    let (kind, code, param) = match error {
        McpError::Unauthorized { .. } if own => (ErrorKind::Unauthorized, "mcp_unauthorized", ""),
        McpError::Unauthorized { .. } => (ErrorKind::McpServer, "mcp_unauthorized", ""),
        McpError::Refused(_) => (ErrorKind::InvalidRequest, "mcp_server_not_allowed", ".server_url"),
        McpError::TooMany => (ErrorKind::TooManyRequests, "too_many_mcp_sessions", ""),
        McpError::TimedOut(_) => (ErrorKind::McpServer, "mcp_server_timeout", ""),
        McpError::Unreachable(_)
        | McpError::Http { .. }
        | McpError::Protocol(_)
        | McpError::Said { .. }
        | McpError::TooLarge(_)
        | McpError::Broken => (ErrorKind::McpServer, "mcp_server_error", ""),
        McpError::Gone | McpError::Internal => return ApiError::internal(),
    };
    let refused = ApiError::new(kind, text).with_code(code).with_param(format!("tools[{index}]{param}"));
    // A session is free when a call ends.
    ApiError { retry_after_s: (*error == McpError::TooMany).then_some(1), ..refused }
}
