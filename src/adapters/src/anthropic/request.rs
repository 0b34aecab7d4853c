//! A turn as the provider's request.

use std::borrow::Cow;

use or_protocol::{ContentPart, Item, Role, Settings, TextFormat, Verbosity};

use super::history::{self, History, Setting};
use super::models::{Forcing, Rules};
use super::quirks::Quirks;
use super::thinking;
use super::tools::Tools;
use super::wire::body::{Block, Message, MessagesRequest, Metadata, OutputConfig, WireRole};
use super::wire::{KIND, NAMES};
use crate::call::body_json;
use crate::shared::fields::cache::{CacheControl, CachePlan, mark_fate, note_breakpoints};
use crate::shared::fields::members::MemberFates;
use crate::shared::fields::{
    BY_BEGINNING, Fate, Fates, NO_HOSTED_TOOLS, NO_SUCH_TIER, NOT_KNOWN, REFUSES_LONG_INPUT,
};
use crate::shared::hosted::{HostedKind, Shown, own_state};
use crate::shared::names::{Names, fingerprint};
use crate::shared::told::{declares_functions, tell_but};
use crate::{AdapterError, ModelRequest, Note, NoteList, UpstreamCall};

/// Above this many tokens a unary call may outlive the provider's ten minutes.
const MAX_UNARY_TOKENS: u64 = 21_333;
/// From this version on sampling parameters are refused.
const NO_SAMPLING_SINCE: &str = "2026-10-21";
/// Lets file ids of the Files API be named.
const FILES_BETA: &str = "files-api-2025-04-14";
const NO_LOGPROBS: &str = "the provider gives no log probabilities";
/// Stands in where the provider wants the user to speak.
const CONTINUE: &str = "Continue.";

/// System prompt, tools and what follows from them: what thinking may be bound to.
struct Prefix<'a> {
    system: Vec<Block<'a>>,
    tools: Tools,
    /// Items of the context that went into the system prompt.
    leading: usize,
    /// Marks for the cache by their place in the system prompt. They are no part of what thinking is bound to.
    marks: Vec<(usize, CacheControl)>,
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
    /// What is shown of the provider's own tools.
    pub(super) shown: Shown,
}

/// Works out what the answer's translator must know.
pub(super) fn asked(quirks: &Quirks, request: &ModelRequest<'_>) -> Asked {
    let rules = quirks.models.rules(request.model);
    let settings = request.settings;
    let names = Names::of_request(settings.all_tools(), &NAMES);
    let emulates = !rules.structured && matches!(settings.text.format, TextFormat::JsonSchema(_));
    let (mut mark, mut answer_tool) = (None, None);
    let shown = quirks.shown(settings);
    if rules.bound || emulates {
        let notes = &mut NoteList::default();
        // A request that cannot be translated gets no answer.
        if let Ok(told) = told(request, shown, notes)
            && let Ok(prefix) = prefix(&ModelRequest { context: &told, ..*request }, quirks, rules, notes)
        {
            mark = prefix.mark(rules);
            answer_tool = prefix.tools.answer_tool;
        }
    }
    Asked { model: request.model.to_owned(), mark, answer_tool, names, shown }
}

/// The context in items that this provider knows. It takes calls only beside declared tools.
fn told<'a>(
    request: &ModelRequest<'a>,
    shown: Shown,
    notes: &mut NoteList,
) -> Result<Cow<'a, [Item]>, AdapterError> {
    let own = |item: &Item| own_state(item, KIND, shown).is_some();
    tell_but(request, declares_functions(request.settings), own, notes)
}

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let (model, settings) = (request.model, request.settings);
    let rules = quirks.models.rules(model);
    let mut notes = NoteList::default();
    let told = told(request, quirks.shown(settings), &mut notes)?;
    let request = &ModelRequest { context: &told, ..*request };
    let max_tokens = thinking::max_tokens(settings, rules, quirks.default_max_tokens, &mut notes);
    let mut prefix = prefix(request, quirks, rules, &mut notes)?;
    let mark = prefix.mark(rules);
    for (place, mark) in std::mem::take(&mut prefix.marks) {
        if let Some(block) = prefix.system.get_mut(place) {
            block.set_mark(Some(mark));
        }
    }
    let setting = Setting {
        model,
        mark: mark.as_deref(),
        system_role: rules.system_role,
        server_tools: quirks.shown(settings).any(),
        namespaces: &prefix.tools.namespaces,
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
    let ((temperature, temperature_fate), (top_p, top_p_fate)) = sampling(quirks, settings, rules, plan.on());
    let (service_tier, service_tier_fate) = service_tier(settings);
    fates(quirks, settings, temperature_fate, top_p_fate, service_tier_fate).note(settings, &mut notes)?;
    let cache_control = settle_marks(quirks, request, &mut prefix.system, &mut history, &mut notes)?;

    let runs_code = prefix.tools.serves(HostedKind::CodeInterpreter.name());
    let Tools { tools, choice, format, .. } = prefix.tools;
    let user_id = settings.safety_identifier.as_deref().or(settings.user.as_deref());
    let stream = request.stream || max_tokens > MAX_UNARY_TOKENS;
    let mut betas = quirks.beta.clone();
    if history.stored_files && !betas.iter().any(|beta| beta == FILES_BETA) {
        betas.push(FILES_BETA.to_owned());
    }
    if let Some(beta) = quirks.code_beta().filter(|_| runs_code)
        && !betas.iter().any(|given| given == beta)
    {
        betas.push(beta.to_owned());
    }
    let body = MessagesRequest {
        model,
        max_tokens,
        stream,
        thinking: plan.thinking,
        output_config: OutputConfig { effort: plan.effort, format },
        temperature,
        top_p,
        cache_control,
        metadata: user_id.map(|user_id| Metadata { user_id }),
        service_tier,
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
    Ok(UpstreamCall { path: "/messages".into(), headers, body, stream, notes: notes.into_vec() })
}

fn prefix<'a>(
    request: &ModelRequest<'a>,
    quirks: &Quirks,
    rules: Rules,
    notes: &mut NoteList,
) -> Result<Prefix<'a>, AdapterError> {
    let settings = request.settings;
    let mut system = Vec::new();
    system.extend(settings.instructions.as_deref().and_then(text));
    let (mut leading, mut marks) = (0, Vec::new());
    for item in request.context {
        let Item::Message(message) = item else { break };
        if !matches!(message.role, Role::System | Role::Developer) {
            break;
        }
        leading += 1;
        for part in &message.content {
            if let ContentPart::InputText { text: words, .. } | ContentPart::OutputText { text: words, .. } =
                part
            {
                let Some(block) = text(words) else { continue };
                marks.extend(CacheControl::of(part).map(|mark| (system.len(), mark)));
                system.push(block);
            }
        }
    }
    let mut tools = Tools::new(settings, quirks, rules, notes)?;
    system.extend(tools.hints.drain(..).map(Block::text));
    match settings.text.verbosity {
        Some(Verbosity::Low) => system.push(Block::text("Be concise.")),
        Some(Verbosity::High) => system.push(Block::text("Be thorough.")),
        Some(Verbosity::Medium) | None => {}
    }
    Ok(Prefix { system, tools, leading, marks })
}

/// Leaves the marks that count, and gives the one of the server's own choice for the end of the prompt.
fn settle_marks<'a>(
    quirks: &Quirks,
    request: &ModelRequest<'_>,
    system: &mut [Block<'a>],
    history: &mut History<'a>,
    notes: &mut NoteList,
) -> Result<Option<CacheControl>, AdapterError> {
    let plan = CachePlan::of(request.settings, true);
    let mut implicit = plan.implicit().filter(|_| quirks.caching);
    let blocks = system.iter_mut().chain(history.messages.iter_mut().flat_map(|m| &mut m.content));
    let left = plan.settle(blocks.filter_map(Block::mark), implicit.is_some());
    let last = history.messages.last_mut().and_then(|message| message.content.last_mut());
    if last.and_then(Block::mark).is_some_and(|mark| mark.is_some()) {
        // The end has its mark already; the provider refuses another lifetime there.
        implicit = None;
    }
    plan.note_lifetime(request.settings, left > 0 || implicit.is_some(), notes);
    note_breakpoints(request.context, |_, part| mark_fate(part), notes)?;
    Ok(implicit)
}

fn text(words: &str) -> Option<Block<'_>> {
    (!words.trim().is_empty()).then(|| Block::text(words))
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

/// Whether the last message may be the assistant's, in a request for free text.
pub(super) fn prefills(quirks: &Quirks, model: &str, settings: &Settings) -> bool {
    let (rules, mut notes) = (quirks.models.rules(model), NoteList::default());
    let max_tokens = thinking::max_tokens(settings, rules, quirks.default_max_tokens, &mut notes);
    rules.prefill && !thinking::plan(settings, rules, max_tokens, &mut notes).on()
}

/// The user must speak first, and on most models last.
fn settle_ends(
    history: &mut History<'_>,
    prefill: bool,
    has_system: bool,
    notes: &mut NoteList,
) -> Result<(), AdapterError> {
    let speak = || Message { role: WireRole::User, content: vec![Block::text(CONTINUE)] };
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
    // A turn that was paused goes on without a word.
    let paused = messages.last().is_some_and(|last| {
        last.role == WireRole::Assistant && last.content.iter().any(|block| matches!(block, Block::Server(_)))
    });
    // The assistant may speak first.
    if !matches!(first.role, WireRole::User | WireRole::Assistant) {
        messages.insert(0, speak());
        notes.push(Note::emulated("input", "a user message was added before the first"));
    }
    if let Some(last) = messages.last_mut()
        && last.role == WireRole::Assistant
        && !paused
    {
        match last.content.last_mut() {
            Some(Block::Text { text, .. }) if prefill => *text = text.trim_end().to_owned().into(),
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
) -> ((Option<f64>, Fate), (Option<f64>, Fate)) {
    let refused = if !rules.sampling || quirks.version.as_str() >= NO_SAMPLING_SINCE {
        Some("this model takes no sampling parameters")
    } else if thinks {
        Some("not taken while thinking")
    } else {
        None
    };
    // The value the provider uses anyway need not be sent, so leaving it out loses nothing.
    let temperature = settings.temperature.filter(|t| *t != 1.0);
    let top_p = settings.top_p.filter(|p| *p != 1.0);
    if let Some(why) = refused {
        let allowed = thinks && rules.sampling && top_p.is_some_and(|p| p >= 0.95);
        let top_p = if allowed { (top_p, Fate::Sent) } else { (None, Fate::dropped(why)) };
        return ((None, Fate::dropped(why)), top_p);
    }
    let top_p = match temperature.filter(|_| rules.one_sampling) {
        Some(_) => (None, Fate::dropped("this model takes temperature or top_p, not both")),
        None => (top_p, Fate::Sent),
    };
    match temperature {
        Some(t) if t > 1.0 => ((Some(1.0), Fate::emulated("sent as 1, the provider's maximum")), top_p),
        _ => ((temperature, Fate::Sent), top_p),
    }
}

fn service_tier(settings: &Settings) -> (Option<&'static str>, Fate) {
    match settings.service_tier.as_deref() {
        Some("default") => (Some("standard_only"), Fate::Sent),
        // Two words for one thing (OpenAI's `service_tier`).
        Some("priority" | "fast") => (Some("auto"), Fate::Sent),
        None | Some("auto") => (None, Fate::Sent),
        Some(_) => (None, Fate::dropped(NO_SUCH_TIER)),
    }
}

/// What becomes of every field.
fn fates(quirks: &Quirks, settings: &Settings, temperature: Fate, top_p: Fate, service_tier: Fate) -> Fates {
    Fates {
        instructions: Fate::Sent,
        tools: Fate::Sent,
        tool_choice: Fate::Sent,
        parallel_tool_calls: Fate::Sent,
        max_tool_calls: Fate::Ours,
        text_format: Fate::Sent,
        verbosity: Fate::emulated("asked for in the system prompt"),
        effort: Fate::Sent,
        summary: Fate::Sent,
        temperature,
        top_p,
        presence_penalty: Fate::dropped(NOT_KNOWN),
        frequency_penalty: Fate::dropped(NOT_KNOWN),
        max_output_tokens: Fate::Sent,
        top_logprobs: Fate::dropped(NO_LOGPROBS),
        logprobs: Fate::dropped(NO_LOGPROBS),
        sealed_reasoning: Fate::Sent,
        search_sources: quirks.hosted().sources(),
        search_results: quirks.hosted().results(),
        code_outputs: quirks.hosted().outputs(),
        hosted_results: Fate::dropped(NO_HOSTED_TOOLS),
        truncation: Fate::dropped(REFUSES_LONG_INPUT),
        service_tier,
        safety_identifier: Fate::Sent,
        prompt_cache_key: match quirks.caching {
            true => Fate::emulated(BY_BEGINNING),
            false => Fate::dropped("the quirk prompt_caching is off"),
        },
        members: MemberFates {
            // What becomes of a lifetime has its own note.
            prompt_cache_options: Fate::Sent,
            prompt_cache_retention: Fate::Sent,
            ..MemberFates::translated()
        },
        metadata: Fate::Ours,
        user: match &settings.safety_identifier {
            Some(id) if settings.user.as_ref() != Some(id) => {
                Fate::dropped("safety_identifier is sent in its place")
            }
            Some(_) | None => Fate::Sent,
        },
    }
}
