//! What hooks see and may change.

use std::sync::Arc;

use or_adapters::{FinishReason, Note};
use or_protocol::{Item, Output, Settings, Usage};

use crate::Headers;

/// What the model is about to be asked in one turn. What is changed holds for this turn only: the next one begins with
/// what the request said, and the record keeps that.
#[derive(Clone, Debug, Default)]
pub struct TurnRequest {
    /// Which turn of the response, from 1; over restarts.
    pub turn: u32,
    /// How often this turn was asked for in this process, from 1. It is asked again where a call
    /// failed and the same target or another one is asked, and where calls that the client approved ran first.
    pub attempt: u32,
    /// Bytes of the request, of what it refers to and of what was made so far, as far as they are known.
    pub context_bytes: u64,
    items: Arc<Vec<Item>>,
    settings: Arc<Settings>,
    /// Tokens of the finished turns.
    pub usage: Option<Usage>,
    /// For the answer. What is set later than in the first turn reaches a client that gets its answer whole.
    pub headers: Headers,
    /// What the client is told of the change.
    pub notes: Vec<Note>,
}

impl TurnRequest {
    /// What is asked if nobody changes it.
    pub fn new(items: Arc<Vec<Item>>, settings: Settings, usage: Option<Usage>) -> Self {
        Self { items, settings: Arc::new(settings), usage, ..Self::default() }
    }

    /// The whole context: history, input, and what the response has made so far.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// To change it. The first change copies it.
    pub fn items_mut(&mut self) -> &mut Vec<Item> {
        Arc::make_mut(&mut self.items)
    }

    /// Instructions, tools, limits and the like.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// To change them.
    pub fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    /// Both, for whoever asks the model.
    pub fn shared(&self) -> (Arc<Vec<Item>>, Arc<Settings>) {
        (Arc::clone(&self.items), Arc::clone(&self.settings))
    }
}

/// What the model answered in one turn.
#[derive(Clone, Debug, Default)]
pub struct SampledTurn {
    /// Which turn, from 1.
    pub turn: u32,
    /// In their order, without ids. Changes are taken over if a middleware of the chain
    /// [gathers](crate::Wants::gathers); otherwise they were shown by then.
    pub items: Vec<Item>,
    /// Tokens of this turn, as far as the provider has counted.
    pub usage: Option<Usage>,
    /// Why the model stopped.
    pub finish: Option<FinishReason>,
    /// As in [`TurnRequest::headers`].
    pub headers: Headers,
    /// What the client is told of the change.
    pub notes: Vec<Note>,
}

/// What came of a call that this server made. It is seen before the model, the client and the store see it.
#[derive(Clone, Debug)]
pub struct ToolOutcome {
    /// The model's id of the call.
    pub call_id: String,
    /// Of the tool.
    pub name: String,
    /// As the model wrote them.
    pub arguments: String,
    /// Label of the MCP server that has the tool; none for a function.
    pub server: Option<String>,
    /// May be changed.
    pub output: Output,
    /// Whether `output` says why there is no result.
    pub failed: bool,
    /// What the client is told of the change.
    pub notes: Vec<Note>,
}

impl Default for ToolOutcome {
    fn default() -> Self {
        let empty = String::new;
        let output = Output::Text(empty());
        Self {
            call_id: empty(),
            name: empty(),
            arguments: empty(),
            server: None,
            output,
            failed: false,
            notes: Vec::new(),
        }
    }
}
