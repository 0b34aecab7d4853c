//! The body of a call.

use std::borrow::Cow;

use or_protocol::{Settings, TextFormat, Truncation};
use serde_json::{Map, Value};

use super::quirks::{FormatMode, Quirks, TruncateMode};
use super::wire::{ChatMessage, ChatRequest, Format};
use super::{history, models, tools};
use crate::call::body_json;
use crate::shared::fields::cache::note_breakpoints;
use crate::shared::fields::members::MemberFates;
use crate::shared::fields::{BY_BEGINNING, Fate, Fates, NO_HOSTED_TOOLS, NO_SUCH_TIER, NOT_KNOWN};
use crate::shared::flat_tools::Namespaces;
use crate::shared::told::tell;
use crate::shared::tool_plan::{self, Support};
use crate::{AdapterError, ModelRequest, Note, NoteList, UpstreamCall, flatten_tools};

const PATH: &str = "/api/chat";

/// Builds the call for one turn.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let mut notes = NoteList::default();
    let told = tell(request, true, &mut notes)?;
    let flat = flatten_tools(settings.all_tools(), &mut notes);
    let namespaces = Namespaces::new(&flat);
    let plan = tool_plan::resolve(flat, settings, Support::NOTHING, &mut notes)?;
    let native = native_format(quirks, request.model, plan.functions.is_empty(), settings);
    let format_hint = format_hint(settings);
    if let Some(why) = format_note(settings, native, plan.functions.is_empty()) {
        notes.push(Note::emulated("text.format", why));
    }
    let mut messages = history::translate(&told, &namespaces, &mut notes)?;
    let system: Vec<&str> = [settings.instructions.as_deref(), plan.hint, format_hint.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    if !system.is_empty() {
        let content = Cow::Owned(system.join("\n\n"));
        messages.insert(0, ChatMessage { role: "system", content, ..ChatMessage::default() });
    }
    if messages.is_empty() {
        return Err(AdapterError::unsupported(
            "input",
            "The input is empty; an Ollama server would load the model and answer nothing.",
        ));
    }
    let (truncate, shift) = truncation(quirks, settings, &mut notes);
    let body = ChatRequest {
        model: request.model,
        messages,
        stream: request.stream,
        tools: tools::declare(plan.functions, &mut notes),
        format: if native { format(settings) } else { None },
        think: models::think(quirks, request.model, settings, &mut notes),
        truncate,
        shift,
        logprobs: settings.wants_logprobs().then_some(true),
        top_logprobs: settings.top_logprobs.filter(|n| *n > 0),
        keep_alive: quirks.keep_alive.as_ref(),
        options: options(quirks, settings),
    };
    fates().note(settings, &mut notes)?;
    note_breakpoints(request.context, |_, _| Fate::emulated(BY_BEGINNING), &mut notes)?;
    let body = body_json(&body)?;
    Ok(UpstreamCall {
        path: PATH.into(),
        headers: Vec::new(),
        body,
        stream: request.stream,
        notes: notes.into_vec(),
    })
}

/// Whether the server holds the answer to a grammar in this turn.
pub(super) fn enforces_format(quirks: &Quirks, model: &str, settings: &Settings) -> bool {
    let flat = flatten_tools(settings.all_tools(), &mut NoteList::default());
    // A request that cannot be translated gets no answer.
    let plan =
        tool_plan::resolve(flat, settings, Support::NOTHING, &mut NoteList::default()).unwrap_or_default();
    native_format(quirks, model, plan.functions.is_empty(), settings)
}

/// A grammar would keep the model from calling tools, so `format` goes without tools only. The hosted
/// service does not enforce it.
fn native_format(quirks: &Quirks, model: &str, no_tools: bool, settings: &Settings) -> bool {
    let wanted = !matches!(settings.text.format, TextFormat::Text);
    let able = match quirks.format {
        FormatMode::Auto => !quirks.hosted && !models::is_hosted_model(model),
        FormatMode::Native => true,
        FormatMode::Prompt => false,
    };
    wanted && able && no_tools
}

fn format(settings: &Settings) -> Option<Format<'_>> {
    match &settings.text.format {
        TextFormat::Text => None,
        TextFormat::JsonObject => Some(Format::Word("json")),
        TextFormat::JsonSchema(schema) => Some(Format::Schema(&schema.schema)),
    }
}

fn format_note(settings: &Settings, native: bool, no_tools: bool) -> Option<&'static str> {
    if native || matches!(settings.text.format, TextFormat::Text) {
        return None;
    }
    Some(if no_tools {
        "asked for in the system text, the server does not enforce it"
    } else {
        "asked for in the system text, for a grammar would keep the model from calling tools"
    })
}

/// The grammar is not shown to the model, so the system text tells it what to write.
fn format_hint(settings: &Settings) -> Option<String> {
    match &settings.text.format {
        TextFormat::Text => None,
        TextFormat::JsonObject => {
            Some("Write your final answer as one JSON object, without any text around it.".into())
        }
        TextFormat::JsonSchema(schema) => {
            let json = schema.schema.as_str();
            let about = schema.description.as_deref().filter(|text| !text.is_empty());
            let about = about.map_or(String::new(), |text| format!(" ({text})"));
            Some(format!(
                "Write your final answer as JSON, without any text around it. It must satisfy the schema \
                 \"{}\"{about}:\n{json}",
                schema.name
            ))
        }
    }
}

/// `truncate` and `shift`. Without `shift: false` the server would drop context while it writes.
fn truncation(quirks: &Quirks, settings: &Settings, notes: &mut NoteList) -> (Option<bool>, Option<bool>) {
    match (quirks.truncate, settings.truncation) {
        (TruncateMode::Auto, Truncation::Disabled) => (Some(false), Some(false)),
        (TruncateMode::Auto, Truncation::Auto) => (Some(true), None),
        (TruncateMode::Server, Truncation::Auto) => (None, None),
        (TruncateMode::Server, Truncation::Disabled) => {
            // The default, but a promise: nothing is left out (rules 10.2).
            notes.push(Note::dropped("truncation", "the quirk truncate leaves it to the server"));
            (None, None)
        }
    }
}

fn options(quirks: &Quirks, settings: &Settings) -> Map<String, Value> {
    let mut options = quirks.options.clone();
    let numbers = [
        ("temperature", settings.temperature),
        ("top_p", settings.top_p),
        ("presence_penalty", settings.presence_penalty),
        ("frequency_penalty", settings.frequency_penalty),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            options.insert(key.into(), value.into());
        }
    }
    if let Some(tokens) = settings.max_output_tokens {
        options.insert("num_predict".into(), tokens.into());
    }
    options
}

/// What becomes of every field.
fn fates() -> Fates {
    Fates {
        instructions: Fate::Sent,
        tools: Fate::Sent,
        tool_choice: Fate::Sent,
        parallel_tool_calls: Fate::Sent,
        max_tool_calls: Fate::Ours,
        text_format: Fate::Sent,
        verbosity: Fate::dropped(NOT_KNOWN),
        effort: Fate::Sent,
        summary: Fate::emulated("the whole trace is given in place of a summary"),
        temperature: Fate::Sent,
        top_p: Fate::Sent,
        presence_penalty: Fate::Sent,
        frequency_penalty: Fate::Sent,
        max_output_tokens: Fate::Sent,
        top_logprobs: Fate::Sent,
        logprobs: Fate::Sent,
        sealed_reasoning: Fate::Sent,
        search_sources: Fate::dropped(NO_HOSTED_TOOLS),
        search_results: Fate::dropped(NO_HOSTED_TOOLS),
        code_outputs: Fate::dropped(NO_HOSTED_TOOLS),
        hosted_results: Fate::dropped(NO_HOSTED_TOOLS),
        truncation: Fate::Sent,
        service_tier: Fate::dropped(NO_SUCH_TIER),
        safety_identifier: Fate::dropped(NOT_KNOWN),
        prompt_cache_key: Fate::emulated(BY_BEGINNING),
        members: MemberFates::caching_by_beginning(),
        metadata: Fate::Ours,
        user: Fate::dropped(NOT_KNOWN),
    }
}
