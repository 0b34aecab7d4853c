//! Settings and context to a call.

use std::collections::BTreeMap;

use or_protocol::{Effort, Item, Role, Settings, SummaryStyle, TextFormat};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::history::{self, Setting, images};
use super::models::{Thinking, Thought, Traits};
use super::quirks::{IncludeThoughts, Quirks};
use super::schema;
use super::tools;
use super::wire::body::{Body, Content, GenerationConfig, Part, Speaker, ThinkingConfig};
use super::wire::{KIND, NAMES};
use crate::call::body_json;
use crate::counting::{counting, members};
use crate::note::Notes;
use crate::shared::fields::cache::note_breakpoints;
use crate::shared::fields::members::MemberFates;
use crate::shared::fields::{
    BY_BEGINNING, Fate, Fates, NO_HOSTED_TOOLS, NO_SUCH_TIER, NOT_KNOWN, REFUSES_LONG_INPUT,
};
use crate::shared::flat_tools::{Namespaces, flatten_for};
use crate::shared::hosted::{HostedRules, own_state};
use crate::shared::names::Names;
use crate::shared::told::tell_but;
use crate::shared::tool_plan;
use crate::{AdapterError, ModelRequest, Note, NoteList, UpstreamCall};

/// What the counter takes of a request.
const COUNTED: &[&str] = &["contents", "systemInstruction", "tools", "toolConfig", "generationConfig"];
/// Of these, what Vertex AI's counter does not take.
const CONFIGS: &[&str] = &["toolConfig", "generationConfig"];

/// Translates one turn.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let settings = request.settings;
    let traits = quirks.traits(request.model);
    let mut tool_notes = NoteList::default();
    let shown = quirks.shown(request.model, settings);
    let own = |item: &Item| own_state(item, KIND, shown).is_some() || images::is_own(item);
    let items = tell_but(request, true, own, &mut tool_notes)?;
    let hosted = quirks.hosted(&traits);
    let flat = flatten_for(hosted, settings.all_tools(), &mut tool_notes);
    let names = Names::new(&flat, &NAMES);
    let mut notes = Notes::default();

    let namespaces = Namespaces::new(&flat);
    let support = tools::support(settings, &flat, &traits);
    let mut plan = tool_plan::resolve(flat, settings, support, &mut tool_notes)?;
    // Vertex AI does not know the member that this needs.
    let mixed = tools::settle(&mut plan, traits.signed_calls && !quirks.vertex, &mut tool_notes);
    if settings.max_tool_calls.is_some() && plan.functions.iter().any(|tool| tool.hosted().is_some()) {
        let why = "the provider cannot be told how often its own tools may be used";
        tool_notes.push(Note::dropped("max_tool_calls", why));
    }
    let tool_config = tools::config(&plan, &names, &traits, mixed, &mut tool_notes);
    let tools = tools::declarations(&plan.functions, &names, &mut tool_notes);

    let mut config = GenerationConfig::default();
    sampling(settings, &traits, &mut config);
    thinking(settings, &traits, quirks.include_thoughts, &mut config, &mut notes);
    let told = format(settings, !tools.is_empty() && !traits.signed_calls, &mut config, &mut tool_notes);

    let setting =
        Setting { traits: &traits, namespaces: &namespaces, names: &names, base_url: &quirks.base_url };
    let mut context = history::translate(&items, &setting, &mut notes)?;
    let instructions = settings.instructions.as_deref().filter(|text| !text.is_empty());
    let mut system: Vec<_> = instructions.map(Part::text).into_iter().collect();
    system.append(&mut context.system);
    if context.contents.is_empty() && system.is_empty() && speaks(request.context) {
        // The provider answers an empty text.
        context.contents.push(Content { role: Some(Speaker::User), parts: vec![Part::text("")] });
    }
    ends(&mut context.contents, &mut system, &traits, &mut notes)?;
    system.extend(told.map(Part::text));
    system.extend(plan.hint.map(Part::text));

    let (service_tier, headers, service_tier_fate) = tier(settings, quirks.vertex);
    let body = Body {
        contents: context.contents,
        system_instruction: (!system.is_empty()).then_some(Content { role: None, parts: system }),
        tools,
        tool_config,
        generation_config: config,
        safety_settings: quirks.safety_settings.as_deref(),
        service_tier,
    };
    let body = body_json(&body)?;
    tool_notes.extend(notes.into_vec());
    fates(&traits, hosted, service_tier_fate).note(settings, &mut tool_notes)?;
    note_breakpoints(request.context, |_, _| Fate::emulated(BY_BEGINNING), &mut tool_notes)?;
    Ok(UpstreamCall {
        path: path(request.model, request.stream)?,
        headers,
        body,
        stream: request.stream,
        notes: tool_notes.into_vec(),
    })
}

/// `/models/{model}:…`, or the model's own path if it has one.
fn path(model: &str, stream: bool) -> Result<String, AdapterError> {
    let prefix = ["models/", "tunedModels/", "publishers/"].iter().any(|p| model.starts_with(p));
    // A path of its own must not lead elsewhere.
    if prefix && model.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(AdapterError::unsupported("model", "The model's path has an empty or relative segment."));
    }
    let mut path = String::from(if prefix { "/" } else { "/models/" });
    for byte in model.bytes() {
        let safe = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@');
        if safe || byte == b'/' && prefix {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path.push_str(if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" });
    Ok(path)
}

/// The counter's call. Vertex AI takes the prompt's own members, the Gemini API a whole request.
pub(super) fn count(model: &str, call: &UpstreamCall, vertex: bool) -> Option<UpstreamCall> {
    let path = format!("{}:countTokens", call.path.rsplit_once(':')?.0);
    let mut request = members(&call.body, COUNTED)?;
    if vertex {
        request.retain(|name, _| !CONFIGS.contains(name));
        return counting(call, path, &request);
    }
    let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let name = to_raw_value(&name).ok()?;
    request.insert("model", &name);
    counting(call, path, &BTreeMap::from([("generateContentRequest", request)]))
}

fn sampling(settings: &Settings, traits: &Traits, config: &mut GenerationConfig) {
    if traits.sampling {
        config.temperature = settings.temperature;
        config.top_p = settings.top_p;
    }
    if traits.penalties {
        config.presence_penalty = settings.presence_penalty.filter(|p| *p != 0.0);
        config.frequency_penalty = settings.frequency_penalty.filter(|p| *p != 0.0);
    }
    config.max_output_tokens = settings.max_output_tokens;
    if settings.wants_logprobs() && traits.logprobs {
        config.response_logprobs = Some(true);
        config.logprobs = settings.top_logprobs.filter(|n| *n > 0);
    }
    config.used = config.temperature.is_some()
        || config.top_p.is_some()
        || config.presence_penalty.is_some()
        || config.frequency_penalty.is_some()
        || config.max_output_tokens.is_some()
        || config.response_logprobs.is_some();
}

fn thinking(
    settings: &Settings,
    traits: &Traits,
    include: IncludeThoughts,
    config: &mut GenerationConfig,
    notes: &mut Notes,
) {
    let effort = settings.effort();
    let shown = match include {
        IncludeThoughts::Asked => settings.wants_summary(),
        IncludeThoughts::Always => true,
        IncludeThoughts::Never => false,
    };
    if settings.wants_summary() && !shown {
        notes.dropped("reasoning.summary", "summaries are switched off in the configuration");
    }
    let style = settings.reasoning.and_then(|r| r.summary);
    if traits.thinking == Thinking::Fixed {
        if effort.is_some_and(|e| e != Effort::None) {
            notes.dropped("reasoning.effort", "this model's thinking cannot be controlled");
        }
        if settings.wants_summary() {
            notes.dropped("reasoning.summary", "this model shows no thinking");
        }
        return;
    }
    if matches!(style, Some(SummaryStyle::Concise | SummaryStyle::Detailed)) {
        notes.emulated("reasoning.summary", "the length of the summary is up to the provider");
    }
    let mut out = ThinkingConfig {
        include_thoughts: (shown && effort != Some(Effort::None)).then_some(true),
        ..ThinkingConfig::default()
    };
    let note = match effort.map(|e| traits.thinking.for_effort(e)) {
        Some(Thought::Budget(budget, note)) => {
            out.thinking_budget = Some(budget);
            note
        }
        Some(Thought::Level(level, note)) => {
            out.thinking_level = Some(level.as_str());
            note
        }
        Some(Thought::Uncontrolled) | None => None,
    };
    match note {
        Some(note) if effort == Some(Effort::None) => notes.dropped("reasoning.effort", &note),
        Some(note) => notes.emulated("reasoning.effort", &note),
        None => {}
    }
    if out.include_thoughts.is_some() || effort.is_some() {
        config.thinking_config = Some(out);
        config.used = true;
    }
}

/// Translates `text.format`. Gives the text that tells the model, where the field cannot be used.
fn format(
    settings: &Settings,
    beside_tools: bool,
    config: &mut GenerationConfig,
    notes: &mut NoteList,
) -> Option<String> {
    let schema = match &settings.text.format {
        TextFormat::Text => return None,
        TextFormat::JsonObject => None,
        TextFormat::JsonSchema(format) => {
            let (mut schema, changed) = schema::clean(&format.schema.object());
            tools::note_schema("text.format.schema", &changed, notes);
            describe(&mut schema, format.description.as_deref());
            Some(schema)
        }
    };
    if beside_tools {
        notes.push(Note::emulated(
            "text.format",
            "told in the prompt: this model takes no format beside tools",
        ));
        let rule =
            "When you give your final answer, write one JSON value and nothing else, without a code fence.";
        return Some(match schema {
            Some(schema) => format!("{rule} It must satisfy this JSON Schema: {}", Value::Object(schema)),
            None => rule.to_owned(),
        });
    }
    config.response_mime_type = Some("application/json");
    config.response_json_schema = schema;
    config.used = true;
    None
}

fn describe(schema: &mut Map<String, Value>, description: Option<&str>) {
    if let Some(text) = description.filter(|_| !schema.contains_key("description")) {
        schema.insert("description".into(), text.into());
    }
}

/// What becomes of every field.
fn fates(traits: &Traits, hosted: HostedRules, service_tier: Fate) -> Fates {
    let taken = |taken: bool, why| Fate::sent_unless((!taken).then_some(why));
    let sampling = || taken(traits.sampling, "this model ignores it");
    let penalty = || taken(traits.penalties, "this model refuses it");
    let logprobs = || taken(traits.logprobs, "this model gives no log probabilities");
    Fates {
        instructions: Fate::Sent,
        tools: Fate::Sent,
        tool_choice: Fate::Sent,
        parallel_tool_calls: Fate::Sent,
        max_tool_calls: Fate::Ours,
        text_format: Fate::Sent,
        verbosity: Fate::dropped(NOT_KNOWN),
        effort: Fate::Sent,
        summary: Fate::Sent,
        temperature: sampling(),
        top_p: sampling(),
        presence_penalty: penalty(),
        frequency_penalty: penalty(),
        max_output_tokens: Fate::Sent,
        top_logprobs: logprobs(),
        logprobs: logprobs(),
        sealed_reasoning: Fate::Sent,
        search_sources: hosted.sources(),
        search_results: hosted.results(),
        code_outputs: hosted.outputs(),
        hosted_results: Fate::dropped(NO_HOSTED_TOOLS),
        truncation: Fate::dropped(REFUSES_LONG_INPUT),
        service_tier,
        safety_identifier: Fate::dropped(NOT_KNOWN),
        prompt_cache_key: Fate::emulated(BY_BEGINNING),
        members: MemberFates::caching_by_beginning(),
        metadata: Fate::Ours,
        user: Fate::dropped(NOT_KNOWN),
    }
}

/// Whether the user says anything, be it nothing.
fn speaks(context: &[Item]) -> bool {
    context.iter().any(|item| matches!(item, Item::Message(message) if message.role == Role::User))
}

/// The first content must be the user's, the last one too on newer models, and there must be one.
fn ends<'a>(
    contents: &mut Vec<Content<'a>>,
    system: &mut Vec<Part<'a>>,
    traits: &Traits,
    notes: &mut Notes,
) -> Result<(), AdapterError> {
    let user = |parts| Content { role: Some(Speaker::User), parts };
    if contents.is_empty() {
        if system.is_empty() {
            return Err(AdapterError::unsupported("input", "The input has no text for this provider."));
        }
        notes.emulated("input", "an input of system text alone is sent as user text");
        contents.push(user(std::mem::take(system)));
    }
    if contents.first().is_some_and(|c| c.role == Some(Speaker::Model)) {
        notes.emulated("input", "the conversation begins with the model; a user text is put before it");
        contents.insert(0, user(vec![Part::text("(The conversation goes on.)")]));
    }
    if !traits.prefill && contents.last().is_some_and(|c| c.role == Some(Speaker::Model)) {
        return Err(AdapterError::unsupported(
            "input",
            "This model cannot continue an assistant message; the input must end with a user message or a tool output.",
        ));
    }
    Ok(())
}

/// The service tier: a body field, or on Vertex a header.
fn tier(settings: &Settings, vertex: bool) -> (Option<&'static str>, Vec<(&'static str, String)>, Fate) {
    const VERTEX_TIER: &str = "x-vertex-ai-llm-shared-request-type";
    let word = match settings.service_tier.as_deref() {
        None | Some("auto") => return (None, Vec::new(), Fate::Sent),
        Some("default") => "standard",
        Some("flex") => "flex",
        // Two words for one thing (OpenAI's `service_tier`).
        Some("priority" | "fast") => "priority",
        Some(_) => return (None, Vec::new(), Fate::dropped(NO_SUCH_TIER)),
    };
    match vertex {
        false => (Some(word), Vec::new(), Fate::Sent),
        true if word == "standard" => (None, Vec::new(), Fate::Sent),
        true => (None, vec![(VERTEX_TIER, word.to_owned())], Fate::Sent),
    }
}
