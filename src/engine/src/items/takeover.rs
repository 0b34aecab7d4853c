//! Items of a turn that breaks off and goes on elsewhere.

use or_protocol::{ContentPart, Item};

use super::{Assembly, Ending, Slot};
use crate::events::EventWriter;
use crate::items::part::OpenPart;

/// The block of an item that another provider goes on with, until it is known which of its blocks that is. No
/// adapter has so many.
pub(crate) const GOES_ON: u32 = u32::MAX;

impl Assembly {
    /// The text so far of the message that is growing, if it can go on with other words of the same: it has one part,
    /// and that is text.
    pub(crate) fn growing_text(&self) -> Option<&str> {
        let last = self.output.len().checked_sub(1)?;
        let open = self.open.values().find_map(|slot| match slot {
            Slot::Item(open) if open.index == last => Some(open),
            Slot::Item(_) | Slot::Held(_) | Slot::Suppressed => None,
        })?;
        match (self.output.get(last)?, open.part) {
            (Item::Message(message), None) if message.content.is_empty() => Some(""),
            (Item::Message(message), Some(OpenPart::Text)) => match message.content.as_slice() {
                [ContentPart::OutputText { text, .. }] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether nothing would be lost or told twice if another provider went on with what was made from `start` on: a
    /// message that grows, with thoughts and whole messages before it, or thoughts alone.
    pub(crate) fn can_go_on(&self, start: usize) -> bool {
        let items = self.output.get(start..).unwrap_or_default();
        match self.growing_text() {
            Some(_) => items.iter().all(|item| matches!(item, Item::Message(_) | Item::Reasoning(_))),
            None => items.iter().all(|item| matches!(item, Item::Reasoning(_))),
        }
    }

    /// Ends the thoughts and leaves the message open, for a provider whose blocks have other numbers.
    pub(crate) fn hand_over(&mut self, w: &mut EventWriter) {
        let grows = self.growing_text().is_some();
        let last = self.output.len().saturating_sub(1);
        // What was not shown is not missed: calls that were held back or suppressed.
        self.open.retain(|_, slot| matches!(slot, Slot::Item(_)));
        let goes_on = |slot: &Slot| matches!(slot, Slot::Item(open) if grows && open.index == last);
        let message = self.open.iter().find(|(_, slot)| goes_on(slot)).map(|(block, _)| *block);
        let message = message.and_then(|block| self.open.remove(&block));
        for slot in self.take_open() {
            if let Some(index) = self.close(slot, Ending::Completed, w) {
                self.end(index, w);
            }
        }
        self.flush(Ending::Completed, w);
        self.open.extend(message.map(|message| (GOES_ON, message)));
    }

    /// Gives the message that goes on the number of its block there.
    pub(crate) fn goes_on_in(&mut self, block: u32) {
        if let Some(message) = self.open.remove(&GOES_ON) {
            self.open.insert(block, message);
        }
    }
}
