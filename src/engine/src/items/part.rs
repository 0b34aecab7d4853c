//! Parts of items: how they begin, and the events of their end.

use or_protocol::{
    ContentPart, EventBody, Extra, Item, ItemStatus, McpCallStatus, McpItem, Message, Part, Reasoning, Role,
};

use crate::events::EventWriter;

/// The part of an item that is growing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpenPart {
    Text,
    Refusal,
    Summary,
    Trace,
}

pub(crate) fn empty_message() -> Item {
    Item::Message(Message {
        id: None,
        status: Some(ItemStatus::InProgress),
        role: Role::Assistant,
        content: Vec::new(),
        phase: None,
        extra: Extra::NONE,
    })
}

pub(crate) fn empty_reasoning() -> Item {
    Item::Reasoning(Reasoning { status: Some(ItemStatus::InProgress), ..Reasoning::default() })
}

pub(crate) fn set_status(item: &mut Item, status: ItemStatus) {
    match item {
        Item::Message(i) => i.status = Some(status),
        Item::FunctionCall(i) => i.status = Some(status),
        Item::CustomToolCall(i) => i.status = Some(status),
        Item::FunctionCallOutput(i) | Item::CustomToolCallOutput(i) => i.status = Some(status),
        Item::Reasoning(i) => i.status = Some(status),
        // A hosted item says its own state, unless its provider forgot to say how it ended.
        Item::Mcp(McpItem::Call(call)) => {
            if matches!(call.status, Some(McpCallStatus::InProgress | McpCallStatus::Calling)) {
                let cut = status == ItemStatus::Incomplete;
                call.status = Some(if cut { McpCallStatus::Incomplete } else { McpCallStatus::Completed });
            }
        }
        Item::Other(i) => {
            if i.status().is_some_and(|word| GROWING.contains(&&*word)) {
                i.show_status(if status == ItemStatus::Incomplete { "incomplete" } else { "completed" });
            }
        }
        Item::Mcp(_) | Item::Compaction(_) | Item::ItemReference(_) => {}
    }
}

/// States of hosted items that are not an end.
const GROWING: &[&str] = &["in_progress", "searching", "interpreting", "generating", "calling"];

/// A new text or refusal part, and the empty form that its `added` event shows.
pub(crate) fn new_content_part(kind: OpenPart) -> (ContentPart, Part<'static>) {
    match kind {
        OpenPart::Refusal => (
            ContentPart::Refusal { refusal: String::new(), extra: Extra::NONE },
            Part::Refusal { refusal: "" },
        ),
        OpenPart::Text | OpenPart::Summary | OpenPart::Trace => (
            ContentPart::OutputText {
                text: String::new(),
                annotations: Vec::new(),
                logprobs: Some(Vec::new()),
                extra: Extra::NONE,
            },
            Part::OutputText { text: "", annotations: &[], logprobs: &[] },
        ),
    }
}

/// Ends the last part of a message. `told`: its whole text was told already.
pub(crate) fn close_content(message: &Message, output_index: usize, told: bool, w: &mut EventWriter) {
    let item_id = message.id.as_deref().unwrap_or_default();
    let content_index = message.content.len().saturating_sub(1);
    let part = match message.content.last() {
        Some(ContentPart::OutputText { text, annotations, logprobs, .. }) => {
            let logprobs = logprobs.as_deref().unwrap_or_default();
            if !told {
                let body = EventBody::TextDone { item_id, output_index, content_index, text, logprobs };
                w.emit("response.output_text.done", body);
            }
            Part::OutputText { text, annotations, logprobs }
        }
        Some(ContentPart::Refusal { refusal, .. }) => {
            if !told {
                let body = EventBody::RefusalDone { item_id, output_index, content_index, refusal };
                w.emit("response.refusal.done", body);
            }
            Part::Refusal { refusal }
        }
        _ => return,
    };
    w.emit(
        "response.content_part.done",
        EventBody::ContentPart { item_id, output_index, content_index, part },
    );
}

/// Ends the last part of a raw trace. `told`: as above.
pub(crate) fn close_trace(item: &Reasoning, output_index: usize, told: bool, w: &mut EventWriter) {
    let Some(part) = item.content.last() else { return };
    let item_id = item.id.as_deref().unwrap_or_default();
    let content_index = item.content.len().saturating_sub(1);
    let text = part.text.as_str();
    if !told {
        w.emit(w.reasoning.done(), EventBody::ReasoningDone { item_id, output_index, content_index, text });
    }
    let part = Part::ReasoningText { text };
    w.emit(
        "response.content_part.done",
        EventBody::ContentPart { item_id, output_index, content_index, part },
    );
}

/// Ends the last part of a summary. `told`: as above.
pub(crate) fn close_summary(item: &Reasoning, output_index: usize, told: bool, w: &mut EventWriter) {
    let Some(part) = item.summary.last() else { return };
    let item_id = item.id.as_deref().unwrap_or_default();
    let summary_index = item.summary.len().saturating_sub(1);
    let text = part.text.as_str();
    if !told {
        let body = EventBody::SummaryDone { item_id, output_index, summary_index, text };
        w.emit("response.reasoning_summary_text.done", body);
    }
    let part = Part::SummaryText { text };
    let body = EventBody::SummaryPart { item_id, output_index, summary_index, part };
    w.emit("response.reasoning_summary_part.done", body);
}
