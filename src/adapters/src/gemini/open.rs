//! Output items that are still growing, and how they end.

use super::partial_args::PartialArgs;
use super::state::{CallState, Span, State};
use super::turn::Turn;
use crate::ModelEvent;

/// What the next part may add to.
#[derive(Debug)]
pub(super) enum Open {
    Nothing,
    Text(OpenText),
    Reasoning(OpenReasoning),
    Call(Box<OpenCall>),
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

impl Turn {
    /// Ends what is open; `complete` is false if it was cut off.
    pub(super) fn close(&mut self, complete: bool, out: &mut Vec<ModelEvent>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text(open) => self.close_text(open, complete, out),
            Open::Reasoning(open) => self.close_reasoning(open, complete, out),
            Open::Call(open) => self.close_call(*open, complete, out),
        }
    }

    fn close_text(&mut self, open: OpenText, complete: bool, out: &mut Vec<ModelEvent>) {
        let OpenText { block, start, prev } = open;
        for annotation in self.citations.take(&self.answer, start) {
            out.push(ModelEvent::Annotation { block, annotation });
        }
        out.push(ModelEvent::BlockDone { block, complete });
        self.behind(State { prev, ..State::default() }, complete, out);
    }

    fn close_reasoning(&mut self, open: OpenReasoning, complete: bool, out: &mut Vec<ModelEvent>) {
        let OpenReasoning { block, state } = open;
        // Sealed even if empty: the envelope says whose thinking it is.
        let encrypted_content = state.seal(&self.model);
        out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
        out.push(ModelEvent::BlockDone { block, complete });
    }

    fn close_call(&mut self, open: OpenCall, complete: bool, out: &mut Vec<ModelEvent>) {
        let OpenCall { block, call_id, whole, pieces, late_sig } = open;
        let delta = whole.unwrap_or_else(|| pieces.finish());
        out.push(ModelEvent::ToolArgsDelta { block, delta });
        out.push(ModelEvent::BlockDone { block, complete });
        let calls = late_sig.map(|sig| CallState { call: call_id, id: None, sig: Some(sig) });
        self.behind(State { calls: calls.into_iter().collect(), ..State::default() }, complete, out);
    }

    /// Puts state into an item of its own behind the item it belongs to.
    fn behind(&mut self, state: State, complete: bool, out: &mut Vec<ModelEvent>) {
        if state == State::default() {
            return;
        }
        if !complete {
            // An item that was cut off is the last one of its response.
            self.note(out, "output.reasoning", "signatures of a part that was cut off are not kept");
            return;
        }
        let block = self.block();
        self.close_reasoning(OpenReasoning { block, state }, true, out);
    }
}
