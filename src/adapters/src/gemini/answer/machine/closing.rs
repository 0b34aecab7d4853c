//! How items end, with the state that goes behind them.

use super::super::open::{Open, OpenCall, OpenReasoning, OpenText};
use super::Machine;
use crate::ModelEvent;
use crate::gemini::seal::{CallState, State};
use crate::shared::hosted::Ended;

impl Machine {
    /// Ends what is open; `complete` is false if it was cut off.
    pub(super) fn close(&mut self, complete: bool, out: &mut Vec<ModelEvent>) {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Text(open) => self.close_text(open, complete, out),
            Open::Reasoning(open) => self.close_reasoning(open, complete, out),
            Open::Call(open) => self.close_call(*open, complete, out),
            Open::Hosted(open) => {
                // It came without its result.
                let status = if complete { "failed" } else { "incomplete" };
                open.call.close(Ended { status, ..Ended::default() }, out);
            }
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
