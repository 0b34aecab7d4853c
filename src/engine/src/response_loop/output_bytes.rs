//! How large a response may become, and its end where it would become larger.

use or_adapters::{ModelEvent, logprob_bytes};
use or_protocol::{Output as ToolOutput, Settings, json_bytes};

use super::{ResponseLoop, State};
use crate::contract::Output;
use crate::items::room::{Room, json_len, prefix};
use crate::tool_round::{CallState, ToolResult};

/// An event log has each text up to five times, and of small pieces some hundred bytes for each.
const LOG_SHARE: u64 = 8;

/// What the model reads, in a later response, of a result that had no room.
const NO_ROOM: &str =
    "The result of this tool was left out: with it the response would be larger than this server allows.";

/// The word of `incomplete_details` for a response that was cut off here.
const REASON: &str = "max_output_bytes";

impl ResponseLoop {
    /// Takes in what the model did, as far as there is room; what had none ends the response.
    pub(super) fn said(&mut self, mut event: ModelEvent, now: i64, out: &mut Output) {
        let fits = !self.log_is_full() && fit(&mut event, &mut self.assembly.room, &self.spec.settings);
        if fits || !is_empty(&event) {
            self.join(event, now, out);
        }
        if (!fits || self.assembly.room.is_full()) && self.state == State::Sampling {
            self.overflow(out);
        }
    }

    /// The same for the result of a tool.
    pub(super) fn tool_said(&mut self, index: usize, result: ToolResult, now: i64, out: &mut Output) {
        if self.assembly.room.take(json_bytes(&result.output)) && !self.log_is_full() {
            return self.tool_done(index, result, now, out);
        }
        if let Some(state @ (CallState::Pending | CallState::Started)) = self.call_state(index) {
            *state = CallState::Done(ToolResult { output: ToolOutput::Text(NO_ROOM.into()), ..result });
            self.overflow(out);
        }
    }

    /// Counts what an earlier process made.
    pub(super) fn count_restored(&mut self, log: usize) {
        self.writer.written = log as u64;
        for item in &self.assembly.output {
            self.assembly.room.take(json_bytes(item));
        }
    }

    fn log_is_full(&self) -> bool {
        let limit = self.spec.limits.max_output_bytes.saturating_mul(LOG_SHARE);
        self.spec.background && self.writer.written > limit
    }

    fn overflow(&mut self, out: &mut Output) {
        self.end_turn();
        self.abandon_round();
        self.cut(REASON, out);
    }
}

/// Takes the room for an event. If it has not enough, what is left of a text fits.
fn fit(event: &mut ModelEvent, room: &mut Room, settings: &Settings) -> bool {
    match event {
        ModelEvent::TextDelta { text, logprobs, .. } => {
            let shown = !logprobs.is_empty() && settings.wants_logprobs();
            let each = logprobs.iter().filter(|_| shown).map(|one| logprob_bytes(one) as u64);
            room.take(each.sum()) && fit_text(text, room)
        }
        ModelEvent::RefusalDelta { text, .. }
        | ModelEvent::ReasoningDelta { text, .. }
        | ModelEvent::SummaryDelta { text, .. } => fit_text(text, room),
        ModelEvent::ToolArgsDelta { delta, .. } => fit_text(delta, room),
        ModelEvent::ReasoningSealed { encrypted_content, .. } => room.take(encrypted_content.len() as u64),
        ModelEvent::Annotation { annotation, .. } => room.take(json_bytes(annotation)),
        ModelEvent::HostedItem { item, .. } => room.take(json_bytes(item)),
        // No part of the response, but of what is shown of it.
        ModelEvent::HostedEvent { event, .. } => room.take(json_bytes(event)),
        ModelEvent::ToolCallStart { name, call_id, extra, .. } => {
            room.take((name.len() + call_id.as_ref().map_or(0, String::len) + extra.size()) as u64)
        }
        ModelEvent::ResponseMember { value, .. } => room.take(value.as_str().len() as u64),
        ModelEvent::MessageStart { .. }
        | ModelEvent::PartDone { .. }
        | ModelEvent::BlockDone { .. }
        | ModelEvent::Usage(_)
        | ModelEvent::ServiceTier(_)
        | ModelEvent::Note(_)
        | ModelEvent::Finished { .. } => true,
    }
}

fn fit_text(text: &mut String, room: &mut Room) -> bool {
    if room.take(json_len(text)) {
        return true;
    }
    text.truncate(prefix(text, room.left()));
    room.take(room.left());
    false
}

/// Whether nothing is left of an event that did not fit.
fn is_empty(event: &ModelEvent) -> bool {
    match event {
        ModelEvent::TextDelta { text, .. }
        | ModelEvent::RefusalDelta { text, .. }
        | ModelEvent::ReasoningDelta { text, .. }
        | ModelEvent::SummaryDelta { text, .. } => text.is_empty(),
        ModelEvent::ToolArgsDelta { delta, .. } => delta.is_empty(),
        ModelEvent::MessageStart { .. }
        | ModelEvent::ReasoningSealed { .. }
        | ModelEvent::ResponseMember { .. }
        | ModelEvent::Annotation { .. }
        | ModelEvent::ToolCallStart { .. }
        | ModelEvent::HostedItem { .. }
        | ModelEvent::HostedEvent { .. }
        | ModelEvent::PartDone { .. }
        | ModelEvent::BlockDone { .. }
        | ModelEvent::Usage(_)
        | ModelEvent::ServiceTier(_)
        | ModelEvent::Note(_)
        | ModelEvent::Finished { .. } => true,
    }
}
