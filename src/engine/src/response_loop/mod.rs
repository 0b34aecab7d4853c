//! The life of one response: turns, limits, and its one end.

mod call_ids;
mod ending;
mod first_turn;
mod joint;
mod output_bytes;
mod remembered;
mod resume;
mod takeover;
mod tool_rounds;
mod turn_settings;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use or_adapters::{CallKind, FinishReason, ModelEvent, Note, NoteList};
use or_protocol::{
    ApiError, ErrorKind, IncompleteDetails, Item, ResponseError, ResponseMembers, ResponseResource,
    ResponseStatus, ToolChoice, Usage,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::contract::{Action, Input, LoopSpec, Output, Progress};
use crate::event_log::Told;
use crate::events::EventWriter;
use crate::items::call::NewCall;
use crate::items::{Assembly, Ending};
use crate::mcp::Answers;
use crate::snapshot::{Snapshot, resource, snapshot_json};
use crate::tool_rules::ToolRules;
use joint::Joint;

/// How often one response may be sampled again because the provider paused.
const MAX_PAUSES: u32 = 10;
/// Most items of one turn, calls included. Models make some tens of them; what is above is a fault, or an attack.
const MAX_TURN_ITEMS: usize = 5_000;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    New,
    /// A background response whose first record is being written.
    Queued,
    /// After a restart: the next turn can be sampled.
    Restored,
    /// After a restart: a turn broke off.
    Interrupted,
    /// After a restart: the failure was told, its end was not.
    Failing,
    Sampling,
    RunningTools,
    Committing,
    Ended,
}

/// One response from its first sampling to its terminal event.
#[derive(Debug)]
pub struct ResponseLoop {
    spec: LoopSpec,
    /// Of the next sampling. Shared with whoever translates it elsewhere.
    context: Arc<Vec<Item>>,
    answers: Answers,
    state: State,
    writer: EventWriter,
    assembly: Assembly,
    tools: ToolRules,
    /// The request's choice, as the model is told it.
    choice: ToolChoice,
    /// The finished turns.
    progress: Progress,
    turn: Turn,
    notes: NoteList,
    /// Queued or in progress: what was told last before the end.
    shown: ResponseStatus,
    /// Of a stream.
    told: Told,
    /// The end, once it is decided.
    status: ResponseStatus,
    incomplete: Option<IncompleteDetails>,
    error: Option<ApiError>,
    completed_at: Option<i64>,
    response_json: Option<Box<RawValue>>,
    /// Little is left of it, because it was too large to be stored.
    shortened: bool,
}

/// The running turn; none of it counts before the turn ends.
#[derive(Debug, Default)]
struct Turn {
    /// Output index of its first item.
    start: usize,
    /// Calls that came through.
    calls: usize,
    usage: Option<Usage>,
    service_tier: Option<String>,
    members: ResponseMembers,
    notes: NoteList,
    /// Ids of all calls that the model sees or has made, once a call has come.
    taken: Option<HashSet<String>>,
    /// Call ids of the provider that another call had already, with those given in their place.
    renamed: HashMap<String, String>,
    /// Where the text goes on of a provider that broke off.
    joint: Option<Box<Joint>>,
    /// The block whose text began at another provider.
    joined: Option<u32>,
    /// Length of the context without the beginning of the turn.
    context: Option<usize>,
}

impl ResponseLoop {
    /// A loop that waits for [`Input::Start`].
    pub fn new(mut spec: LoopSpec) -> Self {
        let show_sealed = spec.settings.includes(or_protocol::Include::ReasoningEncryptedContent);
        let mut context = spec.mcp.for_model(std::mem::take(&mut spec.context));
        context.iter_mut().for_each(|item| spec.seal.open_item(item));
        let context = Arc::new(context);
        let mut assembly = Assembly::new(spec.id.clone(), show_sealed, spec.limits.max_output_bytes);
        assembly.approval_key = spec.mcp.key;
        assembly.wants_summary = spec.settings.wants_summary();
        Self {
            state: State::New,
            writer: EventWriter::new(spec.stream, spec.reasoning_events),
            assembly,
            tools: ToolRules::new(&spec.settings, &spec.mcp),
            choice: spec.mcp.choice(&spec.settings.tool_choice),
            progress: Progress::default(),
            turn: Turn::default(),
            notes: NoteList::default(),
            shown: if spec.background { ResponseStatus::Queued } else { ResponseStatus::InProgress },
            told: Told::Nothing,
            status: ResponseStatus::InProgress,
            incomplete: None,
            error: None,
            completed_at: None,
            response_json: None,
            shortened: false,
            context,
            answers: Answers::default(),
            spec,
        }
    }

    /// Feeds one input. `now`: Unix seconds.
    pub fn handle(&mut self, input: Input, now: i64, out: &mut Output) {
        if self.writer.frames.is_empty() {
            // The writer only appends, so it works in the output's own buffer: frames of several inputs stand in
            // the order of their numbers, and none is copied.
            std::mem::swap(&mut out.frames, &mut self.writer.frames);
        }
        // The state is matched first and everything else is ignored below, so an input that comes twice, too late or
        // out of place can neither ask for something again nor make a second end.
        match (self.state, input) {
            (State::New, Input::Start) => self.start(now, out),
            (State::Queued, Input::Begun) => self.begun(now, out),
            (State::Sampling, Input::Model(event)) => self.said(event, now, out),
            (State::Sampling, Input::Retry) if !self.turn_has_output() => self.call_model(out),
            (State::Sampling, Input::Interrupted { prefills }) if self.can_go_on() => {
                self.take_over(prefills, out);
            }
            (State::RunningTools, Input::ToolStarted { index }) => self.tool_started(index),
            (State::RunningTools, Input::ToolDone { index, result }) => {
                self.tool_said(index, result, now, out);
            }
            (State::Queued | State::Sampling | State::RunningTools, Input::Failed(error)) => {
                self.fail(error, out);
            }
            (State::Queued | State::Sampling | State::RunningTools, Input::Cancel) => self.cancel(out),
            (State::Queued | State::Sampling | State::RunningTools, Input::Halt(reason)) => {
                self.halt(reason, out)
            }
            (State::Restored, Input::Resume) => {
                self.begin();
                self.go_on(now, out);
            }
            (State::Interrupted, Input::Resume) => self.interrupted(out),
            (State::Failing, Input::Resume | Input::Failed(_) | Input::Cancel) => {
                self.end(ResponseStatus::Failed, out);
            }
            // A stream begins in the same way however it ends.
            (State::New | State::Restored | State::Interrupted, Input::Failed(error)) => {
                self.begin();
                self.fail(error, out);
            }
            (State::New | State::Restored | State::Interrupted, Input::Cancel) => {
                self.begin();
                self.cancel(out);
            }
            (State::Committing, Input::Committed(result)) => self.committed(result.is_ok(), out),
            (State::Committing, Input::Unstorable(error)) => self.shorten(error, out),
            // A failure while the end is being written changes nothing: the end is decided.
            (
                State::New
                | State::Queued
                | State::Restored
                | State::Interrupted
                | State::Failing
                | State::Sampling
                | State::RunningTools
                | State::Committing
                | State::Ended,
                _,
            ) => {}
        }
        if out.frames.is_empty() {
            std::mem::swap(&mut out.frames, &mut self.writer.frames);
        } else {
            out.frames.append(&mut self.writer.frames);
        }
    }

    fn start(&mut self, now: i64, out: &mut Output) {
        self.begin();
        if self.spec.background {
            self.state = State::Queued;
            out.next = Some(Action::Begin);
        } else {
            self.first_turn(now, out);
        }
    }

    /// The events before any work is done.
    fn begin(&mut self) {
        let Some(json) = self.shown_json() else { return };
        self.tell(Told::Created, "response.created", &json);
        if self.spec.background {
            self.tell(Told::Queued, "response.queued", &json);
        } else {
            self.tell(Told::InProgress, "response.in_progress", &json);
        }
    }

    fn begun(&mut self, now: i64, out: &mut Output) {
        self.in_progress();
        self.first_turn(now, out);
    }

    fn in_progress(&mut self) {
        self.shown = ResponseStatus::InProgress;
        if let Some(json) = self.shown_json() {
            self.tell(Told::InProgress, "response.in_progress", &json);
        }
    }

    fn model(&mut self, event: ModelEvent, now: i64, out: &mut Output) {
        let items = self.assembly.output.len().saturating_sub(self.turn.start) + self.assembly.open.len();
        if items > MAX_TURN_ITEMS {
            let text = "The provider's answer has more items than this server takes.";
            let error = ApiError::new(ErrorKind::Model, text).with_code("upstream_invalid_response");
            return self.fail(error, out);
        }
        let (items, w) = (&mut self.assembly, &mut self.writer);
        match event {
            ModelEvent::MessageStart { block, phase } => items.start_message(block, phase, w),
            ModelEvent::TextDelta { block, text, logprobs } => {
                // The client sees log probabilities only if it asked (rules 5.3).
                let wanted = self.spec.settings.wants_logprobs();
                items.text(block, &text, if wanted { logprobs } else { Vec::new() }, w);
            }
            ModelEvent::RefusalDelta { block, text } => items.refusal(block, &text, w),
            ModelEvent::Annotation { block, .. } if self.turn.joined == Some(block) => {
                let why = "its places count from where another provider took over";
                self.note(Note::dropped("output.content.annotations", why));
            }
            ModelEvent::Annotation { block, annotation } => {
                if !items.annotation(block, annotation, w) {
                    let why =
                        "a text has more of them than a client may bring back; the others were left out";
                    self.note(Note::dropped("output.content.annotations", why));
                }
            }
            ModelEvent::ReasoningDelta { block, text } => items.reasoning(block, &text, w),
            ModelEvent::SummaryDelta { block, text } => items.summary(block, &text, w),
            ModelEvent::ReasoningSealed { block, encrypted_content } => {
                items.sealed(block, encrypted_content, &self.spec.seal, w);
            }
            ModelEvent::ToolCallStart { block, call_id, name, namespace, kind, extra } => {
                let custom = kind == CallKind::Custom;
                let call = NewCall { name, namespace, custom, extra, emulated: false, mcp: None };
                self.call(block, call_id, call);
            }
            ModelEvent::ToolArgsDelta { block, delta } => items.arguments(block, &delta, w),
            ModelEvent::HostedItem { block, item, done } => self.hosted(block, item, done),
            ModelEvent::HostedEvent { block, event } => items.hosted_event(block, event, w),
            ModelEvent::PartDone { block } => items.part_done(block, w),
            ModelEvent::BlockDone { block, complete: _ } => items.block_done(block, w),
            ModelEvent::Usage(usage) => self.turn.usage = Some(usage),
            ModelEvent::ServiceTier(tier) => self.turn.service_tier = Some(tier),
            ModelEvent::ResponseMember { member, value } => self.turn.members.set(member, value),
            ModelEvent::Note(note) => self.note(note),
            ModelEvent::Finished { reason } => self.finished(reason, now, out),
        }
    }

    fn note(&mut self, note: Note) {
        self.turn.notes.push(note);
    }

    fn call(&mut self, block: u32, given_id: Option<String>, mut call: NewCall) {
        if self.assembly.knows(block) {
            return;
        }
        self.tools.restore(&mut call);
        let refusal = match self.progress.last_turn {
            true => Some(Note::emulated(
                "tools",
                "the model called a tool in a turn without tools; the call was suppressed",
            )),
            false => {
                let parallel = self.spec.settings.parallel();
                self.tools.refusal(&call, &self.turn_choice(), parallel, self.turn.calls)
            }
        };
        match refusal {
            Some(note) => self.suppress(block, note),
            None => {
                self.turn.calls += 1;
                let call_id = self.usable_call_id(given_id);
                self.assembly.call(block, call_id, call, &mut self.writer);
            }
        }
    }

    fn hosted(&mut self, block: u32, item: Map<String, Value>, done: bool) {
        match self.tools.whole_item(item) {
            Ok(mut item) => {
                self.follow_renamed(&mut item);
                self.spec.seal.seal_item(&mut item);
                self.assembly.hosted(block, item, done, &mut self.writer);
            }
            Err(note) => self.suppress(block, note),
        }
    }

    fn suppress(&mut self, block: u32, note: Note) {
        self.assembly.suppress(block);
        self.note(note);
    }

    fn finished(&mut self, reason: FinishReason, now: i64, out: &mut Output) {
        // First: whatever follows, a further turn or the end, counts what this one used.
        self.end_turn();
        self.progress.turns += 1;
        match reason {
            FinishReason::Stop | FinishReason::Pause if self.begin_round(now, out) => {}
            // The client's calls need its answer first (rules 8.2).
            FinishReason::Pause if self.turn.calls > 0 => self.complete(now, out),
            FinishReason::Pause if self.progress.pauses < MAX_PAUSES => {
                self.progress.pauses += 1;
                self.assembly.close_all(Ending::Completed, &mut self.writer);
                self.next_turn(out);
            }
            FinishReason::Stop => self.complete(now, out),
            FinishReason::Pause | FinishReason::MaxOutputTokens => self.cut("max_output_tokens", out),
            FinishReason::ContentFilter => self.cut("content_filter", out),
        }
    }

    /// Begins a turn; nothing is left of the one before.
    fn call_model(&mut self, out: &mut Output) {
        self.turn = Turn { start: self.assembly.output.len(), ..Turn::default() };
        // Suppressed calls of a turn that is tried again.
        self.assembly.open.clear();
        out.next = Some(Action::CallModel);
    }

    /// What the turn counted is counted for good.
    fn end_turn(&mut self) {
        self.hide_beginning();
        if let Some(usage) = self.turn.usage.take() {
            self.progress.usage.get_or_insert_default().add(&usage);
        }
        if let Some(tier) = self.turn.service_tier.take() {
            self.progress.service_tier = Some(tier);
        }
        self.progress.members.add(std::mem::take(&mut self.turn.members));
        self.notes.extend(std::mem::take(&mut self.turn.notes).into_vec());
    }

    /// Tells how far the response is, unless it was told before a restart.
    fn tell(&mut self, told: Told, name: &'static str, json: &RawValue) {
        if self.told < told {
            self.told = told;
            self.writer.response(name, json);
        }
    }

    /// The response object as the events before its end show it; `None` where there are no events.
    fn shown_json(&self) -> Option<Box<RawValue>> {
        let snapshot = Snapshot { status: self.shown, ..Snapshot::default() };
        self.spec.stream.then(|| snapshot_json(&resource(&self.spec, &self.assembly.output, snapshot)))
    }

    fn resource<'a>(&'a self, error: Option<&'a ResponseError>) -> ResponseResource<'a> {
        let snapshot = Snapshot {
            status: self.status,
            completed_at: self.completed_at,
            incomplete: self.incomplete.as_ref(),
            error,
            usage: self.progress.usage.as_ref(),
            service_tier: self.progress.service_tier.as_deref(),
            members: Some(&self.progress.members),
        };
        resource(&self.spec, &self.assembly.output, snapshot)
    }
}
