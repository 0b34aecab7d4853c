//! A turn as the provider's request.

use or_protocol::{ContentPart, Item, Role, Settings, TextFormat, Verbosity};

use super::history::{self, History, Setting};
use super::models::{Forcing, Rules};
use super::quirks::Quirks;
use super::thinking;
use super::tools::ToolPlan;
use super::wire::{Block, CacheControl, Message, MessagesRequest, Metadata, NAMES, OutputConfig, WireRole};
use crate::call::body_json;
use crate::shared::names::{Names, fingerprint};
use crate::{AdapterError, ModelRequest, Note, ToolOrigin, UpstreamCall, flatten_tools};

/// Above this many tokens a unary call may outlive the provider's ten minutes.
const MAX_UNARY_TOKENS: u64 = 21_333;
/// From this version on sampling parameters are refused.
const NO_SAMPLING_SINCE: &str = "2026-10-21";
/// Lets file ids of the Files API be named.
const FILES_BETA: &str = "files-api-2025-04-14";
/// Stands in where the provider wants the user to speak.
const CONTINUE: &str = "Continue.";

/// System prompt, tools and what follows from them: what thinking may be bound to.
struct Prefix<'a> {
    system: Vec<Block<'a>>,
    tools: ToolPlan,
    /// Items of the context that went into the system prompt.
    leading: usize,
}

impl Prefix<'_> {
    /// Fingerprint for models that bind thinking to their prefix.
    fn mark(&self, rules: Rules) -> Option<String> {
        if !rules.bound {
            return None;
        }
        let json = serde_json::to_vec(&(&self.system, &self.tools.tools)).unwrap_or_default();
        Some(format!("{:016x}", fingerprint(&json)))
    }
}

/// What the answer's translator must know of the request.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) model: String,
    /// Fingerprint of system prompt and tools, for models that bind thinking to them.
    pub(super) mark: Option<String>,
    /// Name of the forced tool whose input is the answer.
    pub(super) answer_tool: Option<String>,
    pub(super) names: Names,
}

/// Works out what the answer's translator must know.
pub(super) fn asked(quirks: &Quirks, request: &ModelRequest<'_>) -> Asked {
    let rules = quirks.models.rules(request.model);
    let settings = request.settings;
    let names = Names::of_request(&settings.tools, &NAMES);
    let emulates = !rules.structured && matches!(settings.text.format, TextFormat::JsonSchema(_));
    let (mut mark, mut answer_tool) = (None, None);
    if rules.bound || emulates {
        let prefix = prefix(request, rules, &mut Vec::new());
        mark = prefix.mark(rules);
        answer_tool = prefix.tools.answer_tool;
    }
    Asked { model: request.model.to_owned(), mark, answer_tool, names }
}

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let (model, settings) = (request.model, request.settings);
    let rules = quirks.models.rules(model);
    let mut notes = Vec::new();
    let max_tokens = thinking::max_tokens(settings, rules, quirks.default_max_tokens, &mut notes);
    let prefix = prefix(request, rules, &mut notes);
    let mark = prefix.mark(rules);
    let setting = Setting {
        model,
        mark: mark.as_deref(),
        system_role: rules.system_role,
        namespaces: namespaces(settings),
    };
    let rest = request.context.get(prefix.leading..).unwrap_or_default();
    let mut history = history::translate(rest, &setting, &mut notes)?;
    let mut plan = thinking::plan(settings, rules, max_tokens, &mut notes);
    if plan.budgeted() && prefix.tools.forces() && rules.forcing == Forcing::WithoutThinking {
        plan.thinking = None;
        notes.push(Note::dropped("reasoning.effort", "this model cannot think where a tool is forced"));
    }
    if plan.budgeted() && opens_without_thinking(&history) {
        plan.thinking = None;
        notes.push(Note::dropped("reasoning.effort", "the open tool turn has no thinking of this provider"));
    }
    let prefill = rules.prefill && !plan.on() && prefix.tools.format.is_none();
    settle_ends(&mut history, prefill, !prefix.system.is_empty(), &mut notes)?;
    let (temperature, top_p) = sampling(quirks, settings, rules, plan.on(), &mut notes);
    note_rest(settings, &mut notes);

    let ToolPlan { tools, choice, format, .. } = prefix.tools;
    let user_id = settings.safety_identifier.as_deref().or(settings.user.as_deref());
    let stream = request.stream || max_tokens > MAX_UNARY_TOKENS;
    let mut betas = quirks.beta.clone();
    if history.stored_files && !betas.iter().any(|beta| beta == FILES_BETA) {
        betas.push(FILES_BETA.to_owned());
    }
    let body = MessagesRequest {
        model,
        max_tokens,
        stream,
        thinking: plan.thinking,
        output_config: OutputConfig { effort: plan.effort, format },
        temperature,
        top_p,
        cache_control: quirks.caching.then_some(CacheControl::Ephemeral),
        metadata: user_id.map(|user_id| Metadata { user_id }),
        service_tier: service_tier(settings, &mut notes),
        tools,
        tool_choice: choice,
        system: prefix.system,
        messages: history.messages,
    };
    let body = body_json(&body)?;
    let mut headers = vec![("anthropic-version", quirks.version.clone())];
    if !betas.is_empty() {
        headers.push(("anthropic-beta", betas.join(",")));
    }
    Ok(UpstreamCall { path: "/messages".into(), headers, body, stream, notes })
}

fn prefix<'a>(request: &ModelRequest<'a>, rules: Rules, notes: &mut Vec<Note>) -> Prefix<'a> {
    let settings = request.settings;
    let mut system = Vec::new();
    system.extend(settings.instructions.as_deref().and_then(text));
    let mut leading = 0;
    for item in request.context {
        let Item::Message(message) = item else { break };
        if !matches!(message.role, Role::System | Role::Developer) {
            break;
        }
        leading += 1;
        for part in &message.content {
            if let ContentPart::InputText { text: words } | ContentPart::OutputText { text: words, .. } = part
            {
                system.extend(text(words));
            }
        }
    }
    let mut tools = ToolPlan::new(settings, rules, notes);
    system.extend(tools.hints.drain(..).map(|hint| Block::Text { text: hint.into() }));
    match settings.text.verbosity {
        Some(Verbosity::Low) => system.push(Block::Text { text: "Be concise.".into() }),
        Some(Verbosity::High) => system.push(Block::Text { text: "Be thorough.".into() }),
        Some(Verbosity::Medium) | None => {}
    }
    Prefix { system, tools, leading }
}

fn text(words: &str) -> Option<Block<'_>> {
    (!words.trim().is_empty()).then(|| Block::Text { text: words.into() })
}

fn namespaces(settings: &Settings) -> Vec<(String, String, String)> {
    if !settings.tools.iter().any(|tool| matches!(tool, or_protocol::Tool::Hosted(_))) {
        return Vec::new();
    }
    let flat = flatten_tools(&settings.tools, &mut Vec::new());
    let named = flat.into_iter().filter_map(|tool| match tool.origin {
        ToolOrigin::Namespace { namespace, function } => Some((namespace, function, tool.function.name)),
        ToolOrigin::Function | ToolOrigin::Custom => None,
    });
    named.collect()
}

/// Whether the tool turn at the end begins without thinking, which a thinking budget forbids.
fn opens_without_thinking(history: &History<'_>) -> bool {
    let has_results =
        |m: &Message<'_>| m.content.iter().any(|block| matches!(block, Block::ToolResult { .. }));
    let messages = &history.messages;
    if !messages.last().is_some_and(has_results) {
        return false;
    }
    let open = messages.iter().rev().take_while(|m| m.role != WireRole::User || has_results(m));
    let first = open.filter(|m| m.role == WireRole::Assistant).last();
    first.is_some_and(|m| !matches!(m.content.first(), Some(Block::Thinking(_))))
}

/// The user must speak first, and on most models last.
fn settle_ends(
    history: &mut History<'_>,
    prefill: bool,
    has_system: bool,
    notes: &mut Vec<Note>,
) -> Result<(), AdapterError> {
    let speak = || Message { role: WireRole::User, content: vec![Block::Text { text: CONTINUE.into() }] };
    let messages = &mut history.messages;
    let Some(first) = messages.first() else {
        if !has_system {
            return Err(AdapterError::unsupported(
                "input",
                "This provider needs at least one message that is not empty.",
            ));
        }
        messages.push(speak());
        notes.push(Note::emulated("input", "a user message was added: there was none"));
        return Ok(());
    };
    if first.role != WireRole::User {
        messages.insert(0, speak());
        notes.push(Note::emulated("input", "a user message was added before the assistant's first"));
    }
    if let Some(last) = messages.last_mut()
        && last.role == WireRole::Assistant
    {
        match last.content.last_mut() {
            Some(Block::Text { text }) if prefill => *text = text.trim_end().to_owned().into(),
            _ => {
                messages.push(speak());
                notes.push(Note::emulated("input", "a user message was added behind the assistant's last"));
            }
        }
    }
    Ok(())
}

fn sampling(
    quirks: &Quirks,
    settings: &Settings,
    rules: Rules,
    thinks: bool,
    notes: &mut Vec<Note>,
) -> (Option<f64>, Option<f64>) {
    let why = if !rules.sampling || quirks.version.as_str() >= NO_SAMPLING_SINCE {
        Some("this model takes no sampling parameters")
    } else if thinks {
        Some("not taken while thinking")
    } else {
        None
    };
    // The value the provider uses anyway need not be sent, so leaving it out loses nothing.
    let mut temperature = settings.temperature.filter(|t| *t != 1.0);
    let mut top_p = settings.top_p.filter(|p| *p != 1.0);
    if let Some(why) = why {
        if temperature.take().is_some() {
            notes.push(Note::dropped("temperature", why));
        }
        let allowed = thinks && rules.sampling && top_p.is_some_and(|p| p >= 0.95);
        if !allowed && top_p.take().is_some() {
            notes.push(Note::dropped("top_p", why));
        }
        return (temperature, top_p);
    }
    if temperature.is_some_and(|t| t > 1.0) {
        temperature = Some(1.0);
        notes.push(Note::emulated("temperature", "sent as 1, the provider's maximum"));
    }
    if rules.one_sampling && temperature.is_some() && top_p.take().is_some() {
        notes.push(Note::dropped("top_p", "this model takes temperature or top_p, not both"));
    }
    (temperature, top_p)
}

fn service_tier(settings: &Settings, notes: &mut Vec<Note>) -> Option<&'static str> {
    match settings.service_tier.as_deref() {
        Some("default") => Some("standard_only"),
        Some("priority") => Some("auto"),
        None | Some("auto") => None,
        Some(_) => {
            notes.push(Note::dropped("service_tier", "the provider has no such tier; auto is used"));
            None
        }
    }
}

/// Fields without any counterpart.
fn note_rest(settings: &Settings, notes: &mut Vec<Note>) {
    let penalties =
        [("presence_penalty", settings.presence_penalty), ("frequency_penalty", settings.frequency_penalty)];
    for (field, value) in penalties {
        if value.is_some_and(|v| v != 0.0) {
            notes.push(Note::dropped(field, "the provider has no penalties"));
        }
    }
    if settings.wants_logprobs() {
        notes.push(Note::dropped("top_logprobs", "the provider gives no log probabilities"));
    }
    if matches!(settings.text.verbosity, Some(Verbosity::Low | Verbosity::High)) {
        notes.push(Note::emulated("text.verbosity", "asked for in the system prompt"));
    }
}
