//! Tools and tool choice from JSON (rules 8).

use serde_json::{Map, Value};

use crate::decode::item::function_name;
use crate::decode::mcp::mcp_tool;
use crate::decode::{MAX_NAME, MAX_TEXT, bad_value, missing, refuse, wrong_type};
use crate::tool::{AllowedMode, CustomTool, FunctionTool, HostedTool, Tool, ToolChoice};
use crate::{ApiError, Fields, Path};

/// Tool types of OpenAI's that other servers and providers may run; a type with a slug is an extension.
const HOSTED: &[&str] = &[
    "namespace",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "file_search",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "shell",
    "apply_patch",
    "computer",
    "computer_use_preview",
    "tool_search",
    "programmatic_tool_calling",
];

/// Decodes one tool of a request; errors name places within it.
pub fn decode_request_tool(value: Value) -> Result<Tool, ApiError> {
    decode_tool(value, Path::Root)
}

pub(crate) fn decode_tool(value: Value, path: Path<'_>) -> Result<Tool, ApiError> {
    let Value::Object(map) = &value else { return Err(wrong_type(path, "an object", &value)) };
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        None | Some(Value::Null) => return Err(missing(Path::Key(&path, "type"))),
        Some(other) => return Err(wrong_type(Path::Key(&path, "type"), "a string", other)),
    };
    match kind.as_str() {
        "function" => function(Fields::new(value, path)?).map(Tool::Function),
        "custom" => custom(value, path).map(Tool::Custom),
        "mcp" => mcp_tool(map.clone(), path).map(|tool| Tool::Mcp(Box::new(tool))),
        other if HOSTED.contains(&other) || other.contains(':') => match value {
            Value::Object(map) => Ok(Tool::Hosted(HostedTool(map))),
            other => Err(wrong_type(path, "an object", &other)),
        },
        other => {
            let all: Vec<_> = ["function", "custom", "mcp"].iter().chain(HOSTED).copied().collect();
            Err(bad_value(Path::Key(&path, "type"), other, &all))
        }
    }
}

fn function(mut fields: Fields<'_>) -> Result<FunctionTool, ApiError> {
    // Chat Completions' nesting is the commonest mistake of new clients: name the field they need.
    if fields.peek("name").is_none() && fields.peek("function").is_some() {
        return Err(missing(fields.at("name")));
    }
    Ok(FunctionTool {
        name: function_name(&mut fields, "name")?,
        description: fields.string("description", MAX_TEXT)?,
        parameters: fields.object("parameters")?,
        strict: fields.boolean("strict")?,
    })
}

fn custom(value: Value, path: Path<'_>) -> Result<CustomTool, ApiError> {
    let raw = value.as_object().cloned().unwrap_or_default();
    let mut fields = Fields::new(value, path)?;
    Ok(CustomTool {
        name: function_name(&mut fields, "name")?,
        description: fields.string("description", MAX_TEXT)?,
        raw,
    })
}

pub(crate) fn decode_choice(value: Value, path: Path<'_>) -> Result<ToolChoice, ApiError> {
    match value {
        Value::String(word) => match word.as_str() {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" => Ok(ToolChoice::Required),
            other => Err(bad_value(path, other, &["none", "auto", "required"])),
        },
        Value::Object(map) => object_choice(map, path),
        other => Err(wrong_type(path, "a string or an object", &other)),
    }
}

fn object_choice(map: Map<String, Value>, path: Path<'_>) -> Result<ToolChoice, ApiError> {
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        None | Some(Value::Null) => return Err(missing(Path::Key(&path, "type"))),
        Some(other) => return Err(wrong_type(Path::Key(&path, "type"), "a string", other)),
    };
    match kind.as_str() {
        "function" => {
            let mut fields = Fields::new(Value::Object(map), path)?;
            Ok(ToolChoice::Function(function_name(&mut fields, "name")?))
        }
        "allowed_tools" => allowed(Fields::new(Value::Object(map), path)?),
        other if matches!(other, "custom" | "mcp") || HOSTED.contains(&other) || other.contains(':') => {
            Ok(ToolChoice::Other(map))
        }
        other => {
            let all: Vec<_> =
                ["function", "allowed_tools", "custom", "mcp"].iter().chain(HOSTED).copied().collect();
            Err(bad_value(Path::Key(&path, "type"), other, &all))
        }
    }
}

fn allowed(mut fields: Fields<'_>) -> Result<ToolChoice, ApiError> {
    const MODES: &[(&str, AllowedMode)] =
        &[("auto", AllowedMode::Auto), ("required", AllowedMode::Required), ("none", AllowedMode::None)];
    let mode = fields.word("mode", MODES)?.unwrap_or_default();
    let Some(list) = fields.array("tools")? else { return Err(missing(fields.at("tools"))) };
    let parent = fields.at("tools");
    if list.is_empty() || list.len() > 128 {
        return Err(refuse("invalid_value", parent, "expected an array with 1 to 128 tools."));
    }
    let mut names = Vec::with_capacity(list.len());
    let mut tools = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let path = Path::Index(&parent, index);
        let Value::Object(map) = value else { return Err(wrong_type(path, "an object", &value)) };
        match (map.get("type").and_then(Value::as_str), map.get("name").and_then(Value::as_str)) {
            (None, _) => return Err(missing(Path::Key(&path, "type"))),
            (Some("function" | "custom"), None) => return Err(missing(Path::Key(&path, "name"))),
            // Its name is one of the server's.
            (Some("mcp"), _) => {}
            (Some(_), Some(name)) => names.push(name.to_owned()),
            (Some(_), None) => {}
        }
        tools.push(map);
    }
    Ok(ToolChoice::Allowed { mode, names, tools })
}

/// A choice must be possible with the tools at hand (rules 8.8).
pub(crate) fn check_choice(choice: &ToolChoice, tools: &[Tool], path: Path<'_>) -> Result<(), ApiError> {
    let known = |name: &str| {
        tools.iter().any(|tool| {
            tool.name() == Some(name)
                || matches!(tool, Tool::Hosted(h) if h.functions().iter().any(|f| f.name == name))
        })
    };
    let unknown = |name: &str| {
        let text = format!("Tool choice '{name}' not found in 'tools' parameter.");
        Err(ApiError::invalid("invalid_value", path.to_string(), text))
    };
    match choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Other(map) => check_server(map, tools, path),
        ToolChoice::Required if tools.is_empty() => {
            let text = "Tool choice 'required' must be specified with 'tools' parameter.";
            Err(ApiError::invalid("invalid_value", path.to_string(), text))
        }
        ToolChoice::Required => Ok(()),
        ToolChoice::Function(name) if known(name) => Ok(()),
        ToolChoice::Function(name) => unknown(name),
        ToolChoice::Allowed { names, tools: entries, .. } => match names.iter().find(|name| !known(name)) {
            Some(name) => unknown(name),
            None => entries.iter().try_for_each(|entry| check_server(entry, tools, path)),
        },
    }
}

/// A choice of an MCP server needs that server.
fn check_server(choice: &Map<String, Value>, tools: &[Tool], path: Path<'_>) -> Result<(), ApiError> {
    if choice.get("type").and_then(Value::as_str) != Some("mcp") {
        return Ok(());
    }
    let mut fields = Fields::new(Value::Object(choice.clone()), path)?;
    let label = fields.required_string("server_label", MAX_NAME)?;
    // As the server calls it, which may be long.
    fields.string("name", MAX_TEXT)?;
    if tools.iter().any(|tool| matches!(tool, Tool::Mcp(mcp) if mcp.server_label == label)) {
        return Ok(());
    }
    let text = format!("Tool choice names the MCP server '{label}', which is not in 'tools' parameter.");
    Err(ApiError::invalid("invalid_value", path.to_string(), text))
}
