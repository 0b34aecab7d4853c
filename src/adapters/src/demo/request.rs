//! One turn to the demo wire.

use std::borrow::Cow;

use or_protocol::{AllowedMode, Settings, TextFormat, ToolChoice};
use serde_json::{Map, Value};

use super::history;
use super::schema::not_followed;
use super::wire::{DemoRequest, WireChoice, WireFormat, WireMode, WireTool};
use crate::call::body_json;
use crate::{AdapterError, FlatTool, ModelRequest, Note, UpstreamCall, flatten_tools};

/// Builds the call.
pub(super) fn build(request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = Vec::new();
    let flat =
        if settings.tools.is_empty() { Vec::new() } else { flatten_tools(&settings.tools, &mut notes) };
    let tool_choice = choice(settings, &flat)?;
    let messages = history::translate(request.context, &flat, &mut notes)?;
    note_settings(settings, &flat, &mut notes);
    let body = DemoRequest {
        model: request.model.into(),
        instructions: settings.instructions.as_deref().unwrap_or_default().into(),
        messages,
        tools: flat.iter().map(tool).collect(),
        tool_choice,
        parallel: settings.parallel(),
        format: format(settings),
        effort: settings.effort(),
        summary: settings.wants_summary(),
        max_output_tokens: settings.max_output_tokens,
        logprobs: settings.wants_logprobs().then(|| settings.top_logprobs.unwrap_or(0)),
        stream: request.stream,
    };
    let body = body_json(&body)?;
    Ok(UpstreamCall { path: "/demo".into(), headers: Vec::new(), body, stream: request.stream, notes })
}

fn tool(flat: &FlatTool) -> WireTool<'_> {
    WireTool {
        name: Cow::Borrowed(&flat.function.name),
        description: flat.function.description.as_deref().unwrap_or_default().into(),
        parameters: flat.function.parameters.clone().unwrap_or_default(),
    }
}

fn choice(settings: &Settings, flat: &[FlatTool]) -> Result<WireChoice, AdapterError> {
    let forced = |name: &str| {
        if flat.iter().any(|t| t.function.name == name) {
            return Ok(WireChoice { mode: WireMode::Required, only: Some(vec![name.to_owned()]) });
        }
        let text = format!("The demo provider has no tool {name:?} to be forced.");
        Err(AdapterError::unsupported("tool_choice", text))
    };
    match &settings.tool_choice {
        ToolChoice::Auto => Ok(WireChoice::default()),
        ToolChoice::None => Ok(WireChoice { mode: WireMode::None, only: None }),
        ToolChoice::Required if flat.is_empty() => Err(AdapterError::unsupported(
            "tool_choice",
            "A tool call is required, but none of the tools is available on the demo provider.",
        )),
        ToolChoice::Required => Ok(WireChoice { mode: WireMode::Required, only: None }),
        ToolChoice::Function(name) => forced(name),
        ToolChoice::Allowed { mode, names, .. } => {
            let mode = match mode {
                AllowedMode::Auto => WireMode::Auto,
                AllowedMode::Required => WireMode::Required,
                AllowedMode::None => WireMode::None,
            };
            Ok(WireChoice { mode, only: Some(names.clone()) })
        }
        ToolChoice::Other(raw) => {
            let text = |key| raw.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("type") == "custom" {
                return forced(text("name"));
            }
            let text = format!("The demo provider cannot force a tool of type {:?}.", text("type"));
            Err(AdapterError::unsupported("tool_choice", text))
        }
    }
}

fn format(settings: &Settings) -> WireFormat {
    match &settings.text.format {
        TextFormat::Text => WireFormat::Text,
        TextFormat::JsonObject => WireFormat::JsonObject,
        TextFormat::JsonSchema(format) => WireFormat::JsonSchema(format.schema.clone()),
    }
}

/// Notes for what the demo model does not look at.
fn note_settings(settings: &Settings, flat: &[FlatTool], notes: &mut Vec<Note>) {
    let given = [
        ("temperature", settings.temperature.is_some()),
        ("top_p", settings.top_p.is_some()),
        ("presence_penalty", settings.presence_penalty.is_some()),
        ("frequency_penalty", settings.frequency_penalty.is_some()),
    ];
    let deterministic = "the demo model is deterministic";
    notes.extend(given.iter().filter(|(_, on)| *on).map(|(name, _)| Note::dropped(*name, deterministic)));
    let given = [
        ("text.verbosity", settings.text.verbosity.is_some()),
        ("service_tier", settings.service_tier.as_deref().is_some_and(|t| t != "auto" && t != "default")),
        ("safety_identifier", settings.safety_identifier.is_some()),
        ("prompt_cache_key", settings.prompt_cache_key.is_some()),
        ("user", settings.user.is_some()),
    ];
    let unused = "the demo model has no use for it";
    notes.extend(given.iter().filter(|(_, on)| *on).map(|(name, _)| Note::dropped(*name, unused)));
    if let TextFormat::JsonSchema(format) = &settings.text.format {
        note_schema("text.format.schema", &format.schema, notes);
    }
    for tool in flat {
        let index = settings.tools.iter().position(|t| t.name() == Some(tool.function.name.as_str()));
        let strict = tool.function.strict == Some(true);
        if let (Some(index), Some(schema), true) = (index, &tool.function.parameters, strict) {
            note_schema(&format!("tools[{index}].parameters"), schema, notes);
        }
    }
}

fn note_schema(field: &str, schema: &Map<String, Value>, notes: &mut Vec<Note>) {
    let keywords = not_followed(schema);
    if !keywords.is_empty() {
        notes.push(Note::dropped(field, format!("the demo model does not follow {}", keywords.join(", "))));
    }
}
