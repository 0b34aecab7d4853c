//! Items that come whole: those of the provider's hosted tools, and results of calls that it or we ran.

use or_protocol::{EventBody, FunctionCallOutput, Item, ItemStatus, McpCallStatus, McpItem, Output};
use serde_json::{Map, Value};

use crate::events::EventWriter;
use crate::items::part::set_status;
use crate::items::{Assembly, Ending};

/// The names in the middle of our own events: `response.<name>.…`.
const OURS: &[&str] = &[
    "output_item",
    "content_part",
    "output_text",
    "refusal",
    "reasoning",
    "reasoning_text",
    "reasoning_summary_part",
    "reasoning_summary_text",
    "function_call_arguments",
    "custom_tool_call_input",
];

/// Whether a provider's event can stand in our stream: no name of ours, nothing that breaks the frame.
pub(crate) fn is_foreign(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
    let tool = name.strip_prefix("response.").and_then(|rest| rest.split_once('.')).map(|(tool, _)| tool);
    plain && (name.contains(':') || tool.is_some_and(|tool| !OURS.contains(&tool)))
}

impl Assembly {
    pub(crate) fn hosted(&mut self, block: u32, item: Item, done: bool, w: &mut EventWriter) {
        if !self.knows(block) {
            self.open_item(block, opening(&item, done), None, w);
        }
        let Some(index) = self.open_item_of(block).map(|open| open.index) else { return };
        let Some(stored) = self.output.get_mut(index) else { return };
        if !is_whole(stored) {
            return;
        }
        if stored.kind() == item.kind() {
            let id = stored.id().map(str::to_owned);
            *stored = item;
            if let Some(id) = id {
                stored.set_id(id);
            }
        }
        if done {
            self.open.remove(&block);
            self.end(index, w);
        }
    }

    /// The output of the call at `index`, which the server ran. An item that a log left open is its own.
    pub(crate) fn tool_output(&mut self, index: usize, result: Output, status: Ending, w: &mut EventWriter) {
        let Some(Item::FunctionCall(call)) = self.output.get(index) else { return };
        let call_id = call.call_id.clone();
        // Who made the call gets its result.
        let extra = call.extra.retain(|name| name == "caller");
        if self.open.is_empty() {
            let output = Output::Text(String::new());
            let status = Some(ItemStatus::InProgress);
            let item = FunctionCallOutput { id: None, call_id, output, status, extra };
            self.open_item(0, Item::FunctionCallOutput(item), None, w);
        }
        self.open.clear();
        let Some(at) = self.output.len().checked_sub(1) else { return };
        if let Some(Item::FunctionCallOutput(item)) = self.output.get_mut(at) {
            item.output = result;
        }
        self.announce(at, status, w);
    }

    pub(crate) fn hosted_event(&mut self, block: u32, mut event: Map<String, Value>, w: &mut EventWriter) {
        let Some(open) = self.open_item_of(block) else { return };
        // Standard items have standard events only.
        let Some(item @ (Item::Mcp(_) | Item::Other(_))) = self.output.get(open.index) else { return };
        let Some(Value::String(name)) = event.remove("type") else { return };
        if !is_foreign(&name) {
            return;
        }
        event.remove("sequence_number");
        event.insert("item_id".into(), item.id().unwrap_or_default().into());
        event.insert("output_index".into(), open.index.into());
        w.emit_hosted(&name, EventBody::Hosted(&event));
    }
}

fn is_whole(item: &Item) -> bool {
    match item {
        Item::Mcp(_)
        | Item::Other(_)
        | Item::FunctionCallOutput(_)
        | Item::CustomToolCallOutput(_)
        | Item::Compaction(_) => true,
        Item::Message(_)
        | Item::FunctionCall(_)
        | Item::CustomToolCall(_)
        | Item::Reasoning(_)
        | Item::ItemReference(_) => false,
    }
}

/// The form that the `added` event shows: in progress, and without the result (rules 12.4).
pub(crate) fn opening(item: &Item, done: bool) -> Item {
    let mut item = item.clone();
    match &mut item {
        Item::FunctionCallOutput(output) => {
            output.output = Output::Text(String::new());
            set_status(&mut item, ItemStatus::InProgress);
        }
        Item::Mcp(McpItem::Call(call)) if done && call.status.is_some() => {
            call.status = Some(McpCallStatus::InProgress);
        }
        Item::Other(other) if done => other.show_status("in_progress"),
        _ => {}
    }
    item
}
