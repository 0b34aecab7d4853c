//! A page of a server's list of tools, read as leniently as it can be.

use rmcp::model::{ListToolsResult, Tool, ToolAnnotations};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::McpTool;
use super::fault::Fault;

/// JSON values in all definitions together: each costs some hundred bytes, however short it is.
pub(super) const MAX_VALUES: usize = 50_000;
/// How much longer a text can be than what it stands for, by its escapes.
const ESCAPED: usize = 6;

/// A page of the list; `None` stands for a tool that cannot be used.
pub(super) struct Page {
    pub(super) tools: Vec<Option<McpTool>>,
    pub(super) next_cursor: Option<String>,
}

impl Page {
    /// Of the text of a large page: what cannot be taken is not made into values.
    pub(super) fn of_text(page: &str, max_definition: usize) -> Result<Self, Fault> {
        let odd = |_| Fault::odd("its list of tools has no known form");
        let Text { tools, next_cursor } = serde_json::from_str(page).map_err(odd)?;
        let mut values = 0;
        let mut tool = |raw: &&RawValue| {
            let definition: Definition<'_> = serde_json::from_str(raw.get()).ok()?;
            values += definition.values();
            let fits = definition.bytes() <= max_definition.saturating_mul(ESCAPED) && values <= MAX_VALUES;
            if fits { read(serde_json::to_value(definition).ok()?) } else { None }
        };
        Ok(Self { tools: tools.iter().map(&mut tool).collect(), next_cursor })
    }

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

/// The members of a large page that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    next_cursor: Option<String>,
}

/// The members of a tool that are read.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    name: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    description: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    input_schema: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a RawValue>,
}

impl Definition<'_> {
    fn parts(&self) -> impl Iterator<Item = &str> {
        let parts = [self.name, self.description, self.input_schema, self.annotations];
        parts.into_iter().flatten().map(RawValue::get)
    }

    fn bytes(&self) -> usize {
        self.parts().map(str::len).sum()
    }

    /// How many values it has at most: each begins a list or an object, or stands behind a comma.
    fn values(&self) -> usize {
        let begins = |byte: &u8| matches!(byte, b',' | b'[' | b'{');
        self.parts().map(|part| part.bytes().filter(|byte| begins(byte)).count()).sum()
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
