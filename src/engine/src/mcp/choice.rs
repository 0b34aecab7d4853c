//! `tool_choice` where it names MCP servers: the model is told the functions.

use or_protocol::{AllowedMode, RawJson, ToolChoice};
use serde_json::json;

use super::Mcp;

pub(super) fn resolve(mcp: &Mcp, choice: &ToolChoice) -> ToolChoice {
    match choice {
        ToolChoice::Other(raw) => match names(mcp, raw).map(<[String; 1]>::try_from) {
            Some(Ok([only])) => ToolChoice::Function(only),
            Some(Err(names)) => {
                let tools = names.iter().map(|name| entry(name)).collect();
                ToolChoice::Allowed { mode: AllowedMode::Required, names, tools }
            }
            None => choice.clone(),
        },
        ToolChoice::Allowed { mode, names: plain, tools } => {
            let mut all = plain.clone();
            let mut entries = Vec::with_capacity(tools.len());
            for tool in tools {
                match names(mcp, tool) {
                    Some(functions) => {
                        entries.extend(functions.iter().map(|name| entry(name)));
                        all.extend(functions);
                    }
                    None => entries.push(tool.clone()),
                }
            }
            ToolChoice::Allowed { mode: *mode, names: all, tools: entries }
        }
        other => other.clone(),
    }
}

/// The functions that an entry `{"type": "mcp", "server_label": …, "name": …}` stands for; `None` if it is
/// another one, or the provider's.
fn names(mcp: &Mcp, entry: &RawJson) -> Option<Vec<String>> {
    let label = entry.text("server_label").filter(|_| entry.text("type").as_deref() == Some("mcp"))?;
    let server = mcp.server(&label)?;
    let only = entry.text("name");
    let wanted = |name: &str| only.as_ref().is_none_or(|only| *only == name);
    Some(server.tools.iter().filter(|f| wanted(&f.name)).map(|f| f.exposed.clone()).collect())
}

fn entry(name: &str) -> RawJson {
    json!({"type": "function", "name": name}).into()
}
