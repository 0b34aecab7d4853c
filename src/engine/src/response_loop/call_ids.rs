//! Call ids are unique in all that the model sees, whatever its provider gives: an id pairs a call with its output, and
//! a tool tells a run from its repetition by it. And they are no longer than what a client may bring back.

use or_adapters::Note;
use or_protocol::Item;

use super::ResponseLoop;
use crate::context::call_id;

/// Most characters of an id (rules 3).
const MAX: usize = 64;
/// Longest beginning of an id that is kept for a new one.
const STEM: usize = 56;

impl ResponseLoop {
    /// The provider's id for a call that begins, or another if a call has it already or no client could bring it back.
    pub(super) fn usable_call_id(&mut self, given: String) -> String {
        let why = if given.chars().count() > MAX {
            "the provider gave a call id of more than 64 characters"
        } else if self.has_call(&given) {
            "the provider gave one call id twice"
        } else {
            return given;
        };
        let stem: String = given.chars().take(STEM).collect();
        let free = (2_u32..).map(|n| format!("{stem}_{n}")).find(|id| !self.has_call(id));
        let Some(id) = free else { return given };
        self.note(Note::emulated("function_call.call_id", why));
        self.turn.renamed.push((given, id.clone()));
        id
    }

    /// An output that the provider made itself names its call by the provider's id.
    pub(super) fn follow_renamed(&self, item: &mut Item) {
        let Item::FunctionCallOutput(output) = item else { return };
        if let Some((_, id)) = self.turn.renamed.iter().rev().find(|(given, _)| *given == output.call_id) {
            output.call_id.clone_from(id);
        }
    }

    fn has_call(&self, id: &str) -> bool {
        let made = self.assembly.output.get(self.turn.start..).unwrap_or_default();
        self.context.iter().chain(made).any(|item| call_id(item) == Some(id))
    }
}
