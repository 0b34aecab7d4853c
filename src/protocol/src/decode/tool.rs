//! Tools and tool choice from JSON (rules 8).

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::bounds::{MAX_NAME, MAX_SCHEMA_BYTES, MAX_SCHEMA_VALUES, MAX_TEXT, MAX_TOOLS, MAX_TOOLS_BYTES};
use crate::decode::fields::{Fields, list};
use crate::decode::mcp::mcp_tool;
use crate::decode::{bad_value, each, keep, missing, not_json, refuse, too_many, wrong_type};
use crate::json::{RawJson, count_values, elements, member, string};
use crate::tool::{AllowedMode, CustomTool, FunctionTool, HostedTool, Tool, ToolChoice};
use crate::{ApiError, Path};

/// Members of a function and of a custom tool that are read here.
const FUNCTION: &[&str] = &["type", "name", "description", "parameters", "strict", "function"];

/// Decodes one tool of a request; errors name places within it.
pub fn decode_request_tool(value: Value) -> Result<Tool, ApiError> {
    let raw = to_raw_value(&value).map_err(|e| not_json(&e))?;
    decode_tool(&raw, Path::Root)
}

pub(crate) fn decode_tools(raw: &RawValue, parent: Path<'_>) -> Result<Vec<Tool>, ApiError> {
    let mut tools = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    each(raw, |index, raw| {
        let tool = decode_tool(raw, Path::Index(&parent, index))?;
        count += tool.count();
        bytes += tool.size();
        if count > MAX_TOOLS {
            return Err(too_many(parent, MAX_TOOLS, "tools, those inside namespaces counted"));
        }
        if bytes > MAX_TOOLS_BYTES {
            return Err(too_long(parent, "all tools together", MAX_TOOLS_BYTES));
        }
        tools.push(tool);
        Ok(())
    })?;
    Ok(tools)
}

fn too_long(path: Path<'_>, what: &str, most: usize) -> ApiError {
    refuse(
        "string_above_max_length",
        path,
        format_args!("{what} must not have more than {most} bytes of JSON."),
    )
}

/// A JSON Schema, as it came. Whoever needs its tree builds it for a moment, so it is bounded by what that costs.
pub(crate) fn schema(raw: &RawValue, path: Path<'_>) -> Result<RawJson, ApiError> {
    check_schema(raw, path)?;
    RawJson::keep(raw).map_err(|e| not_json(&e))
}

fn check_schema(raw: &RawValue, path: Path<'_>) -> Result<(), ApiError> {
    if raw.get().len() > MAX_SCHEMA_BYTES {
        return Err(too_long(path, "a schema", MAX_SCHEMA_BYTES));
    }
    if count_values(raw) > MAX_SCHEMA_VALUES {
        let text = format_args!("a schema must not have more than {MAX_SCHEMA_VALUES} values.");
        return Err(refuse("array_above_max_length", path, text));
    }
    Ok(())
}

/// The `type` of a tool or of a choice.
fn kind<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Cow<'a, str>, ApiError> {
    match member(raw, "type").filter(|kind| kind.get() != "null") {
        Some(kind) => string(kind).ok_or_else(|| wrong_type(Path::Key(&path, "type"), "a string", kind)),
        None => Err(missing(Path::Key(&path, "type"))),
    }
}

pub(crate) fn decode_tool(raw: &RawValue, path: Path<'_>) -> Result<Tool, ApiError> {
    if !raw.get().starts_with('{') {
        return Err(wrong_type(path, "an object", raw));
    }
    match &*kind(raw, path)? {
        "function" => function(Fields::whole(raw, path, FUNCTION)?).map(Tool::Function),
        "custom" => custom(raw, path).map(Tool::Custom),
        "mcp" => mcp_tool(raw, path).map(|tool| Tool::Mcp(Box::new(tool))),
        "" => Err(missing(Path::Key(&path, "type"))),
        // OpenAI's hosted tools, another vendor's, an extension: whoever runs it knows its members.
        other => hosted(other, raw, path).map(Tool::Hosted),
    }
}

fn function(mut fields: Fields<'_, '_>) -> Result<FunctionTool, ApiError> {
    // Chat Completions' nesting is the commonest mistake of new clients: name the field they need.
    if fields.peek("name").is_none() && fields.peek("function").is_some() {
        return Err(missing(fields.at("name")));
    }
    Ok(FunctionTool {
        name: fields.function_name("name")?,
        description: fields.string("description", MAX_TEXT)?,
        parameters: match fields.object("parameters")? {
            Some(raw) => Some(schema(raw, fields.at("parameters"))?),
            None => None,
        },
        strict: fields.boolean("strict")?,
        extra: {
            let _ = fields.take("type");
            let extra = fields.rest()?;
            if let Some(schema) = extra.member("output_schema") {
                check_schema(schema.as_raw(), fields.at("output_schema"))?;
            }
            extra
        },
    })
}

fn custom(raw: &RawValue, path: Path<'_>) -> Result<CustomTool, ApiError> {
    let mut fields = Fields::new(raw, path, FUNCTION)?;
    Ok(CustomTool {
        name: fields.function_name("name")?,
        description: fields.string("description", MAX_TEXT)?,
        raw: keep(raw, path)?,
    })
}

fn hosted(kind: &str, raw: &RawValue, path: Path<'_>) -> Result<HostedTool, ApiError> {
    if let Some(tools) = member(raw, "tools").filter(|_| kind == "namespace") {
        let parent = Path::Key(&path, "tools");
        for (index, tool) in elements(tools).into_iter().enumerate() {
            if index >= MAX_TOOLS {
                return Err(too_many(parent, MAX_TOOLS, "tools"));
            }
            if let Some(raw) = member(tool, "parameters") {
                check_schema(raw, Path::Key(&Path::Index(&parent, index), "parameters"))?;
            }
        }
    }
    Ok(HostedTool::new(keep(raw, path)?))
}

pub(crate) fn decode_choice(raw: &RawValue, path: Path<'_>) -> Result<ToolChoice, ApiError> {
    if raw.get().starts_with('{') {
        return object_choice(raw, path);
    }
    match string(raw).as_deref() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required") => Ok(ToolChoice::Required),
        Some(other) => Err(bad_value(path, other, &["none", "auto", "required"])),
        None => Err(wrong_type(path, "a string or an object", raw)),
    }
}

fn object_choice(raw: &RawValue, path: Path<'_>) -> Result<ToolChoice, ApiError> {
    match &*kind(raw, path)? {
        "function" => {
            let mut fields = Fields::new(raw, path, FUNCTION)?;
            Ok(ToolChoice::Function(fields.function_name("name")?))
        }
        "allowed_tools" => allowed(Fields::new(raw, path, &["mode", "tools"])?),
        "" => Err(missing(Path::Key(&path, "type"))),
        _ => Ok(ToolChoice::Other(keep(raw, path)?)),
    }
}

fn allowed(mut fields: Fields<'_, '_>) -> Result<ToolChoice, ApiError> {
    const MODES: &[(&str, AllowedMode)] =
        &[("auto", AllowedMode::Auto), ("required", AllowedMode::Required), ("none", AllowedMode::None)];
    const MOST: usize = 128;
    let mode = fields.word("mode", MODES)?.unwrap_or_default();
    let Some(raw) = fields.array("tools")? else { return Err(missing(fields.at("tools"))) };
    let parent = fields.at("tools");
    let wrong_length =
        || refuse("invalid_value", parent, format_args!("expected an array with 1 to {MOST} tools."));
    let mut count = 0;
    each(raw, |index, _| {
        count = index + 1;
        if count > MOST { Err(wrong_length()) } else { Ok(()) }
    })?;
    if count == 0 {
        return Err(wrong_length());
    }
    let mut names = Vec::new();
    let tools = list(raw, parent, MOST, "tools", |raw, path| {
        if !raw.get().starts_with('{') {
            return Err(wrong_type(path, "an object", raw));
        }
        let tool = keep(raw, path)?;
        match (tool.text("type").as_deref(), tool.text("name")) {
            (None, _) => return Err(missing(Path::Key(&path, "type"))),
            (Some("function" | "custom"), None) => return Err(missing(Path::Key(&path, "name"))),
            // Its name is one of the server's.
            (Some("mcp"), _) => {}
            (Some(_), Some(name)) => names.push(name.into_owned()),
            (Some(_), None) => {}
        }
        Ok(tool)
    })?;
    Ok(ToolChoice::Allowed { mode, names, tools })
}

/// A choice must be possible with the tools at hand (rules 8.8).
pub(crate) fn check_choice(
    choice: &ToolChoice,
    tools: &[Tool],
    brought: &[Tool],
    path: Path<'_>,
) -> Result<(), ApiError> {
    let named = matches!(choice, ToolChoice::Function(_) | ToolChoice::Allowed { .. });
    let known = if named { names(tools.iter().chain(brought)) } else { HashSet::new() };
    let unknown = |name: &str| {
        let text = format!("Tool choice '{name}' not found in 'tools' parameter.");
        Err(ApiError::invalid("invalid_value", path.to_string(), text))
    };
    match choice {
        ToolChoice::Auto | ToolChoice::None => Ok(()),
        ToolChoice::Other(raw) => check_server(raw, tools, path),
        ToolChoice::Required if tools.is_empty() && brought.is_empty() => {
            let text = "Tool choice 'required' must be specified with 'tools' parameter.";
            Err(ApiError::invalid("invalid_value", path.to_string(), text))
        }
        ToolChoice::Required => Ok(()),
        ToolChoice::Function(name) if known.contains(name.as_str()) => Ok(()),
        ToolChoice::Function(name) => unknown(name),
        ToolChoice::Allowed { names, tools: entries, .. } => {
            match names.iter().find(|name| !known.contains(name.as_str())) {
                Some(name) => unknown(name),
                None => entries.iter().try_for_each(|entry| check_server(entry, tools, path)),
            }
        }
    }
}

/// What a choice may call the tools: by their names and those inside namespaces.
fn names<'a>(tools: impl Iterator<Item = &'a Tool>) -> HashSet<Cow<'a, str>> {
    let mut names = HashSet::new();
    for tool in tools {
        names.extend(tool.name().map(Cow::Borrowed));
        if let Tool::Hosted(hosted) = tool {
            names.extend(hosted.tools().iter().map(|tool| Cow::Owned(tool.name().to_owned())));
        }
    }
    names
}

/// A choice of an MCP server needs that server.
fn check_server(choice: &RawJson, tools: &[Tool], path: Path<'_>) -> Result<(), ApiError> {
    if choice.text("type").as_deref() != Some("mcp") {
        return Ok(());
    }
    let mut fields = Fields::new(choice.as_raw(), path, &["server_label", "name"])?;
    let label = fields.required_string("server_label", MAX_NAME)?;
    // As the server calls it, which may be long.
    fields.string("name", MAX_TEXT)?;
    if tools.iter().any(|tool| matches!(tool, Tool::Mcp(mcp) if mcp.server_label == label)) {
        return Ok(());
    }
    let text = format!("Tool choice names the MCP server '{label}', which is not in 'tools' parameter.");
    Err(ApiError::invalid("invalid_value", path.to_string(), text))
}
