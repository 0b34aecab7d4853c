//! Call ids are unique in all that the model sees, whatever its provider gives: an id pairs a call with its output, and
//! a tool tells a run from its repetition by it. And they are no longer than what a client may bring back. A call that
//! comes without one gets one here.

use std::collections::HashSet;

use or_adapters::Note;
use or_protocol::Item;

use super::ResponseLoop;
use crate::context::call_id;

/// Most characters of an id (rules 3).
const MAX: usize = 64;

impl ResponseLoop {
    /// The provider's id for a call that begins, if no other call has it and a client could bring it back; else another.
    pub(super) fn usable_call_id(&mut self, given: Option<String>) -> String {
        let Some(given) = given.filter(|id| !id.is_empty()) else { return self.made_call_id() };
        let why = if given.chars().count() > MAX {
            "the provider gave a call id of more than 64 characters"
        } else if !self.taken().insert(given.clone()) {
            "the provider gave one call id twice"
        } else {
            return given;
        };
        let id = self.made_call_id();
        self.note(Note::emulated("function_call.call_id", why));
        self.turn.renamed.insert(given, id.clone());
        id
    }

    /// Of the place in the conversation: the same if the turn is played again, and another one in every other turn.
    fn made_call_id(&mut self) -> String {
        let first = format!("call_{}_{}", self.context.len(), self.turn.calls.saturating_sub(1));
        let further = (2_u64..).map(|n| format!("{first}_{n}"));
        let mut tries = std::iter::once(first.clone()).chain(further);
        let taken = self.taken();
        tries.find(|id| taken.insert(id.clone())).unwrap_or(first)
    }

    /// An output that the provider made itself names its call by the provider's id.
    pub(super) fn follow_renamed(&self, item: &mut Item) {
        let Item::FunctionCallOutput(output) = item else { return };
        if let Some(id) = self.turn.renamed.get(&output.call_id) {
            output.call_id.clone_from(id);
        }
    }

    /// The ids of all calls so far; gathered once for the calls of a turn.
    fn taken(&mut self) -> &mut HashSet<String> {
        let Self { turn, context, assembly, .. } = self;
        let made = assembly.output.get(turn.start..).unwrap_or_default();
        turn.taken.get_or_insert_with(|| {
            context.iter().chain(made).filter_map(call_id).map(str::to_owned).collect()
        })
    }
}
