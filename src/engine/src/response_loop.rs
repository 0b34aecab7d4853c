//! The life of one response: turns, limits, and its one end.

use or_adapters::{CallKind, FinishReason, ModelEvent, Note};
use or_protocol::{
    ApiError, EventBody, IncompleteDetails, Item, ResponseError, ResponseId, ResponseResource,
    ResponseStatus, Settings, Usage,
};
use serde_json::{Map, Value};

use crate::assembly::{Assembly, Ending};
use crate::calls::NewCall;
use crate::events::EventWriter;
use crate::io::{Action, Input, LoopSpec, Outcome, Output, Record};
use crate::snapshot::{Snapshot, resource, response_error};
use crate::tools::ToolRules;

/// How often one response may be sampled again because the provider paused.
const MAX_PAUSES: u32 = 10;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    New,
    Sampling,
    Committing,
    Ended,
}

/// One response from its first sampling to its terminal event.
#[derive(Debug)]
pub struct ResponseLoop {
    spec: LoopSpec,
    state: State,
    writer: EventWriter,
    assembly: Assembly,
    tools: ToolRules,
    usage: Option<Usage>,
    turn_usage: Option<Usage>,
    service_tier: Option<String>,
    calls_this_turn: usize,
    turn_start: usize,
    pauses: u32,
    notes: Vec<Note>,
    status: ResponseStatus,
    incomplete: Option<IncompleteDetails>,
    error: Option<ApiError>,
    completed_at: Option<i64>,
    response_json: Vec<u8>,
}

impl ResponseLoop {
    /// A loop that waits for [`Input::Start`].
    pub fn new(spec: LoopSpec) -> Self {
        let show_sealed = spec.settings.includes(or_protocol::Include::ReasoningEncryptedContent);
        Self {
            state: State::New,
            writer: EventWriter::new(spec.stream, spec.reasoning_events),
            assembly: Assembly::new(spec.id.clone(), show_sealed),
            tools: ToolRules::new(&spec.settings.tools),
            usage: None,
            turn_usage: None,
            service_tier: None,
            calls_this_turn: 0,
            turn_start: 0,
            pauses: 0,
            notes: Vec::new(),
            status: ResponseStatus::InProgress,
            incomplete: None,
            error: None,
            completed_at: None,
            response_json: Vec::new(),
            spec,
        }
    }

    /// The context of the next sampling: what came in, then what this response made.
    pub fn context(&self) -> &[Item] {
        &self.spec.context
    }

    /// The request's settings.
    pub fn settings(&self) -> &Settings {
        &self.spec.settings
    }

    /// Id of the response.
    pub fn id(&self) -> &ResponseId {
        &self.spec.id
    }

    /// The final response object, JSON; empty until the response is over or waits for its commit.
    pub fn response_json(&self) -> &[u8] {
        &self.response_json
    }

    /// What went wrong, if it did.
    pub fn error(&self) -> Option<&ApiError> {
        self.error.as_ref()
    }

    /// Summed token counts so far.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// Notes that the answer's translation made, taken out.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// What to write at [`Action::Commit`].
    pub fn record(&self) -> Record<'_> {
        Record {
            response_json: &self.response_json,
            status: self.status,
            sealed: &self.assembly.sealed,
            created_at: self.spec.created_at,
        }
    }

    /// Feeds one input. `now`: Unix seconds.
    pub fn handle(&mut self, input: Input, now: i64, out: &mut Output) {
        match (self.state, input) {
            (State::New, Input::Start) => self.start(out),
            (State::Sampling, Input::Model(event)) => self.model(event, now, out),
            (State::Sampling, Input::Failed(error)) => self.fail(error, out),
            (State::Sampling, Input::Cancel) => self.cancel(out),
            // A stream begins in the same way however it ends.
            (State::New, Input::Failed(error)) => {
                self.begin();
                self.fail(error, out);
            }
            (State::New, Input::Cancel) => {
                self.begin();
                self.cancel(out);
            }
            (State::Committing, Input::Committed(result)) => self.committed(result.is_ok(), out),
            // A failure while the end is being written changes nothing: the end is decided. Everything
            // else comes too late or out of place, and must not make a second end.
            (State::New | State::Sampling | State::Committing | State::Ended, _) => {}
        }
        if out.frames.is_empty() {
            std::mem::swap(&mut out.frames, &mut self.writer.frames);
        } else {
            out.frames.append(&mut self.writer.frames);
        }
    }

    fn start(&mut self, out: &mut Output) {
        self.begin();
        out.actions.push(Action::CallModel);
    }

    fn begin(&mut self) {
        self.state = State::Sampling;
        self.emit_snapshot("response.created");
        self.emit_snapshot("response.in_progress");
    }

    fn model(&mut self, event: ModelEvent, now: i64, out: &mut Output) {
        let (items, w) = (&mut self.assembly, &mut self.writer);
        match event {
            ModelEvent::MessageStart { block, phase } => items.start_message(block, phase, w),
            ModelEvent::TextDelta { block, text, logprobs } => {
                // The client sees log probabilities only if it asked (rules 5.3).
                let wanted = self.spec.settings.wants_logprobs();
                items.text(block, &text, if wanted { logprobs } else { Vec::new() }, w);
            }
            ModelEvent::RefusalDelta { block, text } => items.refusal(block, &text, w),
            ModelEvent::Annotation { block, annotation } => items.annotation(block, annotation, w),
            ModelEvent::ReasoningDelta { block, text } => items.reasoning(block, &text, w),
            ModelEvent::SummaryDelta { block, text } => items.summary(block, &text, w),
            ModelEvent::ReasoningSealed { block, encrypted_content } => {
                items.sealed(block, encrypted_content, w)
            }
            ModelEvent::ToolCallStart { block, call_id, name, namespace, kind } => {
                self.call(
                    block,
                    NewCall { call_id, name, namespace, custom: kind == CallKind::Custom, emulated: false },
                );
            }
            ModelEvent::ToolArgsDelta { block, delta } => items.arguments(block, &delta, w),
            ModelEvent::HostedItem { block, item, done } => self.hosted(block, item, done),
            ModelEvent::HostedEvent { block, event } => items.hosted_event(block, event, w),
            ModelEvent::PartDone { block } => items.part_done(block, w),
            ModelEvent::BlockDone { block, complete: _ } => items.block_done(block, w),
            ModelEvent::Usage(usage) => self.turn_usage = Some(usage),
            ModelEvent::ServiceTier(tier) => self.service_tier = Some(tier),
            ModelEvent::Note(note) => self.note(note),
            ModelEvent::Finished { reason } => self.finished(reason, now, out),
        }
    }

    fn note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn call(&mut self, block: u32, mut call: NewCall) {
        if self.assembly.knows(block) {
            return;
        }
        self.tools.restore(&mut call);
        match self.tools.refusal(&call, &self.spec.settings, self.calls_this_turn) {
            Some(note) => self.suppress(block, note),
            None => {
                self.calls_this_turn += 1;
                self.assembly.call(block, call, &mut self.writer);
            }
        }
    }

    fn hosted(&mut self, block: u32, item: Map<String, Value>, done: bool) {
        match self.tools.whole_item(item) {
            Ok(item) => self.assembly.hosted(block, item, done, &mut self.writer),
            Err(note) => self.suppress(block, note),
        }
    }

    fn suppress(&mut self, block: u32, note: Note) {
        self.assembly.suppress(block);
        self.note(note);
    }

    fn finished(&mut self, reason: FinishReason, now: i64, out: &mut Output) {
        self.add_usage();
        match reason {
            // The client's calls need its answer first (rules 8.2).
            FinishReason::Pause if self.calls_this_turn > 0 => self.complete(now, out),
            FinishReason::Pause if self.pauses < MAX_PAUSES => {
                self.pauses += 1;
                self.assembly.close_all(Ending::Completed, &mut self.writer);
                self.continue_sampling(out);
            }
            FinishReason::Stop => self.complete(now, out),
            FinishReason::Pause | FinishReason::MaxOutputTokens => self.cut("max_output_tokens", out),
            FinishReason::ContentFilter => self.cut("content_filter", out),
        }
    }

    fn complete(&mut self, now: i64, out: &mut Output) {
        self.assembly.close_all(Ending::Completed, &mut self.writer);
        self.completed_at = Some(now);
        self.end(ResponseStatus::Completed, out);
    }

    /// The next turn sees what this one made, sealed state included.
    fn continue_sampling(&mut self, out: &mut Output) {
        for (index, item) in self.assembly.output.iter().enumerate().skip(self.turn_start) {
            let mut item = item.clone();
            if let Item::Reasoning(reasoning) = &mut item
                && let Some((_, sealed)) = self.assembly.sealed.iter().find(|(at, _)| *at == index)
            {
                reasoning.encrypted_content = Some(sealed.clone());
            }
            self.spec.context.push(item);
        }
        self.turn_start = self.assembly.output.len();
        self.calls_this_turn = 0;
        out.actions.push(Action::CallModel);
    }

    fn cut(&mut self, reason: &str, out: &mut Output) {
        self.assembly.close_all(Ending::Incomplete, &mut self.writer);
        self.incomplete = Some(IncompleteDetails { reason: reason.to_owned() });
        self.end(ResponseStatus::Incomplete, out);
    }

    fn fail(&mut self, error: ApiError, out: &mut Output) {
        self.add_usage();
        self.assembly.abandon(&mut self.writer);
        self.error = Some(error);
        self.end(ResponseStatus::Failed, out);
    }

    fn cancel(&mut self, out: &mut Output) {
        self.add_usage();
        self.assembly.abandon(&mut self.writer);
        self.incomplete = Some(IncompleteDetails { reason: "cancelled".into() });
        self.end(ResponseStatus::Cancelled, out);
    }

    fn add_usage(&mut self) {
        if let Some(turn) = self.turn_usage.take() {
            self.usage.get_or_insert_default().add(&turn);
        }
    }

    /// Decides the end. It is told only after its commit (design D8).
    fn end(&mut self, status: ResponseStatus, out: &mut Output) {
        self.status = status;
        self.render();
        if self.spec.store {
            self.state = State::Committing;
            out.actions.push(Action::Commit);
        } else {
            self.tell_end(out);
        }
    }

    fn committed(&mut self, good: bool, out: &mut Output) {
        if !good && self.status != ResponseStatus::Failed {
            let text = "The response could not be stored.";
            self.error =
                Some(ApiError::new(or_protocol::ErrorKind::Storage, text).with_code("storage_error"));
            self.status = ResponseStatus::Failed;
            self.incomplete = None;
            self.completed_at = None;
            self.render();
        }
        self.tell_end(out);
    }

    fn tell_end(&mut self, out: &mut Output) {
        self.state = State::Ended;
        let (name, outcome) = match self.status {
            ResponseStatus::Completed => ("response.completed", Outcome::Completed),
            ResponseStatus::Incomplete => ("response.incomplete", Outcome::Incomplete),
            ResponseStatus::Cancelled => ("response.incomplete", Outcome::Cancelled),
            ResponseStatus::Failed | ResponseStatus::Queued | ResponseStatus::InProgress => {
                ("response.failed", Outcome::Failed)
            }
        };
        if let Some(error) = &self.error {
            let payload = error.payload();
            let body = EventBody::Error {
                error: payload,
                code: payload.code,
                message: payload.message,
                param: payload.param,
            };
            self.writer.emit("error", body);
        }
        self.writer.finish(name, &self.response_json);
        out.actions.push(Action::End(outcome));
    }

    /// Writes the response object down, once for the client, the stream and the store.
    fn render(&mut self) {
        let error = self.error.as_ref().map(response_error);
        let resource = self.resource(error.as_ref());
        self.response_json = serde_json::to_vec(&resource).unwrap_or_default();
    }

    fn emit_snapshot(&mut self, name: &str) {
        let response = resource(
            &self.spec,
            &self.assembly.output,
            Snapshot { status: self.status, ..Snapshot::default() },
        );
        self.writer.emit(name, EventBody::Response { response });
    }

    fn resource<'a>(&'a self, error: Option<&'a ResponseError>) -> ResponseResource<'a> {
        let snapshot = Snapshot {
            status: self.status,
            completed_at: self.completed_at,
            incomplete: self.incomplete.as_ref(),
            error,
            usage: self.usage.as_ref(),
            service_tier: self.service_tier.as_deref(),
        };
        resource(&self.spec, &self.assembly.output, snapshot)
    }
}
