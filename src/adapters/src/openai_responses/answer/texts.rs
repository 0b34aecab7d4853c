//! How the texts of messages and reasoning items grow and end.

use or_protocol::{Annotation, LogProb};
use serde_json::value::RawValue;

use super::blocks::{BlockKind, Place};
use super::machine::Machine;
use super::parts::PartKind;
use super::reading::{annotation, ascii};
use crate::openai_responses::wire::{Loose, OutputPart, parse};
use crate::{AdapterError, ModelEvent, Note};

impl Machine {
    /// More text of a part. What comes for an item that is at its end is an item of its own.
    pub(super) fn text(
        &mut self,
        place: Place<'_>,
        kind: PartKind,
        index: Option<u32>,
        text: String,
        logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) {
        if text.is_empty() && logprobs.is_empty() {
            return;
        }
        let found = self.blocks.find(place, item_of(kind));
        let at = found.filter(|at| self.blocks.get(*at).is_some_and(|block| !block.done));
        let at = at.unwrap_or_else(|| self.blocks.begin(place, item_of(kind)));
        let Some(block) = self.blocks.get_mut(at) else { return };
        let part = block.parts.for_delta(at, kind, index, out);
        block.opened |= block.parts.text(at, part, text, logprobs, out);
    }

    /// The whole text of a part, found by its place. Gives the block and the part; none if it was said before.
    pub(super) fn text_done(
        &mut self,
        place: Place<'_>,
        kind: PartKind,
        index: Option<u32>,
        whole: &str,
        logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) -> Option<(u32, usize)> {
        let item = item_of(kind);
        let found = self.blocks.find(place, item).or_else(|| self.blocks.ended_at(place, item));
        let at = match found {
            Some(at) if self.blocks.get(at).is_some_and(|block| !block.done) => at,
            Some(at) if whole.is_empty() || self.blocks.get(at).is_some_and(|b| b.parts.last_is(whole)) => {
                return None;
            }
            None if whole.is_empty() => return None,
            Some(_) | None => self.blocks.begin(place, item),
        };
        let block = self.blocks.get_mut(at)?;
        let part = block.parts.for_whole(at, kind, index, whole, out)?;
        block.opened |= block.parts.whole(at, part, whole, logprobs, out);
        Some((at, part))
    }

    /// The end of a part of which nothing else is told.
    pub(super) fn end_open_part(
        &mut self,
        place: Place<'_>,
        kind: PartKind,
        index: Option<u32>,
        out: &mut Vec<ModelEvent>,
    ) {
        if let Some((at, part)) = self.text_done(place, kind, index, "", Vec::new(), out)
            && let Some(block) = self.blocks.get_mut(at)
        {
            block.parts.end(at, part, out);
        }
    }

    /// A part in its final form. `family` says which kind it has where its type says nothing.
    pub(super) fn part_done(
        &mut self,
        place: Place<'_>,
        family: PartKind,
        index: Option<u32>,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let part: OutputPart<'_> = parse(raw.get(), &mut mended)?;
        let Some(kind) = part_kind(&part, family) else {
            left_out(&part, out);
            return Ok(());
        };
        let logprobs = self.logprobs(part.logprobs);
        if let Some((at, number)) = self.text_done(place, kind, index, part.words(kind), logprobs, out) {
            self.end_part(at, number, &part, out);
        }
        Ok(())
    }

    /// The parts of an item in its final form, in the order of those that came in pieces; what their indexes say does
    /// not matter. A string stands for one part.
    pub(super) fn parts(
        &mut self,
        at: u32,
        family: PartKind,
        list: &Loose<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended: Vec<String> = vec![String::new(); list.list().len()];
        let mut parts: Vec<(PartKind, OutputPart<'_>)> = Vec::new();
        if let Loose::Text(text) = list {
            parts.push((family, OutputPart::of_text(text)));
        }
        for (raw, mended) in list.list().iter().zip(&mut mended) {
            let part: OutputPart<'_> = parse(raw.get(), mended)?;
            match part_kind(&part, family).filter(|kind| item_of(*kind) == item_of(family)) {
                Some(kind) => parts.push((kind, part)),
                None => left_out(&part, out),
            }
        }
        let kinds = if family == PartKind::Text { [family, PartKind::Refusal] } else { [family; 2] };
        let spoken = self.blocks.get(at).map(|block| block.parts.spoken(kinds)).unwrap_or_default();
        let mut left = parts.iter().filter(|(kind, part)| !part.words(*kind).is_empty()).count();
        if spoken.len() > left && self.spoken_in_pieces(at, &parts, out) {
            return Ok(());
        }
        let mut spoken = spoken.into_iter().peekable();
        for (kind, part) in &parts {
            let words = part.words(*kind);
            if words.is_empty() && part.annotations.list().is_empty() {
                continue;
            }
            let logprobs = self.logprobs(part.logprobs);
            let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
            let next = spoken.peek().copied();
            let same = next.is_some_and(|next| block.parts.continues(next, *kind, words));
            let number = match next {
                // The texts differ only if there are no more of them than came in pieces.
                Some(next) if !words.is_empty() && (same || left <= spoken.len()) => {
                    spoken.next();
                    next
                }
                _ => block.parts.begin(at, *kind, None, out),
            };
            left -= usize::from(!words.is_empty());
            block.opened |= block.parts.whole(at, number, words, logprobs, out);
            self.end_part(at, number, part, out);
        }
        Ok(())
    }

    /// Parts of an item that came as more parts than it has: their texts behind one another. True if that is what came.
    fn spoken_in_pieces(
        &mut self,
        at: u32,
        parts: &[(PartKind, OutputPart<'_>)],
        out: &mut Vec<ModelEvent>,
    ) -> bool {
        let Some((kind, _)) = parts.first().filter(|(kind, _)| parts.iter().all(|(k, _)| k == kind)) else {
            return false;
        };
        let whole: String = parts.iter().map(|(kind, part)| part.words(*kind)).collect();
        let Some(block) = self.blocks.get_mut(at) else { return false };
        let Some((last, rest)) = block.parts.rest_of_all(*kind, &whole) else { return false };
        block.opened |= block.parts.text(at, last, rest, Vec::new(), out);
        for (_, part) in parts {
            self.end_part(at, last, part, out);
        }
        true
    }

    /// The annotations of a part, and its end.
    fn end_part(&mut self, at: u32, number: usize, part: &OutputPart<'_>, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.blocks.get_mut(at) else { return };
        for (count, raw) in part.annotations.list().iter().enumerate() {
            if let Some(annotation) = annotation(raw) {
                block.opened |= block.parts.annotation(at, number, Some(count), annotation, out);
            }
        }
        block.parts.end(at, number, out);
    }

    /// An annotation of the text that has just come.
    pub(super) fn annotation(
        &mut self,
        place: Place<'_>,
        index: Option<u32>,
        annotation: Annotation,
        out: &mut Vec<ModelEvent>,
    ) {
        let found = self.blocks.find(place, BlockKind::Message);
        let at = found.unwrap_or_else(|| self.blocks.begin(place, BlockKind::Message));
        let Some(block) = self.blocks.get_mut(at) else { return };
        let part = block.parts.for_annotation(at, index, out);
        block.opened |= block.parts.annotation(at, part, None, annotation, out);
    }
}

/// The kind of item that has such parts.
pub(super) fn item_of(kind: PartKind) -> BlockKind {
    match kind {
        PartKind::Text | PartKind::Refusal => BlockKind::Message,
        PartKind::Summary | PartKind::Raw => BlockKind::Reasoning,
    }
}

/// What a part holds; none if it is nothing that we know.
fn part_kind(part: &OutputPart<'_>, family: PartKind) -> Option<PartKind> {
    match (part.kind.as_str(), family) {
        ("refusal", _) => Some(PartKind::Refusal),
        ("summary_text", _) | (_, PartKind::Summary) => Some(PartKind::Summary),
        ("reasoning_text", _) | (_, PartKind::Raw) => Some(PartKind::Raw),
        ("output_text" | "text" | "", PartKind::Text | PartKind::Refusal) => Some(PartKind::Text),
        (_, PartKind::Text | PartKind::Refusal) => None,
    }
}

fn left_out(part: &OutputPart<'_>, out: &mut Vec<ModelEvent>) {
    let why = format!("content part of type {}", ascii(part.kind.as_str()));
    out.push(ModelEvent::Note(Note::dropped("output.content", why)));
}
