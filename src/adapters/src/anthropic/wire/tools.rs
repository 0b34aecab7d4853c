//! Tools and the choice among them, as the provider names things.

use or_protocol::RawJson;
use serde::Serialize;

use crate::shared::hosted::Location;

/// A client's tool.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ClientTool {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) input_schema: RawJson,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) strict: bool,
}

/// A tool that the provider runs itself.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct ServerTool {
    /// With its version.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_uses: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed_domains: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) blocked_domains: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_location: Option<UserLocation>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct UserLocation {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(flatten)]
    pub(crate) place: Location,
}

/// A tool.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum ToolParam {
    Client(ClientTool),
    /// One that the provider runs.
    Server(ServerTool),
}

impl ToolParam {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Client(tool) => &tool.name,
            Self::Server(tool) => tool.name,
        }
    }
}

/// Which tools may or must be called.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ToolChoiceParam {
    #[serde(rename = "type")]
    pub(crate) kind: ChoiceKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) disable_parallel_tool_use: bool,
}

/// Form of the choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChoiceKind {
    Auto,
    Any,
    Tool,
    None,
}
