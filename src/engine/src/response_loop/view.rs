//! What others see of a response while it is made.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use or_adapters::Note;
use or_protocol::{ApiError, Item, McpItem, ResponseId, Settings, Usage};
use serde_json::value::RawValue;

use super::{ResponseLoop, State};
use crate::contract::{LoopSpec, Record};
use crate::mcp::Mcp;
use crate::snapshot::{Snapshot, resource, snapshot_json};
use crate::{LoopLimits, ReasoningEvents, Seal};

impl ResponseLoop {
    /// A loop that is over, for the place of one that is elsewhere.
    pub fn over() -> Self {
        let spec = LoopSpec {
            id: ResponseId::new(),
            created_at: 0,
            model: String::new(),
            previous_response_id: None,
            store: false,
            background: false,
            stream: false,
            settings: Settings::default(),
            context: Vec::new(),
            reasoning_events: ReasoningEvents::default(),
            server_tools: BTreeSet::new(),
            mcp: Mcp::default(),
            seal: Seal::default(),
            limits: LoopLimits::default(),
            prompt_cache_diagnostics: None,
        };
        Self { state: State::Ended, ..Self::new(spec) }
    }

    /// The context of the next sampling: what came in, then what this response made.
    pub fn context(&self) -> &[Item] {
        &self.context
    }

    /// The same, for work on it that takes its time elsewhere.
    pub fn shared_context(&self) -> Arc<Vec<Item>> {
        Arc::clone(&self.context)
    }

    /// The request's settings, as they are echoed.
    pub fn settings(&self) -> &Settings {
        &self.spec.settings
    }

    /// How many events of each type were written since the last time that somebody asked.
    pub fn take_event_counts(&mut self) -> Vec<(&'static str, u64)> {
        self.writer.take_counts()
    }

    /// Calls of which the client is asked whether they may be made.
    pub fn approval_requests(&self) -> usize {
        let asks = |item: &&Item| matches!(item, Item::Mcp(McpItem::ApprovalRequest(_)));
        self.assembly.output.iter().filter(asks).count()
    }

    /// Id of the response.
    pub fn id(&self) -> &ResponseId {
        &self.spec.id
    }

    /// The final response object, JSON; empty until the response is over or waits for its commit.
    pub fn response_json(&self) -> &[u8] {
        self.response_json.as_ref().map_or(&[], |json| json.get().as_bytes())
    }

    /// The same, taken out: for the end, when nobody looks any more.
    pub fn take_response_json(&mut self) -> Vec<u8> {
        self.response_json.take().map(bytes).unwrap_or_default()
    }

    /// The response object as a client may see it at this moment: queued or in progress with the items made
    /// so far and without usage, and the final one when the response is over. While the end waits for its
    /// commit it is still in progress (design D8).
    pub fn current_json(&self) -> Vec<u8> {
        match &self.response_json {
            Some(json) if self.state == State::Ended => json.get().into(),
            Some(_) | None => bytes(self.live(&self.assembly.output)),
        }
    }

    /// What to write at [`Action::Begin`](crate::Action::Begin), [`Action::CallModel`](crate::Action::CallModel),
    /// [`Action::RunTools`](crate::Action::RunTools)
    /// and [`Action::Commit`](crate::Action::Commit), and while tools run. At any other moment it is what the last of them asked for.
    pub fn record(&self) -> Record<'_> {
        let decided = matches!(self.state, State::Committing | State::Ended);
        let finished = self.assembly.output.get(..self.turn.start).unwrap_or(&self.assembly.output);
        Record {
            response_json: match &self.response_json {
                Some(json) => Cow::Borrowed(&**json),
                None => Cow::Owned(self.live(finished)),
            },
            status: if decided { self.status } else { self.shown },
            sealed: &self.assembly.sealed,
            created_at: self.spec.created_at,
            progress: (!decided).then(|| self.progress.clone()),
        }
    }

    /// Whether the response has any item.
    pub fn has_output(&self) -> bool {
        !self.assembly.output.is_empty()
    }

    /// Whether a call was made on the server. What it did has to be on record, whatever comes of the response.
    pub fn has_acted(&self) -> bool {
        self.assembly.output.iter().any(|item| match item {
            Item::FunctionCallOutput(_) | Item::Mcp(McpItem::Call(_)) => true,
            Item::Message(_)
            | Item::FunctionCall(_)
            | Item::CustomToolCall(_)
            | Item::CustomToolCallOutput(_)
            | Item::Reasoning(_)
            | Item::Compaction(_)
            | Item::ItemReference(_)
            | Item::Mcp(_)
            | Item::Other(_) => false,
        })
    }

    /// Whether a failure leaves a record, though its client gets an HTTP error.
    pub fn is_kept(&self) -> bool {
        self.spec.store && self.has_acted()
    }

    /// Whether the running turn made an item. Only a turn that made none can be tried again.
    pub fn turn_has_output(&self) -> bool {
        self.state != State::RunningTools && self.assembly.output.len() > self.turn.start
    }

    /// Whether calls are being run on the server.
    pub fn is_running_tools(&self) -> bool {
        self.state == State::RunningTools
    }

    /// What went wrong, if it did.
    pub fn error(&self) -> Option<&ApiError> {
        self.error.as_ref()
    }

    /// Summed token counts of the finished turns.
    pub fn usage(&self) -> Option<&Usage> {
        self.progress.usage.as_ref()
    }

    /// Turns of the model that are finished, those before a restart included.
    pub fn turns(&self) -> u32 {
        self.progress.turns
    }

    /// Notes that the answer's translation made, taken out.
    pub fn take_notes(&mut self) -> Vec<Note> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(std::mem::take(&mut self.turn.notes).into_vec());
        notes.into_vec()
    }

    /// The response object before its end, JSON.
    pub(super) fn live(&self, output: &[Item]) -> Box<RawValue> {
        let service_tier = self.progress.service_tier.as_deref();
        let snapshot = Snapshot { status: self.shown, service_tier, ..Snapshot::default() };
        snapshot_json(&resource(&self.spec, output, snapshot))
    }
}

pub(super) fn bytes(json: Box<RawValue>) -> Vec<u8> {
    Box::<str>::from(json).into_string().into_bytes()
}
