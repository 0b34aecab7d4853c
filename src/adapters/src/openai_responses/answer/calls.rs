//! How calls begin, grow and end.

use super::blocks::{Block, BlockKind, Place};
use super::machine::Machine;
use crate::openai_responses::wire::{KIND, OutputItem};
use crate::{AdapterError, CallKind, ModelEvent, Note};

impl Machine {
    /// The event that opens a call. What is missing of it may come with the item in its final form.
    pub(super) fn start_call(
        &mut self,
        at: u32,
        kind: CallKind,
        item: &OutputItem<'_>,
        last_chance: bool,
        out: &mut Vec<ModelEvent>,
    ) {
        let name = item.name.as_str();
        let call_id = item.call_id.clone().some();
        // What is still missing comes with the done event.
        if name.is_empty() || (call_id.is_none() && !last_chance) {
            if last_chance {
                out.push(ModelEvent::Note(Note::dropped("output", "a call without a name")));
            }
            return;
        }
        let (name, namespace) = (name.to_owned(), item.namespace.clone().some());
        out.push(ModelEvent::ToolCallStart {
            block: at,
            call_id,
            name,
            namespace,
            kind,
            extra: item.extra(),
        });
        if let Some(block) = self.blocks.get_mut(at) {
            block.opened = true;
            tell(at, block, out);
        }
    }

    /// The end of the answer, for the calls whose end nothing told. `whole`: the answer was not cut off.
    pub(super) fn end_open_calls(
        &mut self,
        whole: bool,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        for at in self.blocks.open() {
            let Some(block) = self.blocks.get_mut(at) else { continue };
            let BlockKind::Call(call) = block.kind else { continue };
            if !block.opened {
                if !block.payload.are_empty() {
                    let why = "arguments of a call that has no name";
                    out.push(ModelEvent::Note(Note::dropped("output", why)));
                }
                continue;
            }
            if block.payload.are_empty()
                && let Some(first) = block.first_payload.take()
            {
                block.payload.push_whole(&first, call == CallKind::Custom);
            }
            // Nothing said that the call is whole, so its arguments have to show it.
            if whole && call == CallKind::Function && !block.payload.are_whole() {
                return Err(AdapterError::Truncated { provider: KIND });
            }
            self.end_call(at, call, whole, out);
        }
        if self.blocks.any_leftovers() {
            let why = "the provider sent more arguments after a call was whole";
            out.push(ModelEvent::Note(Note::dropped("output.arguments", why)));
        }
        Ok(())
    }

    /// More of a call's payload. It waits until the call has begun.
    pub(super) fn payload(
        &mut self,
        place: Place<'_>,
        call: CallKind,
        delta: &str,
        out: &mut Vec<ModelEvent>,
    ) {
        let kind = BlockKind::Call(call);
        let at = match self.blocks.find(place, kind) {
            Some(at) => at,
            None if delta.is_empty() => return,
            None => self.blocks.begin(place, kind),
        };
        let Some(block) = self.blocks.get_mut(at) else { return };
        match call {
            CallKind::Function => block.payload.push(delta),
            CallKind::Custom => block.payload.push_free(delta),
        }
        tell(at, block, out);
    }

    /// The whole payload of a call, found by its place.
    pub(super) fn payload_done(
        &mut self,
        place: Place<'_>,
        call: CallKind,
        whole: &str,
        out: &mut Vec<ModelEvent>,
    ) {
        let kind = BlockKind::Call(call);
        let ended = |machine: &Self| {
            let at = machine.blocks.ended_at(place, kind);
            at.and_then(|at| machine.blocks.get(at)).is_some_and(|block| block.payload.are(whole))
        };
        match self.blocks.find(place, kind) {
            Some(at) => self.whole_payload(at, call, whole, out),
            None if whole.is_empty() || ended(self) => {}
            None => {
                let at = self.blocks.begin(place, kind);
                self.whole_payload(at, call, whole, out);
            }
        }
    }

    /// The whole payload of a call: puts out what its deltas left out.
    pub(super) fn whole_payload(&mut self, at: u32, call: CallKind, whole: &str, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.blocks.get_mut(at) else { return };
        if !block.payload.push_whole(whole, call == CallKind::Custom) {
            let why = "the provider's whole arguments differ from its deltas; the deltas were kept";
            out.push(ModelEvent::Note(Note::dropped("output.arguments", why)));
        }
        tell(at, block, out);
    }

    /// No more of a call will come.
    pub(super) fn end_call(&mut self, at: u32, call: CallKind, complete: bool, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.blocks.get_mut(at).filter(|block| !block.done) else { return };
        if call == CallKind::Function {
            // A call without arguments is still a call with a JSON object.
            if complete && block.payload.are_empty() {
                block.payload.push("{}");
            }
            self.cut_call |= !complete && block.payload.are_cut();
        }
        block.payload.settle();
        tell(at, block, out);
    }
}

/// Puts out what came of a call's payload, once the call has begun.
fn tell(at: u32, block: &mut Block, out: &mut Vec<ModelEvent>) {
    if block.opened
        && !block.done
        && let Some(delta) = block.payload.fresh()
    {
        out.push(ModelEvent::ToolArgsDelta { block: at, delta });
    }
}
