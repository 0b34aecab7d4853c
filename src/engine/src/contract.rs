//! What goes into the loop and what comes out of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use or_adapters::ModelEvent;
use or_protocol::{
    ApiError, Item, PromptCacheDiagnostics, ResponseId, ResponseMembers, ResponseStatus, Settings, Usage,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::mcp::Mcp;
use crate::seal::Seal;
use crate::tool_round::{Repeats, ToolResult, ToolRound};
use crate::{LoopLimits, ReasoningEvents};

/// What a response is made from.
#[derive(Debug)]
pub struct LoopSpec {
    /// Its id.
    pub id: ResponseId,
    /// Unix seconds.
    pub created_at: i64,
    /// Model name as the client wrote it; echoed.
    pub model: String,
    /// Echoed.
    pub previous_response_id: Option<String>,
    /// Whether the end must be committed before it is told.
    pub store: bool,
    /// Echoed. The response is queued, and its record written, before the model is called.
    pub background: bool,
    /// Whether frames are wanted.
    pub stream: bool,
    /// The request's settings.
    pub settings: Settings,
    /// Whole context; see [`crate::build_context`].
    pub context: Vec<Item>,
    /// Names of the raw-reasoning events.
    pub reasoning_events: ReasoningEvents,
    /// Names, as the model sees them, of the request's function tools that this server runs itself.
    pub server_tools: BTreeSet<String>,
    /// MCP servers whose tools this server runs.
    pub mcp: Mcp,
    /// Closes what the client gets of the provider's state, and opens it in the context.
    pub seal: Seal,
    /// The server's bounds on the loop.
    pub limits: LoopLimits,
    /// Echoed; see [`crate::compare_prompts`].
    pub prompt_cache_diagnostics: Option<PromptCacheDiagnostics>,
}

/// What happened to the loop.
#[derive(Debug)]
pub enum Input {
    /// Begin: [`Action::CallModel`], or [`Action::Begin`] for a background response.
    Start,
    /// What [`Action::Begin`] asked for is on disk. Is it not, the client gets an HTTP error and this loop is
    /// dropped.
    Begun,
    /// Go on after a restart; see [`ResponseLoop::resume`](crate::ResponseLoop::resume).
    Resume,
    /// The model did something.
    Model(ModelEvent),
    /// The turn failed and is tried again: what it counted is forgotten, and [`Action::CallModel`] follows.
    /// It has no effect once the turn has made an item; see
    /// [`ResponseLoop::turn_has_output`](crate::ResponseLoop::turn_has_output).
    Retry,
    /// The turn broke off and goes on at another provider: what grows stays open, and [`Action::CallModel`] follows, with
    /// the text so far at the end of the context. It has no effect unless
    /// [`ResponseLoop::can_go_on`](crate::ResponseLoop::can_go_on).
    Interrupted {
        /// That provider continues a last message of the assistant's. Others are told to.
        prefills: bool,
    },
    /// The run of a call of [`ResponseLoop::tool_calls`](crate::ResponseLoop::tool_calls) begins. Only the
    /// record of a background response has a use for it.
    ToolStarted {
        /// Output index of the call.
        index: usize,
    },
    /// A call was run, or could not be. In any order; what comes after a first result has no effect.
    ToolDone {
        /// Output index of the call.
        index: usize,
        /// What came of it.
        result: ToolResult,
    },
    /// The turn, or the server, failed.
    Failed(ApiError),
    /// The client left, or somebody cancelled.
    Cancel,
    /// Somebody in front of the model ends the response as incomplete, with this as `incomplete_details.reason`.
    Halt(String),
    /// The record that `Action::Commit` asked for is on disk, or could not be written.
    Committed(Result<(), ()>),
    /// That record is too large for the store, for good. The response ends with this error in place of what it was
    /// to end with, and [`Action::Commit`] follows for a record that is short.
    Unstorable(ApiError),
}

/// What the caller has to do, after sending the frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Write [`ResponseLoop::record`](crate::ResponseLoop::record), whose status is queued, and the frames
    /// that came with it. Then tell the client that the response exists, and answer with [`Input::Begun`].
    Begin,
    /// Sample the model with [`ResponseLoop::context`](crate::ResponseLoop::context) and
    /// [`ResponseLoop::turn_settings`](crate::ResponseLoop::turn_settings). Of a background response, write
    /// [`ResponseLoop::record`](crate::ResponseLoop::record) first: a restart goes on from it.
    CallModel,
    /// Run the calls of [`ResponseLoop::tool_calls`](crate::ResponseLoop::tool_calls), several at a time if
    /// need be, and answer each with [`Input::ToolDone`]. Of a background response, write
    /// [`ResponseLoop::record`](crate::ResponseLoop::record) first, and again after each
    /// [`Input::ToolStarted`], before the tool is run, and each [`Input::ToolDone`], behind the frames that
    /// came of it.
    RunTools,
    /// Write [`ResponseLoop::record`](crate::ResponseLoop::record), then answer with [`Input::Committed`].
    /// The frames that came with it belong on disk before the record does.
    Commit,
    /// The response is over; no further input has an effect.
    End(Outcome),
}

/// How a response ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the spec's words")]
pub enum Outcome {
    Completed,
    Incomplete,
    Failed,
    Cancelled,
}

/// What came of one input, or of several: frames to send, and then one thing to do.
#[derive(Debug, Default)]
pub struct Output {
    /// Whole SSE frames, empty for a unary answer.
    pub frames: Vec<u8>,
    /// One input asks for one thing at most. Where several fill one output, the last that asked counts: what was
    /// asked for before it has no effect any more.
    pub next: Option<Action>,
}

/// What belongs on disk: of a response that is over, or of one whose next turn can begin.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The response object. Once the end is decided, the final one; before that it holds the items of the
    /// finished turns only, because a turn that broke off is no part of what comes after a restart.
    pub response_json: Cow<'a, RawValue>,
    /// The status that `response_json` says.
    pub status: ResponseStatus,
    /// Reasoning state that is not in `response_json`, by output index, as its provider's adapter made it. There may be some for an
    /// index behind the last item; it has no meaning.
    pub sealed: &'a [(usize, String)],
    /// Unix seconds.
    pub created_at: i64,
    /// What a restart needs beside the items; `None` once the end is decided.
    pub progress: Option<Progress>,
}

/// Sums over the finished turns of a response that goes on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Progress {
    /// Token counts; the response object shows them at its end only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The tier that the provider named last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// What the provider says of the response; shown at its end only.
    #[serde(default, skip_serializing_if = "ResponseMembers::is_empty")]
    pub members: ResponseMembers,
    /// How often the provider paused.
    #[serde(default)]
    pub pauses: u32,
    /// Turns of the model that are finished.
    #[serde(default, skip_serializing_if = "is_default")]
    pub turns: u32,
    /// Turns whose calls this server ran or runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rounds: u32,
    /// Calls that this server ran or runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tool_calls: u32,
    /// How often calls succeeded in a row of turns, each call by a number of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeats: Repeats,
    /// The model has no tools any more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub last_turn: bool,
    /// The calls that are run now. The turn that made them is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<ToolRound>,
}

/// What is known of a response that an earlier run of the server began and did not end.
#[derive(Debug)]
pub struct Saved<'a> {
    /// Status of its record: queued or in progress.
    pub status: ResponseStatus,
    /// Output items of its record, sealed reasoning state back in place, as in
    /// [`HistoryTurn::output`](crate::HistoryTurn::output).
    pub output: Vec<Item>,
    /// Of its record.
    pub progress: Progress,
    /// Every whole frame that was logged, from the first one, as it was in [`Output::frames`]. Ignored for a
    /// response without a stream, which has none.
    pub log: &'a [u8],
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
