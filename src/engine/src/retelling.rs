//! Tells the life of a response again of which only the end is known.

use or_protocol::{
    ContentPart, CustomToolCall, EventBody, FunctionCall, Item, ItemStatus, Message, Reasoning, ResponseId,
    StoredItem,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::ReasoningEvents;
use crate::events::EventWriter;
use crate::items::whole::opening;
use crate::items::{Assembly, Ending, OpenItem, Slot};
use crate::snapshot::opening_response;

#[derive(Deserialize)]
struct Over {
    id: String,
    status: String,
    output: Vec<StoredItem>,
}

/// The frames of a stream that ends with this response object, in the order of the specification and numbered from 0.
/// Each text and each payload is one delta: how they came at the time is not known. `None`: it is no response that is over,
/// or one that failed, of which nobody asks to hear again.
///
/// A client that asks again for what it was already answered (`idempotency-key`) gets this.
pub fn retell(response: &RawValue, reasoning: ReasoningEvents) -> Option<Vec<u8>> {
    let Over { id, status, output } = serde_json::from_str(response.get()).ok()?;
    let id = ResponseId::parse(&id)?;
    let end = match status.as_str() {
        "completed" => "response.completed",
        // There is no event for the other.
        "incomplete" | "cancelled" => "response.incomplete",
        _ => return None,
    };
    let mut w = EventWriter::new(true, reasoning);
    let opening = opening_response(response)?;
    w.response("response.created", &opening);
    w.response("response.in_progress", &opening);
    let mut items = Assembly::new(id, true, u64::MAX);
    for (block, StoredItem(item)) in (0..).zip(output) {
        items.retell(block, item, &mut w);
    }
    w.finish(end, response);
    Some(w.frames)
}

impl Assembly {
    /// Lets an item grow to what it became.
    fn retell(&mut self, block: u32, item: Item, w: &mut EventWriter) {
        let index = self.show_item(beginning(&item), w);
        self.open.insert(block, Slot::Item(OpenItem::new(index, None)));
        match &item {
            Item::Message(message) => {
                message.content.iter().for_each(|part| self.retell_part(block, part, w))
            }
            Item::Reasoning(reasoning) => {
                for part in &reasoning.summary {
                    self.summary(block, &part.text, w);
                    self.part_done(block, w);
                }
                for part in &reasoning.content {
                    self.reasoning(block, &part.text, w);
                    self.part_done(block, w);
                }
            }
            Item::FunctionCall(call) => self.arguments(block, &call.arguments, w),
            Item::CustomToolCall(call) if !call.input.is_empty() => self.arguments(block, &call.input, w),
            Item::CustomToolCall(_)
            | Item::FunctionCallOutput(_)
            | Item::CustomToolCallOutput(_)
            | Item::Mcp(_)
            | Item::Compaction(_)
            | Item::ItemReference(_)
            | Item::Other(_) => {}
        }
        if let Some(Slot::Item(open)) = self.open.remove(&block) {
            // Also of a call that was cut off: its payload is told as far as it goes.
            self.finish_call(&open, Ending::Incomplete, w);
        }
        w.emit("response.output_item.done", EventBody::Item { output_index: index, item: &item });
    }

    fn retell_part(&mut self, block: u32, part: &ContentPart, w: &mut EventWriter) {
        match part {
            ContentPart::OutputText { text, annotations, logprobs, .. } => {
                self.text(block, text, logprobs.clone().unwrap_or_default(), w);
                for annotation in annotations {
                    self.annotation(block, annotation.clone(), w);
                }
            }
            ContentPart::Refusal { refusal, .. } => self.refusal(block, refusal, w),
            // No output has others.
            _ => {}
        }
        self.part_done(block, w);
    }
}

/// The form in which an item is shown first.
fn beginning(item: &Item) -> Item {
    let status = Some(ItemStatus::InProgress);
    match item.clone() {
        Item::Message(message) => Item::Message(Message { content: Vec::new(), status, ..message }),
        Item::Reasoning(reasoning) => Item::Reasoning(Reasoning {
            summary: Vec::new(),
            content: Vec::new(),
            encrypted_content: None,
            status,
            ..reasoning
        }),
        Item::FunctionCall(call) => {
            Item::FunctionCall(FunctionCall { arguments: String::new(), status, ..call })
        }
        Item::CustomToolCall(call) => {
            Item::CustomToolCall(CustomToolCall { input: String::new(), status, ..call })
        }
        whole => opening(&whole, true),
    }
}
