//! Which block an item in its final form belongs to.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::value::RawValue;

use super::blocks::{BlockKind, Blocks, Place};
use super::machine::Machine;
use crate::openai_responses::wire::{OutputItem, parse};
use crate::{AdapterError, ModelEvent, Note};

impl Machine {
    /// The block that an item in its final form belongs to; none if it is one that ended before, once more.
    pub(super) fn ending(&mut self, place: Place<'_>, item: &OutputItem<'_>) -> Option<u32> {
        let head = item.head();
        let is_done = |blocks: &Blocks, at| blocks.get(at).is_some_and(|block| block.done);
        let known = self.blocks.of_id(place.id, &head).or_else(|| self.blocks.of_call(&head));
        if let Some(at) = known {
            if !is_done(&self.blocks, at) {
                return Some(at);
            }
            return match self.says(at, item) {
                true => None,
                false => Some(self.blocks.begin(place, head.kind())),
            };
        }
        // A host that changes its ids says the same text under another one.
        let open = self.blocks.open_like(place, &head);
        if let Some(at) = open.filter(|at| !self.blocks.has_other_id(*at, place) || self.goes_on(*at, item)) {
            return Some(at);
        }
        let before = self.blocks.ended_at(place, head.kind()).filter(|at| self.blocks.is_like(*at, &head));
        if before.is_some_and(|at| head.kind() != BlockKind::Hosted && self.says(at, item)) {
            return None;
        }
        Some(self.blocks.begin(place, head.kind()))
    }

    /// Whether an item in its final form says just what a block has said.
    fn says(&self, at: u32, item: &OutputItem<'_>) -> bool {
        let Some(block) = self.blocks.get(at) else { return false };
        match block.kind {
            BlockKind::Message | BlockKind::Reasoning => match item.last_text() {
                Some(text) => block.parts.last_is(&text),
                None => block.parts.spoken_nothing(),
            },
            BlockKind::Call(call) => block.payload.are(&item.payload(call)),
            BlockKind::Hosted => true,
        }
    }

    /// Whether an item in its final form may have begun as what a block has said so far.
    fn goes_on(&self, at: u32, item: &OutputItem<'_>) -> bool {
        let Some(block) = self.blocks.get(at) else { return false };
        match block.kind {
            BlockKind::Message | BlockKind::Reasoning => {
                block.parts.spoken_nothing() || item.texts().iter().any(|text| block.parts.first_is_in(text))
            }
            BlockKind::Call(call) => block.payload.are_begin_of(&item.payload(call)),
            BlockKind::Hosted => true,
        }
    }

    /// The items of the last snapshot: what of them was not put out yet.
    pub(super) fn snapshot(
        &mut self,
        output: &[&RawValue],
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = vec![String::new(); output.len()];
        let mut items = Vec::with_capacity(output.len());
        for (raw, mended) in output.iter().copied().zip(&mut mended) {
            if raw.get().starts_with('{') {
                items.push((parse::<OutputItem<'_>>(raw.get(), mended)?, raw));
            } else {
                out.push(ModelEvent::Note(Note::dropped("output", "an item that is no object")));
            }
        }
        let found = self.pair(&items);
        for ((item, raw), found) in items.iter().zip(found) {
            let place = item.place(Place::default());
            let at = found.unwrap_or_else(|| self.blocks.begin(place, item.head().kind()));
            if self.blocks.get(at).is_some_and(|block| !block.done) {
                self.finish_item(at, place, item, raw, out)?;
            }
        }
        Ok(())
    }

    /// The blocks of a snapshot's items: by id, by call id, and in the order of those that are left of a kind. None for
    /// one that is new.
    fn pair(&self, items: &[(OutputItem<'_>, &RawValue)]) -> Vec<Option<u32>> {
        let mut taken = HashSet::new();
        let known = |item: &OutputItem<'_>| {
            let head = item.head();
            self.blocks.of_id(item.id.as_str(), &head).or_else(|| self.blocks.of_call(&head))
        };
        let mut found: Vec<Option<u32>> =
            items.iter().map(|(item, _)| known(item).filter(|at| taken.insert(*at))).collect();
        let mut left: HashMap<(BlockKind, &str), (usize, VecDeque<u32>)> = HashMap::new();
        for at in (0..self.blocks.len()).filter(|at| !taken.contains(at)) {
            if let Some(key) = self.blocks.sort_of(at) {
                left.entry(key).or_default().1.push_back(at);
            }
        }
        let mut missing: Vec<_> = found.iter_mut().zip(items).filter(|(at, _)| at.is_none()).collect();
        for (_, (item, _)) in &missing {
            left.entry(item.head().sort()).or_default().0 += 1;
        }
        for (slot, (item, _)) in &mut missing {
            let Some((items, blocks)) = left.get_mut(&item.head().sort()) else { continue };
            // With more items than blocks only what it says tells which of them was seen.
            let same = |at: &u32| *items <= blocks.len() || self.says(*at, item) || self.goes_on(*at, item);
            if blocks.front().is_some_and(same) {
                **slot = blocks.pop_front();
            }
            *items -= 1;
        }
        found
    }
}
