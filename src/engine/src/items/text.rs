//! How messages and reasoning items grow.

use or_protocol::bounds::MAX_PARTS;
use or_protocol::{Annotation, ContentPart, EventBody, Item, LogProb, Message, Phase};

use crate::events::EventWriter;
use crate::items::Assembly;
use crate::items::part::{OpenPart, empty_message, empty_reasoning};
use crate::seal::Seal;

impl Assembly {
    pub(crate) fn start_message(&mut self, block: u32, phase: Option<Phase>, w: &mut EventWriter) {
        if !self.knows(block) {
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
        if let Some(ContentPart::Refusal { refusal, .. }) = message.content.last_mut() {
            refusal.push_str(text);
        }
    }

    /// `false`: the text has as many as a client may bring back, and this one is left out.
    pub(crate) fn annotation(&mut self, block: u32, annotation: Annotation, w: &mut EventWriter) -> bool {
        let Some(index) = self.ensure(block, w, empty_message) else { return true };
        self.switch_part(block, OpenPart::Text, w);
        let Some(Item::Message(message)) = self.output.get_mut(index) else { return true };
        let content_index = message.content.len().saturating_sub(1);
        let item_id = message.id.as_deref().unwrap_or_default();
        let Some(ContentPart::OutputText { annotations, .. }) = message.content.last_mut() else {
            return true;
        };
        let annotation_index = annotations.len();
        if annotation_index >= MAX_PARTS {
            return false;
        }
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
        true
    }

    pub(crate) fn reasoning(&mut self, block: u32, text: &str, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        if self.trace_is_summary(block, index) {
            return self.grow_summary(block, index, text, w);
        }
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

    /// Whether a piece of the trace goes into the summary: the client wants one, and the provider has given none.
    fn trace_is_summary(&mut self, block: u32, index: usize) -> bool {
        let none = matches!(self.output.get(index), Some(Item::Reasoning(item)) if item.summary.is_empty());
        let wanted = self.wants_summary;
        self.open_mut(block).is_some_and(|open| {
            open.traced |= wanted && none;
            open.traced
        })
    }

    pub(crate) fn summary(&mut self, block: u32, text: &str, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        if self.open_mut(block).is_some_and(|open| std::mem::take(&mut open.traced)) {
            // The provider's own digest begins a part of its own.
            self.part_done(block, w);
        }
        self.grow_summary(block, index, text, w);
    }

    fn grow_summary(&mut self, block: u32, index: usize, text: &str, w: &mut EventWriter) {
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

    /// Closed where the client sees it. What it does not see stays on the server, which is not bound to a key then.
    pub(crate) fn sealed(&mut self, block: u32, state: String, seal: &Seal, w: &mut EventWriter) {
        let Some(index) = self.ensure(block, w, empty_reasoning) else { return };
        let Some(Item::Reasoning(item)) = self.output.get_mut(index) else { return };
        if self.show_sealed {
            item.encrypted_content = Some(seal.seal(state));
        } else {
            match self.sealed.binary_search_by_key(&index, |(at, _)| *at) {
                Ok(at) => self.sealed[at].1 = state,
                Err(at) => self.sealed.insert(at, (index, state)),
            }
        }
    }
}
