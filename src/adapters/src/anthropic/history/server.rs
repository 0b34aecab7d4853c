//! Blocks of the provider's own tools on their way back.

use std::collections::HashMap;

use or_protocol::{Envelope, OtherItem, elements, member, string};
use serde_json::value::RawValue;

use super::Builder;
use crate::anthropic::wire::KIND;
use crate::anthropic::wire::body::{Block, Message, WireRole};

impl Builder<'_, '_> {
    /// A call of a tool of the provider's. False if its blocks are not there; items of others were told before.
    pub(super) fn server_item(&mut self, item: &OtherItem) -> bool {
        let envelope = item.state().and_then(|state| Envelope::open(&state).ok());
        let Some(envelope) = envelope.filter(|envelope| envelope.kind == KIND) else { return false };
        self.server_blocks(&envelope.blob);
        true
    }

    /// Blocks go back as they came.
    pub(super) fn server_blocks(&mut self, list: &str) {
        match blocks(list) {
            _ if !self.setting.server_tools => {
                self.note("input.reasoning", "what tools did that are not declared any more was left out");
            }
            Some(blocks) => blocks.into_iter().for_each(|block| self.assistant(Block::Server(block))),
            None => self.note("input.reasoning", "damaged encrypted content was left out"),
        }
    }
}

/// The blocks of a sealed list.
fn blocks(list: &str) -> Option<Vec<Box<RawValue>>> {
    let list: &RawValue = serde_json::from_str(list).ok()?;
    let blocks = elements(list);
    blocks
        .iter()
        .all(|block| block.get().starts_with('{'))
        .then(|| blocks.into_iter().map(ToOwned::to_owned).collect())
}

/// Leaves out calls without a result and results without a call, which the provider refuses. A call of an
/// assistant message that nothing but results of the client's follows may still get its own. Gives whether something was left out.
pub(super) fn pair(messages: &mut Vec<Message<'_>>) -> bool {
    let is_result = |message: &Message<'_>| matches!(message.content.first(), Some(Block::ToolResult { .. }));
    let last = messages.iter().rposition(|message| message.role == WireRole::Assistant);
    let last = last.filter(|at| messages.iter().skip(at + 1).all(is_result));
    // Where the last result of a call stands among these blocks.
    let mut results: HashMap<String, usize> = HashMap::new();
    let blocks = messages.iter().flat_map(|message| &message.content).filter_map(server);
    for (place, raw) in blocks.enumerate() {
        results.extend(text(raw, "tool_use_id").map(|call| (call, place)));
    }
    // Calls that go back, and whether their result did.
    let mut calls: HashMap<String, bool> = HashMap::new();
    let (mut place, mut lost) = (0, false);
    for (at, message) in messages.iter_mut().enumerate() {
        message.content.retain(|block| {
            let Some(raw) = server(block) else { return true };
            let kept = match (text(raw, "tool_use_id"), text(raw, "id")) {
                (Some(call), _) => calls.get_mut(&call).is_some_and(|done| !std::mem::replace(done, true)),
                (None, Some(id)) => {
                    let answered = results.get(&id).is_some_and(|result| *result > place);
                    (answered || Some(at) == last) && calls.insert(id, false).is_none()
                }
                (None, None) => true,
            };
            place += 1;
            lost |= !kept;
            kept
        });
    }
    messages.retain(|message| !message.content.is_empty());
    lost
}

fn server<'b>(block: &'b Block<'_>) -> Option<&'b RawValue> {
    match block {
        Block::Server(raw) => Some(raw),
        _ => None,
    }
}

fn text(raw: &RawValue, key: &str) -> Option<String> {
    member(raw, key).and_then(string).map(|text| text.into_owned())
}
