//! Output items that are still growing.

use super::partial_args::PartialArgs;
use crate::gemini::seal::{ServerPart, Span, State};
use crate::shared::hosted::HostedCall;

/// What the next part may add to.
#[derive(Debug)]
pub(super) enum Open {
    Nothing,
    Text(OpenText),
    Reasoning(OpenReasoning),
    Call(Box<OpenCall>),
    Hosted(Box<OpenHosted>),
}

#[derive(Debug)]
pub(super) struct OpenText {
    pub(super) block: u32,
    /// Where the message begins in the whole answer.
    pub(super) start: usize,
    /// Signed parts that came after the message was opened.
    pub(super) prev: Vec<Span>,
}

#[derive(Debug)]
pub(super) struct OpenReasoning {
    pub(super) block: u32,
    pub(super) state: State,
}

impl OpenReasoning {
    pub(super) fn new(block: u32) -> Self {
        Self { block, state: State::default() }
    }
}

#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) block: u32,
    pub(super) call_id: String,
    /// Arguments that came whole.
    pub(super) whole: Option<String>,
    /// Arguments that come in pieces.
    pub(super) pieces: PartialArgs,
    /// A signature that came on a later piece.
    pub(super) late_sig: Option<String>,
}

/// A call of a tool of the provider's, or several that came together.
#[derive(Debug)]
pub(super) struct OpenHosted {
    pub(super) call: HostedCall,
    pub(super) parts: Vec<ServerPart>,
    /// Calls without a result yet.
    pub(super) waiting: usize,
}
