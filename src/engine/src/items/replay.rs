//! Puts items together from the events of their growth: what `text` and `call` emitted, read back.

use or_protocol::{
    Annotation, ContentPart, Item, LogProb, McpCallStatus, McpItem, ReasoningPart, StoredItem, SummaryPart,
};
use serde::Deserialize;

use crate::items::part::{OpenPart, new_content_part};
use crate::items::{Assembly, OpenItem, Slot};

/// The members that item events have beside type and number.
#[derive(Deserialize)]
pub(crate) struct ItemEvent {
    output_index: usize,
    item: Option<StoredItem>,
    part: Option<LoggedPart>,
    content_index: Option<usize>,
    summary_index: Option<usize>,
    delta: Option<String>,
    #[serde(alias = "refusal", alias = "arguments", alias = "input")]
    text: Option<String>,
    #[serde(default)]
    logprobs: Vec<LogProb>,
    annotation: Option<Annotation>,
}

#[derive(Deserialize)]
struct LoggedPart {
    r#type: String,
}

impl Assembly {
    /// Takes one event in without emitting it; `None` if it does not fit what came before.
    pub(crate) fn replay(&mut self, name: &str, event: ItemEvent) -> Option<()> {
        match name.strip_prefix("response.")? {
            "output_item.added" => self.replay_added(event),
            "output_item.done" => self.replay_done(event),
            "content_part.added" | "reasoning_summary_part.added" => self.replay_part(&event),
            "content_part.done" | "reasoning_summary_part.done" => {
                let (open, _) = self.growing(event.output_index)?;
                open.told = false;
                open.part.take().map(drop)
            }
            "output_text.delta" => self.replay_delta(event, Some(OpenPart::Text)),
            "output_text.done" => self.replay_text(&event, Some(OpenPart::Text)),
            "output_text.annotation.added" => self.replay_annotation(event),
            "refusal.delta" => self.replay_delta(event, Some(OpenPart::Refusal)),
            "refusal.done" => self.replay_text(&event, Some(OpenPart::Refusal)),
            "reasoning.delta" | "reasoning_text.delta" => self.replay_delta(event, Some(OpenPart::Trace)),
            "reasoning.done" | "reasoning_text.done" => self.replay_text(&event, Some(OpenPart::Trace)),
            "reasoning_summary_text.delta" => self.replay_delta(event, Some(OpenPart::Summary)),
            "reasoning_summary_text.done" => self.replay_text(&event, Some(OpenPart::Summary)),
            "function_call_arguments.delta" | "custom_tool_call_input.delta" => {
                self.replay_delta(event, None)
            }
            "function_call_arguments.done" | "custom_tool_call_input.done" => self.replay_text(&event, None),
            _ => None,
        }
    }

    /// Takes in an event of a call of an MCP server; others of its kind say nothing that the item does not say.
    pub(crate) fn replay_mcp(&mut self, name: &str, event: ItemEvent) {
        let Some((open, Item::Mcp(McpItem::Call(call)))) = self.growing(event.output_index) else { return };
        match name {
            "response.mcp_call_arguments.delta" => {
                if let (Some(arguments), Some(delta)) = (&mut call.arguments, event.delta) {
                    arguments.push_str(&delta);
                }
            }
            "response.mcp_call_arguments.done" => open.told = true,
            "response.mcp_call.completed" => call.status = Some(McpCallStatus::Completed),
            "response.mcp_call.failed" => call.status = Some(McpCallStatus::Failed),
            _ => {}
        }
    }

    /// How far the log says that the call at `index` is; `None` if it broke off.
    pub(crate) fn logged_mcp_call(&self, index: usize) -> Option<McpCallStatus> {
        let Some(Item::Mcp(McpItem::Call(call))) = self.output.get(index) else { return None };
        let open = u32::try_from(index).ok().and_then(|block| self.open_item_of(block));
        match (open, call.status) {
            (Some(open), status @ Some(McpCallStatus::InProgress)) => status.filter(|_| open.told),
            // Its end was being told.
            (Some(_), _) => None,
            // Without a log the record alone says what is.
            (None, status) => status,
        }
    }

    /// An open item. A block has the number of its item, since no more of its events will come.
    fn growing(&mut self, index: usize) -> Option<(&mut OpenItem, &mut Item)> {
        match (self.open.get_mut(&u32::try_from(index).ok()?)?, self.output.get_mut(index)?) {
            (Slot::Item(open), item) => Some((open, item)),
            (Slot::Held(_) | Slot::Suppressed, _) => None,
        }
    }

    fn replay_added(&mut self, event: ItemEvent) -> Option<()> {
        let StoredItem(item) = event.item?;
        let index = self.output.len();
        let block = u32::try_from(index).ok().filter(|_| index == event.output_index)?;
        item.id()?;
        self.output.push(item);
        self.open.insert(block, Slot::Item(OpenItem::new(index, None)));
        Some(())
    }

    fn replay_done(&mut self, event: ItemEvent) -> Option<()> {
        let StoredItem(done) = event.item?;
        let (open, item) = self.growing(event.output_index)?;
        if open.part.is_some() || done.id() != item.id() {
            return None;
        }
        *item = done;
        self.open.remove(&u32::try_from(event.output_index).ok()?);
        Some(())
    }

    fn replay_part(&mut self, event: &ItemEvent) -> Option<()> {
        let (open, item) = self.growing(event.output_index)?;
        if open.part.is_some() {
            return None;
        }
        let (part, index, len) = match (event.part.as_ref()?.r#type.as_str(), item) {
            (kind @ ("output_text" | "refusal"), Item::Message(message)) => {
                let part = if kind == "refusal" { OpenPart::Refusal } else { OpenPart::Text };
                message.content.push(new_content_part(part).0);
                (part, event.content_index, message.content.len())
            }
            ("reasoning_text", Item::Reasoning(item)) => {
                item.content.push(ReasoningPart { text: String::new() });
                (OpenPart::Trace, event.content_index, item.content.len())
            }
            ("summary_text", Item::Reasoning(item)) => {
                item.summary.push(SummaryPart { text: String::new() });
                (OpenPart::Summary, event.summary_index, item.summary.len())
            }
            _ => return None,
        };
        open.part = Some(part);
        (index? + 1 == len).then_some(())
    }

    /// `part`: which one grows; `None` is the payload of a call.
    fn replay_delta(&mut self, event: ItemEvent, part: Option<OpenPart>) -> Option<()> {
        let (open, item) = self.growing(event.output_index).filter(|(open, _)| open.part == part)?;
        if open.told {
            return None;
        }
        grown(item, part)?.push_str(&event.delta?);
        if let Item::Message(message) = item
            && let Some(ContentPart::OutputText { logprobs, .. }) = message.content.last_mut()
            && !event.logprobs.is_empty()
        {
            logprobs.get_or_insert_default().extend(event.logprobs);
        }
        Some(())
    }

    fn replay_text(&mut self, event: &ItemEvent, part: Option<OpenPart>) -> Option<()> {
        let (open, item) = self.growing(event.output_index).filter(|(open, _)| open.part == part)?;
        let fits = !open.told && event.text.as_ref()? == grown(item, part)?;
        open.told = true;
        fits.then_some(())
    }

    fn replay_annotation(&mut self, event: ItemEvent) -> Option<()> {
        let (open, item) = self.growing(event.output_index)?;
        let Item::Message(message) = item else { return None };
        let Some(ContentPart::OutputText { annotations, .. }) = message.content.last_mut() else {
            return None;
        };
        annotations.push(event.annotation?);
        (open.part == Some(OpenPart::Text) && !open.told).then_some(())
    }
}

/// The text that grows.
fn grown(item: &mut Item, part: Option<OpenPart>) -> Option<&mut String> {
    match (item, part) {
        (Item::FunctionCall(call), None) => Some(&mut call.arguments),
        (Item::CustomToolCall(call), None) => Some(&mut call.input),
        (Item::Message(message), Some(_)) => match message.content.last_mut()? {
            ContentPart::OutputText { text, .. } => Some(text),
            ContentPart::Refusal { refusal, .. } => Some(refusal),
            _ => None,
        },
        (Item::Reasoning(item), Some(OpenPart::Trace)) => item.content.last_mut().map(|part| &mut part.text),
        (Item::Reasoning(item), Some(OpenPart::Summary)) => {
            item.summary.last_mut().map(|part| &mut part.text)
        }
        _ => None,
    }
}
