//! Puts the items of one response together and emits the events of their growth.
//!
//! Items grow in place in `output`. The last ended item is announced as done only when the next one
//! begins or the turn ends, because only then is it known whether the token budget cut it off.

pub(crate) mod call;
pub(crate) mod mcp;
mod part;
pub(crate) mod replay;
pub(crate) mod room;
pub(crate) mod takeover;
mod text;
pub(crate) mod whole;

use std::collections::BTreeMap;

use or_protocol::{
    EventBody, Item, ItemId, ItemStatus, McpCallStatus, McpItem, Part, ReasoningPart, ResponseId, SummaryPart,
};

use crate::events::EventWriter;
use crate::mcp::Callee;
use part::{OpenPart, set_status};
use room::Room;

/// What a client reads of a call that the response ended before.
const NOT_RUN: &str = "The response ended before this call was run.";

/// What an open block is.
#[derive(Debug)]
pub(crate) enum Slot {
    Item(OpenItem),
    /// A call that needs approval: shown when it is whole.
    Held(Box<HeldCall>),
    /// A call the server must not let through: its events are swallowed.
    Suppressed,
}

#[derive(Debug)]
pub(crate) struct OpenItem {
    pub(crate) index: usize,
    pub(crate) part: Option<OpenPart>,
    /// A custom tool's call that travels as a function: arguments gather here until they are whole.
    pub(crate) emulated_custom: Option<String>,
    /// The whole text of `part`, or the whole payload of the call, was told. Only a log can end there.
    pub(crate) told: bool,
    /// Its summary is made of the raw trace.
    pub(crate) traced: bool,
}

impl OpenItem {
    pub(crate) fn new(index: usize, emulated_custom: Option<String>) -> Self {
        Self { index, part: None, emulated_custom, told: false, traced: false }
    }

    /// The part that grows, which is to be closed.
    fn take_part(&mut self) -> Option<GrownPart> {
        let part = self.part.take()?;
        Some(GrownPart { output_index: self.index, part, told: std::mem::take(&mut self.told) })
    }
}

/// A part that has all it will have.
struct GrownPart {
    output_index: usize,
    part: OpenPart,
    told: bool,
}

/// A call that needs approval. It is shown whole, because its id is signed over all of it.
#[derive(Debug)]
pub(crate) struct HeldCall {
    callee: Callee,
    identity: String,
    arguments: String,
}

/// How an item ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    Completed,
    Incomplete,
}

impl Ending {
    fn status(self) -> ItemStatus {
        match self {
            Self::Completed => ItemStatus::Completed,
            Self::Incomplete => ItemStatus::Incomplete,
        }
    }
}

/// All items of a response, and which of them are growing.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) id: ResponseId,
    pub(crate) show_sealed: bool,
    /// The client asked for a summary: where the provider gives only a raw trace, the trace is the summary.
    pub(crate) wants_summary: bool,
    pub(crate) output: Vec<Item>,
    /// Sealed state the client did not ask to see, by output index, in order.
    pub(crate) sealed: Vec<(usize, String)>,
    /// By block: a provider may have thousands of them open at once.
    pub(crate) open: BTreeMap<u32, Slot>,
    /// Ended by the model, not yet announced.
    ended: Option<usize>,
    /// Calls of MCP servers whose result is missing, in order. Their items stay open.
    pub(crate) waiting: Vec<usize>,
    /// What ids of requests for approval are signed with.
    pub(crate) approval_key: [u8; 32],
    /// For more output.
    pub(crate) room: Room,
}

impl Assembly {
    pub(crate) fn new(id: ResponseId, show_sealed: bool, max_bytes: u64) -> Self {
        Self {
            id,
            show_sealed,
            wants_summary: false,
            output: Vec::new(),
            sealed: Vec::new(),
            open: BTreeMap::new(),
            ended: None,
            waiting: Vec::new(),
            approval_key: [0; 32],
            room: Room::new(max_bytes),
        }
    }

    /// The item that grows in a block.
    pub(crate) fn open_item_of(&self, block: u32) -> Option<&OpenItem> {
        match self.open.get(&block)? {
            Slot::Item(open) => Some(open),
            Slot::Held(_) | Slot::Suppressed => None,
        }
    }

    pub(crate) fn open_mut(&mut self, block: u32) -> Option<&mut OpenItem> {
        match self.open.get_mut(&block)? {
            Slot::Item(open) => Some(open),
            Slot::Held(_) | Slot::Suppressed => None,
        }
    }

    /// Whether the block is open, or its events are to be swallowed.
    pub(crate) fn knows(&self, block: u32) -> bool {
        self.open.contains_key(&block)
    }

    pub(crate) fn suppress(&mut self, block: u32) {
        self.open.entry(block).or_insert(Slot::Suppressed);
    }

    /// Announces the item that ended last. It can have been cut off only if no other item is behind it
    /// (rules 4.3).
    fn flush(&mut self, ending: Ending, w: &mut EventWriter) {
        let Some(index) = self.ended.take() else { return };
        let last = index + 1 == self.output.len();
        self.announce(index, if last { ending } else { Ending::Completed }, w);
    }

    pub(crate) fn announce(&mut self, index: usize, ending: Ending, w: &mut EventWriter) {
        if let Some(item) = self.output.get_mut(index) {
            set_status(item, ending.status());
            w.emit("response.output_item.done", EventBody::Item { output_index: index, item });
        }
    }

    pub(crate) fn open_item(
        &mut self,
        block: u32,
        mut item: Item,
        emulated_custom: Option<String>,
        w: &mut EventWriter,
    ) -> usize {
        item.set_id(ItemId::output(item.id_prefix(), &self.id, self.output.len()));
        let index = self.show_item(item, w);
        self.open.insert(block, Slot::Item(OpenItem::new(index, emulated_custom)));
        index
    }

    /// Adds an item that has its id.
    pub(crate) fn show_item(&mut self, item: Item, w: &mut EventWriter) -> usize {
        self.flush(Ending::Completed, w);
        self.room.take(room::ITEM);
        let index = self.output.len();
        w.emit("response.output_item.added", EventBody::Item { output_index: index, item: &item });
        self.output.push(item);
        index
    }

    /// Output index of a block's item, opened by `make` if need be; `None` for a suppressed block.
    pub(crate) fn ensure(&mut self, block: u32, w: &mut EventWriter, make: fn() -> Item) -> Option<usize> {
        match self.open.get(&block) {
            Some(Slot::Item(item)) => Some(item.index),
            Some(Slot::Suppressed | Slot::Held(_)) => None,
            None => Some(self.open_item(block, make(), None, w)),
        }
    }

    pub(crate) fn part_done(&mut self, block: u32, w: &mut EventWriter) {
        if let Some(open) = self.open_mut(block) {
            let part = open.take_part();
            self.close_part(part, w);
        }
    }

    pub(crate) fn block_done(&mut self, block: u32, w: &mut EventWriter) {
        if let Some(slot) = self.open.remove(&block)
            && let Some(index) = self.close(slot, Ending::Completed, w)
        {
            self.end(index, w);
        }
    }

    /// Ends what a slot holds; the place of its item, if that ends with it.
    ///
    /// From the inside out, as clients count on it: the part, then the whole payload of a call, and the item itself
    /// only by the caller, who knows whether it is the last one. A call that waits for its result is not ended.
    fn close(&mut self, slot: Slot, ending: Ending, w: &mut EventWriter) -> Option<usize> {
        match slot {
            Slot::Item(mut open) => {
                self.close_part(open.take_part(), w);
                self.finish_call(&open, ending, w);
                let runs = ending == Ending::Completed
                    && matches!(self.output.get(open.index), Some(Item::Mcp(McpItem::Call(call)))
                        if call.status == Some(McpCallStatus::InProgress));
                if runs {
                    let at = self.waiting.partition_point(|waiting| *waiting < open.index);
                    self.waiting.insert(at, open.index);
                    return None;
                }
                Some(open.index)
            }
            Slot::Held(held) => (ending == Ending::Completed).then(|| self.release(*held, w)),
            Slot::Suppressed => None,
        }
    }

    /// The item's content is whole. Any other item that waited to be announced is not the last one.
    pub(crate) fn end(&mut self, index: usize, w: &mut EventWriter) {
        self.flush(Ending::Completed, w);
        self.ended = Some(index);
    }

    /// Ends everything that is open. Only the last item can have been cut off.
    pub(crate) fn close_all(&mut self, last: Ending, w: &mut EventWriter) {
        let mut open = self.take_open().into_iter().peekable();
        while let Some(slot) = open.next() {
            let ending = if open.peek().is_none() { last } else { Ending::Completed };
            if let Some(index) = self.close(slot, ending, w) {
                self.end(index, w);
            }
        }
        // After everything open is closed: only now is it known which item is the last.
        self.flush(last, w);
        if last == Ending::Incomplete {
            self.give_up_waiting(NOT_RUN, w);
        }
    }

    /// After a failure: what had ended is whole, what was growing is not (rules 11.9).
    pub(crate) fn abandon(&mut self, w: &mut EventWriter) {
        self.flush(Ending::Completed, w);
        for slot in self.take_open() {
            if let Some(index) = self.close(slot, Ending::Incomplete, w) {
                self.announce(index, Ending::Incomplete, w);
            }
        }
        self.give_up_waiting(NOT_RUN, w);
    }

    /// Takes out what is open, in the order of the output, and forgets what is suppressed.
    fn take_open(&mut self) -> Vec<Slot> {
        let mut open: Vec<Slot> = std::mem::take(&mut self.open).into_values().collect();
        open.retain(|slot| !matches!(slot, Slot::Suppressed));
        open.sort_by_key(|slot| match slot {
            Slot::Item(open) => open.index,
            Slot::Held(_) | Slot::Suppressed => usize::MAX,
        });
        open
    }

    /// Makes `wanted` the growing part of the block's item.
    pub(crate) fn switch_part(&mut self, block: u32, wanted: OpenPart, w: &mut EventWriter) {
        let Some(open) = self.open_mut(block).filter(|open| open.part != Some(wanted)) else { return };
        let before = open.take_part();
        open.part = Some(wanted);
        let output_index = open.index;
        self.close_part(before, w);
        self.room.take(room::PART);
        match (self.output.get_mut(output_index), wanted) {
            (Some(Item::Message(message)), OpenPart::Text | OpenPart::Refusal) => {
                let content_index = message.content.len();
                let (part, shown) = part::new_content_part(wanted);
                message.content.push(part);
                let item_id = message.id.as_deref().unwrap_or_default();
                let body = EventBody::ContentPart { item_id, output_index, content_index, part: shown };
                w.emit("response.content_part.added", body);
            }
            (Some(Item::Reasoning(item)), OpenPart::Trace) => {
                let content_index = item.content.len();
                item.content.push(ReasoningPart { text: String::new() });
                let item_id = item.id.as_deref().unwrap_or_default();
                let part = Part::ReasoningText { text: "" };
                let body = EventBody::ContentPart { item_id, output_index, content_index, part };
                w.emit("response.content_part.added", body);
            }
            (Some(Item::Reasoning(item)), OpenPart::Summary) => {
                let summary_index = item.summary.len();
                item.summary.push(SummaryPart { text: String::new() });
                let item_id = item.id.as_deref().unwrap_or_default();
                let part = Part::SummaryText { text: "" };
                let body = EventBody::SummaryPart { item_id, output_index, summary_index, part };
                w.emit("response.reasoning_summary_part.added", body);
            }
            // An adapter mixed up its blocks; nothing was opened, so nothing will be closed.
            _ => self.forget_part(block),
        }
    }

    fn forget_part(&mut self, block: u32) {
        if let Some(open) = self.open_mut(block) {
            open.part = None;
        }
    }

    fn close_part(&mut self, part: Option<GrownPart>, w: &mut EventWriter) {
        let Some(GrownPart { output_index, part, told }) = part else { return };
        match (self.output.get(output_index), part) {
            (Some(Item::Message(message)), _) => part::close_content(message, output_index, told, w),
            (Some(Item::Reasoning(item)), OpenPart::Trace) => part::close_trace(item, output_index, told, w),
            (Some(Item::Reasoning(item)), _) => part::close_summary(item, output_index, told, w),
            _ => {}
        }
    }
}
