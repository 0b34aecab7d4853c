//! One turn to the demo wire.

use std::borrow::Cow;

use or_protocol::{Settings, TextFormat};
use serde_json::{Map, Value};

use super::messages::Messages;
use super::sample::not_followed;
use super::wire::{DemoRequest, WireChoice, WireFormat, WireMode, WireTool};
use crate::call::body_json;
use crate::shared::flat_tools::Namespaces;
use crate::shared::tool_plan::{self, Demand, Support};
use crate::{AdapterError, FlatTool, ModelRequest, Note, UpstreamCall, flatten_tools};

/// Builds the call.
pub(super) fn build(request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = Vec::new();
    let flat = flatten_tools(&settings.tools, &mut notes);
    let namespaces = Namespaces::new(&flat);
    let plan = tool_plan::resolve(flat, settings, Support::ALL, &mut notes)?;
    let mut messages = Messages::new(&namespaces, &mut notes);
    for item in request.context {
        messages.add(item)?;
    }
    let messages = messages.finish();
    note_settings(settings, &plan.functions, &mut notes);
    let body = DemoRequest {
        model: request.model.into(),
        instructions: settings.instructions.as_deref().unwrap_or_default().into(),
        messages,
        tools: plan.functions.iter().map(tool).collect(),
        tool_choice: choice(&plan.demand),
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

fn choice(demand: &Demand) -> WireChoice {
    let (mode, only) = match demand {
        Demand::Auto => (WireMode::Auto, None),
        Demand::None => (WireMode::None, None),
        Demand::Required => (WireMode::Required, None),
        Demand::Function(name) => (WireMode::Required, Some(vec![name.clone()])),
        Demand::Allowed { required: true, names } => (WireMode::Required, Some(names.clone())),
        Demand::Allowed { required: false, names } => (WireMode::Auto, Some(names.clone())),
    };
    WireChoice { mode, only }
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
