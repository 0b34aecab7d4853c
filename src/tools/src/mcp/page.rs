//! A page of a server's list of tools, read as leniently as it can be.

use rmcp::model::{ListToolsResult, Tool, ToolAnnotations};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::McpTool;
use super::fault::Fault;

/// A page of the list; `None` stands for a tool that cannot be used.
pub(super) struct Page {
    pub(super) tools: Vec<Option<McpTool>>,
    pub(super) next_cursor: Option<String>,
}

impl Page {
    pub(super) fn of(page: ListToolsResult) -> Self {
        Self { tools: page.tools.into_iter().map(known).collect(), next_cursor: page.next_cursor }
    }

    /// Of a page that does not read as a whole: tools that do not, and what is wrong with others, must not take the
    /// server from the client.
    pub(super) fn read(page: Value) -> Result<Self, Fault> {
        let odd = || Fault::odd("its list of tools has no known form");
        let Value::Object(mut page) = page else { return Err(odd()) };
        let Some(Value::Array(tools)) = page.remove("tools") else { return Err(odd()) };
        let next_cursor = match page.remove("nextCursor") {
            None | Some(Value::Null) => None,
            Some(Value::String(cursor)) => Some(cursor),
            Some(_) => return Err(odd()),
        };
        Ok(Self { tools: tools.into_iter().map(read).collect(), next_cursor })
    }
}

fn known(tool: Tool) -> Option<McpTool> {
    let annotations = tool.annotations.and_then(|notes| match serde_json::to_value(notes) {
        Ok(Value::Object(notes)) => Some(notes),
        Ok(_) | Err(_) => None,
    });
    Some(McpTool {
        name: tool.name.into_owned(),
        description: tool.description.map(|text| text.into_owned()),
        input_schema: (*tool.input_schema).clone(),
        annotations,
    })
}

/// A tool of which something may be wrong that a call does not need. Without a schema it takes no arguments; one
/// that is no object cannot be kept to.
fn read(tool: Value) -> Option<McpTool> {
    let Value::Object(mut tool) = tool else { return None };
    tool.retain(|key, _| matches!(key.as_str(), "name" | "description" | "inputSchema" | "annotations"));
    if tool.get("description").is_some_and(|text| !text.is_string()) {
        tool.remove("description");
    }
    let hints = tool.remove("annotations").filter(|hints| ToolAnnotations::deserialize(hints).is_ok());
    tool.extend(hints.map(|hints| ("annotations".to_owned(), hints)));
    if tool.get("inputSchema").is_none_or(Value::is_null) {
        tool.insert("inputSchema".into(), json!({"type": "object"}));
    }
    known(serde_json::from_value(Value::Object(tool)).ok()?)
}
