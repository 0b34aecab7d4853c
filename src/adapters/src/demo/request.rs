//! One turn to the demo wire.

use std::borrow::Cow;
use std::collections::HashMap;

use or_protocol::{RawJson, Settings, SummaryStyle, TextFormat};

use super::history;
use super::schema::not_followed;
use super::wire::{DemoRequest, WireChoice, WireFormat, WireMode, WireTool};
use crate::call::body_json;
use crate::shared::fields::cache::note_breakpoints;
use crate::shared::fields::members::MemberFates;
use crate::shared::fields::{Fate, Fates, NO_HOSTED_TOOLS, NO_SUCH_TIER, NOT_KNOWN};
use crate::shared::flat_tools::Namespaces;
use crate::shared::told::tell;
use crate::shared::tool_plan::{self, Demand, Support};
use crate::{AdapterError, FlatTool, ModelRequest, Note, NoteList, UpstreamCall, flatten_tools};

/// Builds the call.
pub(super) fn build(request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = NoteList::default();
    let told = tell(request, true, &mut notes)?;
    let flat = flatten_tools(settings.all_tools(), &mut notes);
    let namespaces = Namespaces::new(&flat);
    let plan = tool_plan::resolve(flat, settings, Support::ALL, &mut notes)?;
    let messages = history::translate(&told, &namespaces, &mut notes)?;
    fates(settings).note(settings, &mut notes)?;
    note_breakpoints(request.context, |_, _| Fate::dropped(NOT_KNOWN), &mut notes)?;
    note_schemas(settings, &plan.functions, &mut notes);
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
    Ok(UpstreamCall {
        path: "/demo".into(),
        headers: Vec::new(),
        body,
        stream: request.stream,
        notes: notes.into_vec(),
    })
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

/// What becomes of every field.
fn fates(settings: &Settings) -> Fates {
    let deterministic = || Fate::dropped("the demo model is deterministic");
    let unused = || Fate::dropped("the demo model has no use for it");
    Fates {
        instructions: Fate::Sent,
        tools: Fate::Sent,
        tool_choice: Fate::Sent,
        parallel_tool_calls: Fate::Sent,
        max_tool_calls: Fate::Ours,
        text_format: Fate::Sent,
        verbosity: unused(),
        effort: Fate::Sent,
        summary: match settings.reasoning.and_then(|r| r.summary) {
            Some(SummaryStyle::Concise | SummaryStyle::Detailed) => {
                Fate::emulated("the demo model has one style of summary only")
            }
            Some(SummaryStyle::Auto) | None => Fate::Sent,
        },
        temperature: deterministic(),
        top_p: deterministic(),
        presence_penalty: deterministic(),
        frequency_penalty: deterministic(),
        max_output_tokens: Fate::Sent,
        top_logprobs: Fate::Sent,
        logprobs: Fate::Sent,
        sealed_reasoning: Fate::Sent,
        search_sources: Fate::dropped(NO_HOSTED_TOOLS),
        search_results: Fate::dropped(NO_HOSTED_TOOLS),
        code_outputs: Fate::dropped(NO_HOSTED_TOOLS),
        hosted_results: Fate::dropped(NO_HOSTED_TOOLS),
        // There is no context window, so nothing would have to be left out.
        truncation: Fate::Ours,
        service_tier: Fate::dropped(NO_SUCH_TIER),
        safety_identifier: unused(),
        prompt_cache_key: unused(),
        members: MemberFates::translated(),
        metadata: Fate::Ours,
        user: unused(),
    }
}

/// Notes for keywords that the demo model does not look at.
fn note_schemas(settings: &Settings, flat: &[FlatTool], notes: &mut NoteList) {
    if let TextFormat::JsonSchema(format) = &settings.text.format {
        note_schema("text.format.schema", &format.schema, notes);
        if format.description.is_some() {
            notes.push(Note::dropped("text.format.description", "the demo model has no use for it"));
        }
    }
    let mut places = HashMap::new();
    for (index, tool) in settings.all_tools().enumerate() {
        places.entry(tool.name()).or_insert(index);
    }
    for tool in flat {
        let index = places.get(&Some(tool.function.name.as_str()));
        let strict = tool.function.strict == Some(true);
        if let (Some(index), Some(schema), true) = (index, &tool.function.parameters, strict) {
            note_schema(&format!("tools[{index}].parameters"), schema, notes);
        }
    }
}

fn note_schema(field: &str, schema: &RawJson, notes: &mut NoteList) {
    let keywords = not_followed(&schema.object());
    if !keywords.is_empty() {
        notes.push(Note::dropped(field, format!("the demo model does not follow {}", keywords.join(", "))));
    }
}
