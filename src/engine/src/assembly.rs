//! Puts the items of one response together and emits the events of their growth.
//!
//! Items grow in place in `output`. The last ended item is announced as done only when the next one
//! begins or the turn ends, because only then is it known whether the token budget cut it off.

use or_adapters::custom_input;
use or_protocol::{
    Annotation, ContentPart, CustomToolCall, EventBody, FunctionCall, Item, ItemId, ItemStatus, LogProb,
    Message, OtherItem, Part, Phase, ReasoningPart, ResponseId, SummaryPart,
};
use serde_json::{Map, Value};

use crate::events::EventWriter;
use crate::parts::{self, OpenPart, empty_message, empty_reasoning, set_status};

/// What an open block is.
#[derive(Debug)]
enum Slot {
    Item(OpenItem),
    /// A call the server must not let through: its events are swallowed.
    Suppressed,
}

#[derive(Debug)]
struct OpenItem {
    index: usize,
    part: Option<OpenPart>,
    /// A custom tool's call that travels as a function: arguments gather here until they are whole.
    emulated_custom: Option<String>,
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

/// A call that begins.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) call_id: String,
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) custom: bool,
    /// The tool is custom and the provider was given a function.
    pub(crate) emulated: bool,
}

/// All items of a response, and which of them are growing.
#[derive(Debug)]
pub(crate) struct Assembly {
    id: ResponseId,
    show_sealed: bool,
    pub(crate) output: Vec<Item>,
    /// Sealed state the client did not ask to see, by output index.
    pub(crate) sealed: Vec<(usize, String)>,
    open: Vec<(u32, Slot)>,
    /// Ended by the model, not yet announced.
    ended: Option<usize>,
}

impl Assembly {
    pub(crate) fn new(id: ResponseId, show_sealed: bool) -> Self {
        Self { id, show_sealed, output: Vec::new(), sealed: Vec::new(), open: Vec::new(), ended: None }
    }

    fn slot(&self, block: u32) -> Option<usize> {
        self.open.iter().position(|(b, _)| *b == block)
    }

    /// Whether events of this block are to be swallowed.
    fn suppressed(&self, block: u32) -> bool {
        self.open.iter().any(|(b, slot)| *b == block && matches!(slot, Slot::Suppressed))
    }

    pub(crate) fn suppress(&mut self, block: u32) {
        self.open.push((block, Slot::Suppressed));
    }

    /// Announces the item that ended last.
    pub(crate) fn flush(&mut self, ending: Ending, w: &mut EventWriter) {
        let Some(index) = self.ended.take() else { return };
        if let Some(item) = self.output.get_mut(index) {
            set_status(item, ending.status());
            w.emit("response.output_item.done", EventBody::Item { output_index: index, item });
        }
    }

    fn open_item(
        &mut self,
        block: u32,
        mut item: Item,
        emulated_custom: Option<String>,
        w: &mut EventWriter,
    ) -> usize {
        self.flush(Ending::Completed, w);
        let index = self.output.len();
        item.set_id(ItemId::output(item.id_prefix(), &self.id, index));
        w.emit("response.output_item.added", EventBody::Item { output_index: index, item: &item });
        self.output.push(item);
        self.open.push((block, Slot::Item(OpenItem { index, part: None, emulated_custom })));
        index
    }

    /// Output index of a block's item, opened by `make` if need be; `None` for a suppressed block.
    fn ensure(&mut self, block: u32, w: &mut EventWriter, make: fn() -> Item) -> Option<usize> {
        match self.slot(block).and_then(|at| self.open.get(at)) {
            Some((_, Slot::Item(item))) => Some(item.index),
            Some((_, Slot::Suppressed)) => None,
            None => Some(self.open_item(block, make(), None, w)),
        }
    }

    pub(crate) fn start_message(&mut self, block: u32, phase: Option<Phase>, w: &mut EventWriter) {
        if self.slot(block).is_none() {
            let Item::Message(message) = empty_message() else { return };
            self.open_item(block, Item::Message(Message { phase, ..message }), None, w);
        }
    }

    pub(crate) fn text(&mut self, block: u32, text: &str, logprobs: Vec<LogProb>, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_message) else { return };
        self.switch_part(block, OpenPart::Text, w);
        let Some(Item::Message(message)) = self.output.get_mut(index) else { return };
        let at = message.content.len().saturating_sub(1);
        let item_id = message.id.as_deref().unwrap_or_default();
        w.emit(
            "response.output_text.delta",
            EventBody::TextDelta {
                item_id,
                output_index: index,
                content_index: at,
                delta: text,
                logprobs: &logprobs,
            },
        );
        if let Some(ContentPart::OutputText { text: whole, logprobs: all, .. }) = message.content.last_mut() {
            whole.push_str(text);
            if !logprobs.is_empty() {
                all.get_or_insert_default().extend(logprobs);
            }
        }
    }

    pub(crate) fn refusal(&mut self, block: u32, text: &str, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_message) else { return };
        self.switch_part(block, OpenPart::Refusal, w);
        let Some(Item::Message(message)) = self.output.get_mut(index) else { return };
        let content_index = message.content.len().saturating_sub(1);
        let item_id = message.id.as_deref().unwrap_or_default();
        w.emit(
            "response.refusal.delta",
            EventBody::Delta { item_id, output_index: index, content_index, delta: text },
        );
        if let Some(ContentPart::Refusal { refusal }) = message.content.last_mut() {
            refusal.push_str(text);
        }
    }

    pub(crate) fn annotation(&mut self, block: u32, annotation: Annotation, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_message) else { return };
        self.switch_part(block, OpenPart::Text, w);
        let Some(Item::Message(message)) = self.output.get_mut(index) else { return };
        let content_index = message.content.len().saturating_sub(1);
        let item_id = message.id.as_deref().unwrap_or_default();
        let Some(ContentPart::OutputText { annotations, .. }) = message.content.last_mut() else { return };
        let annotation_index = annotations.len();
        w.emit(
            "response.output_text.annotation.added",
            EventBody::Annotation {
                item_id,
                output_index: index,
                content_index,
                annotation_index,
                annotation: &annotation,
            },
        );
        annotations.push(annotation);
    }

    pub(crate) fn reasoning(&mut self, block: u32, text: &str, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        self.switch_part(block, OpenPart::Trace, w);
        let Some(Item::Reasoning(item)) = self.output.get_mut(index) else { return };
        let content_index = item.content.len().saturating_sub(1);
        let item_id = item.id.as_deref().unwrap_or_default();
        w.emit(
            w.reasoning.delta(),
            EventBody::Delta { item_id, output_index: index, content_index, delta: text },
        );
        if let Some(part) = item.content.last_mut() {
            part.text.push_str(text);
        }
    }

    pub(crate) fn summary(&mut self, block: u32, text: &str, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        self.switch_part(block, OpenPart::Summary, w);
        let Some(Item::Reasoning(item)) = self.output.get_mut(index) else { return };
        let summary_index = item.summary.len().saturating_sub(1);
        let item_id = item.id.as_deref().unwrap_or_default();
        let body = EventBody::SummaryDelta { item_id, output_index: index, summary_index, delta: text };
        w.emit("response.reasoning_summary_text.delta", body);
        if let Some(part) = item.summary.last_mut() {
            part.text.push_str(text);
        }
    }

    pub(crate) fn sealed(&mut self, block: u32, encrypted_content: String, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        let Some(Item::Reasoning(item)) = self.output.get_mut(index) else { return };
        if self.show_sealed {
            item.encrypted_content = Some(encrypted_content);
        } else {
            self.sealed.retain(|(at, _)| *at != index);
            self.sealed.push((index, encrypted_content));
        }
    }

    pub(crate) fn call(&mut self, block: u32, call: NewCall, w: &mut EventWriter) {
        if self.slot(block).is_some() {
            return;
        }
        let NewCall { call_id, name, namespace, custom, emulated } = call;
        let status = Some(ItemStatus::InProgress);
        let item = if custom {
            Item::CustomToolCall(CustomToolCall { id: None, call_id, name, input: String::new(), status })
        } else {
            Item::FunctionCall(FunctionCall {
                id: None,
                call_id,
                name,
                namespace,
                arguments: String::new(),
                status,
            })
        };
        self.open_item(block, item, emulated.then(String::new), w);
    }

    pub(crate) fn arguments(&mut self, block: u32, delta: &str, w: &mut EventWriter) {
        let Some((_, Slot::Item(open))) = self.slot(block).and_then(|at| self.open.get_mut(at)) else {
            return;
        };
        if let Some(buffer) = &mut open.emulated_custom {
            buffer.push_str(delta);
            return;
        }
        let output_index = open.index;
        let (name, item_id, whole) = match self.output.get_mut(output_index) {
            Some(Item::FunctionCall(call)) => {
                ("response.function_call_arguments.delta", call.id.as_deref(), &mut call.arguments)
            }
            Some(Item::CustomToolCall(call)) => {
                ("response.custom_tool_call_input.delta", call.id.as_deref(), &mut call.input)
            }
            _ => return,
        };
        let item_id = item_id.unwrap_or_default();
        w.emit(name, EventBody::ArgumentsDelta { item_id, output_index, delta });
        whole.push_str(delta);
    }

    pub(crate) fn hosted(&mut self, block: u32, item: Map<String, Value>, done: bool, w: &mut EventWriter) {
        if self.suppressed(block) {
            return;
        }
        let Some(at) = self.slot(block) else {
            let index = self.open_item(block, Item::Other(OtherItem(item)), None, w);
            if done {
                self.open.retain(|(b, _)| *b != block);
                self.ended = Some(index);
            }
            return;
        };
        let Some((_, Slot::Item(open))) = self.open.get(at) else { return };
        let index = open.index;
        if let Some(Item::Other(stored)) = self.output.get_mut(index) {
            let id = stored.0.get("id").cloned();
            stored.0 = item;
            if let Some(id) = id {
                stored.0.insert("id".into(), id);
            }
        }
        if done {
            self.open.remove(at);
            self.end(index, w);
        }
    }

    pub(crate) fn hosted_event(&mut self, block: u32, mut event: Map<String, Value>, w: &mut EventWriter) {
        let Some((_, Slot::Item(open))) = self.slot(block).and_then(|at| self.open.get(at)) else { return };
        let Some(Value::String(name)) = event.remove("type") else { return };
        event.remove("sequence_number");
        let id = self.output.get(open.index).and_then(Item::id).unwrap_or_default();
        event.insert("item_id".into(), id.into());
        event.insert("output_index".into(), open.index.into());
        w.emit(&name, EventBody::Hosted(&event));
    }

    pub(crate) fn part_done(&mut self, block: u32, w: &mut EventWriter) {
        if let Some(at) = self.slot(block) {
            self.close_part(at, w);
        }
    }

    pub(crate) fn block_done(&mut self, block: u32, w: &mut EventWriter) {
        let Some(at) = self.slot(block) else { return };
        self.close_part(at, w);
        if let (_, Slot::Item(open)) = self.open.remove(at) {
            let index = self.finish_call(open, w);
            self.end(index, w);
        }
    }

    /// The item's content is whole. Any other item that waited to be announced is not the last one.
    fn end(&mut self, index: usize, w: &mut EventWriter) {
        self.flush(Ending::Completed, w);
        self.ended = Some(index);
    }

    /// Ends everything that is open. Only the last item can have been cut off.
    pub(crate) fn close_all(&mut self, last: Ending, w: &mut EventWriter) {
        let mut blocks: Vec<(usize, u32)> = self
            .open
            .iter()
            .filter_map(|(block, slot)| match slot {
                Slot::Item(open) => Some((open.index, *block)),
                Slot::Suppressed => None,
            })
            .collect();
        blocks.sort_unstable();
        for (_, block) in blocks {
            self.block_done(block, w);
        }
        self.open.clear();
        self.flush(last, w);
    }

    /// After a failure: what had ended is whole, what was growing is not (rules 11.9).
    pub(crate) fn abandon(&mut self, w: &mut EventWriter) {
        self.flush(Ending::Completed, w);
        let mut slots = std::mem::take(&mut self.open);
        slots.sort_by_key(|(_, slot)| match slot {
            Slot::Item(open) => open.index,
            Slot::Suppressed => usize::MAX,
        });
        self.open = slots;
        while !self.open.is_empty() {
            self.close_part(0, w);
            if let (_, Slot::Item(open)) = self.open.remove(0) {
                self.ended = Some(self.finish_call(open, w));
                self.flush(Ending::Incomplete, w);
            }
        }
    }

    /// Emits the whole payload of a call; other items have nothing left to say.
    fn finish_call(&mut self, open: OpenItem, w: &mut EventWriter) -> usize {
        let output_index = open.index;
        match self.output.get_mut(output_index) {
            Some(Item::FunctionCall(call)) => {
                // A tool without arguments may get none at all; clients parse what they get.
                if call.arguments.is_empty() {
                    call.arguments.push_str("{}");
                    let item_id = call.id.as_deref().unwrap_or_default();
                    w.emit(
                        "response.function_call_arguments.delta",
                        EventBody::ArgumentsDelta { item_id, output_index, delta: "{}" },
                    );
                }
                let item_id = call.id.as_deref().unwrap_or_default();
                let body = EventBody::ArgumentsDone {
                    item_id,
                    output_index,
                    name: &call.name,
                    arguments: &call.arguments,
                };
                w.emit("response.function_call_arguments.done", body);
            }
            Some(Item::CustomToolCall(call)) => {
                let item_id = call.id.as_deref().unwrap_or_default();
                if let Some(arguments) = &open.emulated_custom {
                    let input = custom_input(arguments);
                    let body = EventBody::ArgumentsDelta { item_id, output_index, delta: &input };
                    w.emit("response.custom_tool_call_input.delta", body);
                    call.input = input;
                }
                let body = EventBody::InputDone { item_id, output_index, input: &call.input };
                w.emit("response.custom_tool_call_input.done", body);
            }
            _ => {}
        }
        output_index
    }

    /// Makes `wanted` the growing part of the block's item.
    fn switch_part(&mut self, block: u32, wanted: OpenPart, w: &mut EventWriter) {
        let Some(at) = self.slot(block) else { return };
        match self.open.get(at) {
            Some((_, Slot::Item(open))) if open.part != Some(wanted) => {}
            _ => return,
        }
        self.close_part(at, w);
        let Some((_, Slot::Item(open))) = self.open.get_mut(at) else { return };
        open.part = Some(wanted);
        let output_index = open.index;
        match (self.output.get_mut(output_index), wanted) {
            (Some(Item::Message(message)), OpenPart::Text | OpenPart::Refusal) => {
                let content_index = message.content.len();
                let (part, shown) = parts::new_content_part(wanted);
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
            _ => self.forget_part(at),
        }
    }

    fn forget_part(&mut self, at: usize) {
        if let Some((_, Slot::Item(open))) = self.open.get_mut(at) {
            open.part = None;
        }
    }

    fn close_part(&mut self, at: usize, w: &mut EventWriter) {
        let Some((_, Slot::Item(open))) = self.open.get_mut(at) else { return };
        let Some(part) = open.part.take() else { return };
        let output_index = open.index;
        match (self.output.get(output_index), part) {
            (Some(Item::Message(message)), _) => parts::close_content(message, output_index, w),
            (Some(Item::Reasoning(item)), OpenPart::Trace) => parts::close_trace(item, output_index, w),
            (Some(Item::Reasoning(item)), _) => parts::close_summary(item, output_index, w),
            _ => {}
        }
    }
}
