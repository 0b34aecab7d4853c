//! The MCP servers of the configuration.

use std::sync::Arc;
use std::time::Duration;

use or_actors::Owners;
use or_actors::mcp::{ConfiguredMcp, McpPool, McpServers};
use or_protocol::{McpApproval, McpFilter};
use or_telemetry::Metrics;
use or_tools::mcp::{AddressGuard, McpBounds, McpCommand, McpLimits, McpPlace, McpServer};

use crate::config::{ApprovalWord, RequireApproval, Resolved, ResolvedMcp, Secret};

/// The MCP servers of the configuration.
pub(crate) fn mcp(resolved: &Resolved, owners: Arc<Owners>, metrics: Metrics) -> McpServers {
    let guard = AddressGuard::new(&resolved.config.security.allow_private_hosts);
    let config = &resolved.config.mcp_limits;
    let bounds = McpBounds {
        idle: Duration::from_secs(config.idle_timeout_s),
        servers: config.max_sessions,
        list_age: Duration::from_secs(config.list_max_age_s),
    };
    let limits = McpLimits {
        connect_timeout: Duration::from_secs(config.connect_timeout_s),
        list_timeout: Duration::from_secs(config.list_timeout_s),
        call_timeout: Duration::from_secs(config.timeout_s),
        max_output_bytes: config.max_output_bytes,
        max_message_bytes: config.max_message_bytes,
        max_tools: config.max_tools,
        max_definition_bytes: config.max_definition_bytes,
        max_concurrent: config.max_concurrent,
    };
    let configured = |(label, mcp): (&String, _)| (label.clone(), configured(label, mcp, limits));
    let configured = resolved.mcp.iter().map(configured).collect();
    let by_url = config.request_urls.then_some(limits);
    let pool = McpPool::new(guard, metrics, bounds);
    McpServers::new(pool.with_owners(move |owner| owners.of(owner).max_mcp_sessions), configured, by_url)
}

fn configured(label: &str, mcp: &ResolvedMcp, limits: McpLimits) -> ConfiguredMcp {
    let config = &mcp.config;
    let place = if config.command.is_empty() {
        McpPlace::Url(config.url.clone())
    } else {
        let folder = &config.working_directory;
        McpPlace::Command(McpCommand {
            command: config.command.clone(),
            environment: Secret::expose_all(&mcp.environment),
            working_directory: (!folder.as_os_str().is_empty()).then(|| folder.clone()),
        })
    };
    let limits = McpLimits {
        connect_timeout: config.connect_timeout(),
        call_timeout: config.timeout(),
        max_output_bytes: config.max_output_bytes,
        max_message_bytes: config.max_message_bytes,
        max_concurrent: config.max_concurrent,
        ..limits
    };
    let headers = Secret::expose_all(&mcp.headers);
    let shared = config.share_session;
    let server = McpServer { label: label.to_owned(), place, headers, trusted: true, shared, limits };
    ConfiguredMcp {
        server: Arc::new(server),
        description: config.description.clone(),
        allowed_tools: config.allowed_tools.clone(),
        require_approval: config.require_approval.as_ref().map(approval),
        client_headers: config.allow_client_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
        offer: config.offer,
    }
}

fn approval(rule: &RequireApproval) -> McpApproval {
    let names = |names: &[String]| {
        (!names.is_empty())
            .then(|| McpFilter { tool_names: Some(names.iter().cloned().collect()), read_only: None })
    };
    match rule {
        RequireApproval::All(ApprovalWord::Always) => McpApproval::Always,
        RequireApproval::All(ApprovalWord::Never) => McpApproval::Never,
        RequireApproval::ByTool(lists) => {
            McpApproval::Filter { always: names(&lists.always), never: names(&lists.never) }
        }
    }
}
