//! The tools of a server, all pages, within limits.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::fault::Fault;
use super::page::MAX_VALUES;
use super::session::Session;
use super::{McpServer, McpTool};
use crate::answer::head;

/// A server may have empty pages, but not for ever.
const MAX_PAGES: usize = 128;
/// Bytes of all definitions together: they stay in memory, and no model reads more.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// All tools that keep to the limits; the others are left out, and the log says so.
pub(super) async fn list(session: &Session, server: &McpServer) -> Result<Vec<McpTool>, Fault> {
    let mut tools = Tools { server, taken: Vec::new(), names: HashSet::new(), bytes: 0, values: 0 };
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let page = session.page(cursor.clone(), server).await?;
        for tool in page.tools {
            if tools.taken.len() >= server.limits.max_tools {
                tools.leave_out(tool.as_ref().map_or("", |tool| &tool.name), "the server has too many");
                return Ok(tools.taken);
            }
            match tool {
                Some(tool) => tools.take(tool),
                None => tools.leave_out("", "its definition has no known form"),
            }
        }
        // A page that leads to itself is the last one, and so is one that names no other.
        let next = page.next_cursor.filter(|next| !next.is_empty());
        if next.is_none() || next == cursor {
            return Ok(tools.taken);
        }
        cursor = next;
    }
    tools.leave_out("", "its list has too many pages");
    Ok(tools.taken)
}

struct Tools<'a> {
    server: &'a McpServer,
    taken: Vec<McpTool>,
    names: HashSet<String>,
    /// Of all that was taken.
    bytes: usize,
    /// Of all that was taken.
    values: usize,
}

impl Tools<'_> {
    fn take(&mut self, tool: McpTool) {
        let size = size(&tool);
        if size > self.server.limits.max_definition_bytes {
            return self.leave_out(&tool.name, "its definition is too long");
        }
        let values = tool.input_schema.values().chain(tool.annotations.iter().flat_map(Map::values));
        let values = values.map(count).sum::<usize>();
        if size > MAX_BYTES - self.bytes || values > MAX_VALUES - self.values {
            return self.leave_out(&tool.name, "all definitions together are too long");
        }
        if tool.name.is_empty() || !self.names.insert(tool.name.clone()) {
            return self.leave_out(&tool.name, "its name is empty or taken");
        }
        self.bytes += size;
        self.values += values;
        self.taken.push(tool);
    }

    fn leave_out(&self, tool: &str, why: &str) {
        let label = self.server.label.as_str();
        let tool = head(tool, 128);
        tracing::warn!(label, tool, why, "MCP tools left out");
    }
}

/// A value and all in it.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Bytes of a definition.
fn size(tool: &McpTool) -> usize {
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.map_or(usize::MAX, |json| json.len());
    let annotations = tool.annotations.as_ref().map_or(0, |notes| json(serde_json::to_vec(notes)));
    tool.name
        .len()
        .saturating_add(tool.description.as_ref().map_or(0, String::len))
        .saturating_add(json(serde_json::to_vec(&tool.input_schema)))
        .saturating_add(annotations)
}
