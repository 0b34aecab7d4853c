//! Tools and the choice among them.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::json::{elements, member, string};
use crate::{McpTool, RawJson};

/// A tool the request declares.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Tool {
    /// A function that the client (or this server) runs.
    Function(FunctionTool),
    /// OpenAI's free-form tool; on other providers it becomes a function with one string argument.
    Custom(CustomTool),
    /// A server of the Model Context Protocol.
    Mcp(Box<McpTool>),
    /// A provider-hosted tool, or OpenAI's `namespace`: kept as it came.
    Hosted(HostedTool),
}

impl Tool {
    /// The name a model calls it by, where it has one of its own.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Function(tool) => Some(&tool.name),
            Self::Custom(tool) => Some(&tool.name),
            Self::Hosted(tool) => tool.name.as_deref(),
            Self::Mcp(_) => None,
        }
    }

    /// How many tools it is: a namespace is those inside it.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Hosted(tool) => 1 + tool.inner().len(),
            Self::Function(_) | Self::Custom(_) | Self::Mcp(_) => 1,
        }
    }

    /// Bytes that it has about.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Function(tool) => {
                tool.description.as_ref().map_or(0, String::len)
                    + tool.parameters.as_ref().map_or(0, |schema| schema.as_str().len())
            }
            Self::Custom(tool) => tool.raw.as_str().len(),
            Self::Mcp(tool) => tool.raw.as_str().len(),
            Self::Hosted(tool) => tool.raw.as_str().len(),
        }
    }
}

/// A function tool. In the echo all keys are there, null where the request left them out (rules 8.3b).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct FunctionTool {
    pub name: String,
    pub description: Option<String>,
    /// JSON Schema object.
    pub parameters: Option<RawJson>,
    pub strict: Option<bool>,
}

impl Serialize for FunctionTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("FunctionTool", 5)?;
        out.serialize_field("type", "function")?;
        out.serialize_field("name", &self.name)?;
        out.serialize_field("description", &self.description)?;
        out.serialize_field("parameters", &self.parameters)?;
        out.serialize_field("strict", &self.strict)?;
        out.end()
    }
}

/// A custom tool: its name and description, and the whole object for OpenAI.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "OpenAI's field names say it")]
pub struct CustomTool {
    pub name: String,
    pub description: Option<String>,
    /// Every member as it came, `type` included.
    pub raw: RawJson,
}

impl Serialize for CustomTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

/// A tool by another's rules, with every member as it came.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "RawJson")]
pub struct HostedTool {
    kind: String,
    name: Option<String>,
    raw: RawJson,
}

impl From<HostedTool> for RawJson {
    fn from(tool: HostedTool) -> Self {
        tool.raw
    }
}

impl HostedTool {
    /// Of an object.
    pub fn new(raw: RawJson) -> Self {
        let text = |key: &str| raw.text(key).map(|text| text.into_owned());
        Self { kind: text("type").unwrap_or_default(), name: text("name"), raw }
    }

    /// The tool's `type`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Every member.
    pub fn raw(&self) -> &RawJson {
        &self.raw
    }

    /// The functions inside a `namespace` tool; empty for all others.
    pub fn functions(&self) -> Vec<FunctionTool> {
        self.inner().into_iter().filter_map(inner_function).collect()
    }

    fn inner(&self) -> Vec<&RawValue> {
        match self.raw.get("tools") {
            Some(tools) if self.kind == "namespace" => elements(tools),
            _ => Vec::new(),
        }
    }
}

fn inner_function(tool: &RawValue) -> Option<FunctionTool> {
    let text = |key: &str| member(tool, key).and_then(string);
    if text("type")? != "function" {
        return None;
    }
    let parameters = member(tool, "parameters").and_then(|raw| RawJson::keep(raw).ok());
    Some(FunctionTool {
        name: text("name")?.into_owned(),
        description: text("description").map(|text| text.into_owned()),
        parameters: parameters.filter(RawJson::is_object),
        strict: member(tool, "strict").and_then(|raw| raw.get().parse().ok()),
    })
}

/// Whether one of the allowed tools must be called.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum AllowedMode {
    #[default]
    Auto,
    Required,
    None,
}

/// Which tools the model may or must call (rules 8.6).
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the spec's words")]
pub enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    /// This function, by name.
    Function(String),
    /// Only these, by name; `tools` keeps the entries as they came.
    Allowed {
        mode: AllowedMode,
        names: Vec<String>,
        tools: Vec<RawJson>,
    },
    /// A hosted or custom tool is forced: OpenAI's forms, as they came.
    Other(RawJson),
}

impl ToolChoice {
    /// Whether a call of `name` is within the limit (rules 8.7, 8.6 `none`).
    pub fn permits(&self, name: &str) -> bool {
        match self {
            Self::Auto | Self::Required | Self::Other(_) => true,
            Self::None => false,
            Self::Function(only) => only == name,
            Self::Allowed { mode: AllowedMode::None, .. } => false,
            Self::Allowed { names, .. } => names.iter().any(|n| n == name),
        }
    }
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::None => serializer.serialize_str("none"),
            Self::Required => serializer.serialize_str("required"),
            Self::Function(name) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", "function")?;
                map.serialize_entry("name", name)?;
                map.end()
            }
            Self::Allowed { mode, tools, .. } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("type", "allowed_tools")?;
                map.serialize_entry("mode", mode)?;
                map.serialize_entry("tools", tools)?;
                map.end()
            }
            Self::Other(raw) => raw.serialize(serializer),
        }
    }
}
