//! Requests with an MCP server `s`, whose tools are `ask` and `read`.

use or_engine::{LoopSpec, Mcp, McpFunction, OfferedServer};
use serde_json::{Value, json};

use super::play::spec;

/// `approval`: the tools whose calls need it.
pub fn server(approval: &[&str]) -> OfferedServer {
    let tool = |name: &str| McpFunction {
        name: name.into(),
        exposed: name.into(),
        description: Some(format!("Does {name}.")),
        model_description: Some(format!("A server. It does {name}.")),
        needs_approval: approval.contains(&name),
        ..McpFunction::default()
    };
    OfferedServer {
        label: "s".into(),
        identity: "https://s.example/mcp".into(),
        tools: vec![tool("ask"), tool("read")],
        listed_before: false,
    }
}

/// A spec of such a request.
pub fn mcp_spec(mut request: Value, mcp: Mcp) -> LoopSpec {
    if request.get("tools").is_none() {
        request["tools"] = json!([
            {"type": "mcp", "server_label": "s", "server_url": "https://s.example/mcp"},
            {"type": "function", "name": "client"},
        ]);
    }
    LoopSpec { mcp, ..spec(request) }
}

/// The same with a server whose list was shown before.
pub fn known(approval: &[&str]) -> Mcp {
    let server = OfferedServer { listed_before: true, ..server(approval) };
    Mcp { servers: vec![server], key: [7; 32], ..Mcp::default() }
}
