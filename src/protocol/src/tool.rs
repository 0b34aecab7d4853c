//! Tools and the choice among them.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::json::extra::Extra;
use crate::json::{elements, member, members, string};
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
                    + tool.extra.size()
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
    /// OpenAI's `async`, `defer_loading`, `allowed_callers` and `output_schema`, and whatever else has no form here.
    pub extra: Extra,
}

impl FunctionTool {
    /// A function of which only the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, parameters: None, strict: None, extra: Extra::default() }
    }
}

impl Serialize for FunctionTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("type", "function")?;
        out.serialize_entry("name", &self.name)?;
        out.serialize_entry("description", &self.description)?;
        out.serialize_entry("parameters", &self.parameters)?;
        out.serialize_entry("strict", &self.strict)?;
        for (name, value) in self.extra.members() {
            out.serialize_entry(&name, value)?;
        }
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

/// As it came, with the format that it has where it names none: typed clients read no tool without it.
impl Serialize for CustomTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.raw.members();
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in members.iter().filter(|(name, value)| name != "format" || value.get() != "null")
        {
            map.serialize_entry(name, value)?;
        }
        if self.raw.get("format").is_none_or(|format| format.get() == "null") {
            map.serialize_entry("format", &TextInput { kind: "text" })?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct TextInput {
    #[serde(rename = "type")]
    kind: &'static str,
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

    /// The functions and custom tools inside a `namespace` tool; empty for all others.
    pub fn tools(&self) -> Vec<InnerTool> {
        self.inner().into_iter().filter_map(inner_tool).collect()
    }

    fn inner(&self) -> Vec<&RawValue> {
        match self.raw.get("tools") {
            Some(tools) if self.kind == "namespace" => elements(tools),
            _ => Vec::new(),
        }
    }
}

/// A tool inside a namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum InnerTool {
    /// A function.
    Function(FunctionTool),
    /// A free-form tool.
    Custom(CustomTool),
}

impl InnerTool {
    /// Its name inside the namespace.
    pub fn name(&self) -> &str {
        match self {
            Self::Function(tool) => &tool.name,
            Self::Custom(tool) => &tool.name,
        }
    }
}

fn inner_tool(tool: &RawValue) -> Option<InnerTool> {
    let text = |key: &str| member(tool, key).and_then(string).map(|text| text.into_owned());
    let (name, description) = (text("name")?, text("description"));
    match text("type")?.as_str() {
        "function" => {
            let parameters = member(tool, "parameters").and_then(|raw| RawJson::keep(raw).ok());
            let others: Vec<_> =
                members(tool).into_iter().filter(|(key, _)| !FUNCTION.contains(&&**key)).collect();
            Some(InnerTool::Function(FunctionTool {
                name,
                description,
                parameters: parameters.filter(RawJson::is_object),
                strict: member(tool, "strict").and_then(|raw| raw.get().parse().ok()),
                extra: Extra::of(&others).unwrap_or_default(),
            }))
        }
        "custom" => {
            let raw = RawJson::keep(tool).ok()?;
            Some(InnerTool::Custom(CustomTool { name, description, raw }))
        }
        _ => None,
    }
}

/// Members of a function that have a form.
const FUNCTION: &[&str] = &["type", "name", "description", "parameters", "strict"];

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
