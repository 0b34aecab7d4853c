//! What goes into the loop and what comes out of it.

use or_adapters::ModelEvent;
use or_protocol::{ApiError, Item, ResponseId, ResponseStatus, Settings};

use crate::ReasoningEvents;

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
    /// Echoed.
    pub background: bool,
    /// Whether frames are wanted.
    pub stream: bool,
    /// The request's settings.
    pub settings: Settings,
    /// Whole context; see [`crate::build_context`].
    pub context: Vec<Item>,
    /// Names of the raw-reasoning events.
    pub reasoning_events: ReasoningEvents,
}

/// What happened to the loop.
#[derive(Debug)]
pub enum Input {
    /// Begin.
    Start,
    /// The model did something.
    Model(ModelEvent),
    /// The turn, or the server, failed.
    Failed(ApiError),
    /// The client left, or somebody cancelled.
    Cancel,
    /// The record that `Action::Commit` asked for is on disk, or could not be written.
    Committed(Result<(), ()>),
}

/// What the caller has to do, after sending the frames, in this order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Sample the model with [`ResponseLoop::context`](crate::ResponseLoop::context).
    CallModel,
    /// Write [`ResponseLoop::record`](crate::ResponseLoop::record), then answer with [`Input::Committed`].
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

/// What came of one input: frames to send, then actions.
#[derive(Debug, Default)]
pub struct Output {
    /// Whole SSE frames, empty for a unary answer.
    pub frames: Vec<u8>,
    /// In order.
    pub actions: Vec<Action>,
}

/// What belongs on disk at the end of a response.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The response object as the client gets it.
    pub response_json: &'a [u8],
    /// How it ended.
    pub status: ResponseStatus,
    /// Sealed reasoning state that is not in `response_json`, by output index.
    pub sealed: &'a [(usize, String)],
    /// Unix seconds.
    pub created_at: i64,
}
