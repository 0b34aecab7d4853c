//! What was put out of each part of an item, so that a whole text adds only what its deltas left out.

use crc32fast::Hasher;
use or_protocol::{Annotation, LogProb};

use crate::{ModelEvent, Note};

/// What a part holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PartKind {
    /// `output_text`.
    Text,
    /// `refusal`.
    Refusal,
    /// `summary_text`.
    Summary,
    /// `reasoning_text`.
    Raw,
}

impl PartKind {
    fn event(self, block: u32, text: String, logprobs: Vec<LogProb>) -> ModelEvent {
        match self {
            Self::Text => ModelEvent::TextDelta { block, text, logprobs },
            Self::Refusal => ModelEvent::RefusalDelta { block, text },
            Self::Summary => ModelEvent::SummaryDelta { block, text },
            Self::Raw => ModelEvent::ReasoningDelta { block, text },
        }
    }
}

/// Length and checksum of the text that was sent: enough to tell whether a whole text continues it.
#[derive(Clone, Copy, Debug)]
struct Sent {
    length: usize,
    checksum: u32,
}

impl Sent {
    const NOTHING: Self = Self { length: 0, checksum: 0 };

    fn add(&mut self, text: &str) {
        self.length += text.len();
        // A few nanoseconds for a delta, where keeping the text would cost a copy.
        let mut hasher = Hasher::new_with_initial(self.checksum);
        hasher.update(text.as_bytes());
        self.checksum = hasher.finalize();
    }

    /// What `whole` has beyond the text that was sent. `None` if it is another text.
    fn rest<'a>(&self, whole: &'a str) -> Option<&'a str> {
        let (front, rest) = whole.split_at_checked(self.length)?;
        let mut check = Self::NOTHING;
        check.add(front);
        (check.checksum == self.checksum).then_some(rest)
    }
}

/// Most parts of an item; what is behind them goes into the last one.
const MAX_PARTS: usize = 4_096;

#[derive(Debug)]
struct Part {
    kind: PartKind,
    /// As the provider counts: not always the place in the list.
    index: u32,
    sent: Sent,
    logprobs: usize,
    annotations: usize,
    ended: bool,
    /// Its whole text was found to be another one.
    differs: bool,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.sent.length == 0 && self.logprobs == 0 && self.annotations == 0
    }
}

/// The parts of one item in the order in which they came. Only the last one can be open.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Part>);

impl Parts {
    /// Place of the part that more text belongs to: by its index, and without one the part that is open.
    pub(super) fn for_delta(
        &mut self,
        block: u32,
        kind: PartKind,
        index: Option<u32>,
        out: &mut Vec<ModelEvent>,
    ) -> usize {
        let found = match index {
            Some(index) => self.0.iter().rposition(|p| p.kind == kind && p.index == index),
            None => self.0.len().checked_sub(1).filter(|at| self.is_open(*at, kind)),
        };
        found.unwrap_or_else(|| self.begin(block, kind, index, out))
    }

    /// Place of the part that has this whole text: by its index, else the last one if the text continues what came of
    /// it; otherwise a new one, unless there is no text.
    pub(super) fn for_whole(
        &mut self,
        block: u32,
        kind: PartKind,
        index: Option<u32>,
        whole: &str,
        out: &mut Vec<ModelEvent>,
    ) -> Option<usize> {
        let by_index = self.0.iter().rposition(|p| p.kind == kind && Some(p.index) == index);
        let last = self.0.len().checked_sub(1).filter(|at| match self.is_open(*at, kind) {
            true => whole.is_empty() || self.continues(*at, kind, whole),
            false => self.last_is(whole),
        });
        match by_index.or(last) {
            None if !whole.is_empty() => Some(self.begin(block, kind, index, out)),
            found => found,
        }
    }

    /// Place of the text that an annotation belongs to.
    pub(super) fn for_annotation(
        &mut self,
        block: u32,
        index: Option<u32>,
        out: &mut Vec<ModelEvent>,
    ) -> usize {
        let by_index = self.0.iter().rposition(|p| p.kind == PartKind::Text && Some(p.index) == index);
        let last = self.0.len().checked_sub(1).filter(|at| self.is_open(*at, PartKind::Text));
        by_index.or(last).unwrap_or_else(|| self.begin(block, PartKind::Text, index, out))
    }

    /// What a text has beyond those of all parts behind one another, and the last part. None if it is another text.
    pub(super) fn rest_of_all(&self, kind: PartKind, whole: &str) -> Option<(usize, String)> {
        let mut rest = whole;
        for part in self.0.iter().filter(|part| part.kind == kind) {
            let (front, behind) = rest.split_at_checked(part.sent.length)?;
            part.sent.rest(front)?;
            rest = behind;
        }
        let last = self.0.iter().rposition(|part| part.kind == kind)?;
        Some((last, rest.to_owned()))
    }

    /// Places of the parts of these kinds that have text.
    pub(super) fn spoken(&self, kinds: [PartKind; 2]) -> Vec<usize> {
        let has_text = |part: &Part| part.sent.length > 0 && kinds.contains(&part.kind);
        (0..).zip(&self.0).filter(|(_, part)| has_text(part)).map(|(at, _)| at).collect()
    }

    /// Whether no text came.
    pub(super) fn spoken_nothing(&self) -> bool {
        self.0.iter().all(|part| part.sent.length == 0)
    }

    /// Whether a whole text continues what came of a part.
    pub(super) fn continues(&self, at: usize, kind: PartKind, whole: &str) -> bool {
        self.0.get(at).is_some_and(|p| p.kind == kind && p.sent.length > 0 && p.sent.rest(whole).is_some())
    }

    /// Whether a whole text continues the first one.
    pub(super) fn first_is_in(&self, whole: &str) -> bool {
        let first = self.0.iter().find(|part| part.sent.length > 0);
        first.is_some_and(|part| part.sent.rest(whole).is_some())
    }

    /// Whether the last part with text has exactly this one.
    pub(super) fn last_is(&self, whole: &str) -> bool {
        let last = self.0.iter().rfind(|part| part.sent.length > 0);
        last.is_some_and(|part| part.sent.rest(whole) == Some(""))
    }

    fn is_open(&self, at: usize, kind: PartKind) -> bool {
        self.0.get(at).is_some_and(|part| part.kind == kind && !part.ended)
    }

    /// Begins a part; the one before it ends.
    pub(super) fn begin(
        &mut self,
        block: u32,
        kind: PartKind,
        index: Option<u32>,
        out: &mut Vec<ModelEvent>,
    ) -> usize {
        if self.0.len() >= MAX_PARTS {
            return self.0.len() - 1;
        }
        self.end_last(block, out);
        let next = || self.0.iter().map(|part| part.index.saturating_add(1)).max().unwrap_or_default();
        let index = index.unwrap_or_else(next);
        let sent = Sent::NOTHING;
        self.0.push(Part { kind, index, sent, logprobs: 0, annotations: 0, ended: false, differs: false });
        self.0.len() - 1
    }

    /// More text of a part. True if something was put out.
    pub(super) fn text(
        &mut self,
        block: u32,
        mut at: usize,
        text: String,
        logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) -> bool {
        if text.is_empty() && logprobs.is_empty() {
            return false;
        }
        // What comes behind the end of a part is a part of its own: it is not lost.
        if let Some(part) = self.0.get(at).filter(|part| part.ended) {
            at = self.begin(block, part.kind, Some(part.index), out);
        }
        let Some(part) = self.0.get_mut(at) else { return false };
        part.sent.add(&text);
        part.logprobs += logprobs.len();
        out.push(part.kind.event(block, text, logprobs));
        true
    }

    /// The whole text of a part: puts out what its deltas left out. True if something was put out.
    pub(super) fn whole(
        &mut self,
        block: u32,
        at: usize,
        whole: &str,
        mut logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) -> bool {
        let Some(part) = self.0.get_mut(at).filter(|_| !whole.is_empty()) else { return false };
        let Some(rest) = part.sent.rest(whole).map(str::to_owned) else {
            // What was streamed cannot be taken back.
            if !part.differs {
                part.differs = true;
                let why = "the provider's whole text differs from its deltas; the deltas were kept";
                out.push(ModelEvent::Note(Note::dropped("output.content", why)));
            }
            return false;
        };
        logprobs.drain(..part.logprobs.min(logprobs.len()));
        if part.ended && rest.is_empty() {
            return false;
        }
        self.text(block, at, rest, logprobs, out)
    }

    /// An annotation of a part; `number` counts from 0, one that was seen is not put out again. True if it was put out.
    pub(super) fn annotation(
        &mut self,
        block: u32,
        at: usize,
        number: Option<usize>,
        annotation: Annotation,
        out: &mut Vec<ModelEvent>,
    ) -> bool {
        let Some(part) = self.0.get_mut(at) else { return false };
        if number.is_some_and(|number| number < part.annotations) {
            return false;
        }
        part.annotations += 1;
        if part.ended {
            let why = "an annotation came behind the end of its text";
            out.push(ModelEvent::Note(Note::dropped("output.content.annotations", why)));
            return false;
        }
        out.push(ModelEvent::Annotation { block, annotation });
        true
    }

    /// Ends a part.
    pub(super) fn end(&mut self, block: u32, at: usize, out: &mut Vec<ModelEvent>) {
        let Some(part) = self.0.get_mut(at).filter(|part| !part.ended) else { return };
        part.ended = true;
        if !part.is_empty() {
            out.push(ModelEvent::PartDone { block });
        }
    }

    /// Ends the part that is open.
    pub(super) fn end_last(&mut self, block: u32, out: &mut Vec<ModelEvent>) {
        if let Some(last) = self.0.len().checked_sub(1) {
            self.end(block, last, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_continues_has_a_rest() {
        let mut sent = Sent::NOTHING;
        sent.add("Grü");
        sent.add("ße");
        assert_eq!(sent.rest("Grüße aus"), Some(" aus"));
        assert_eq!(sent.rest("Grüße"), Some(""));
        assert_eq!(sent.rest("grüße aus"), None);
        assert_eq!(sent.rest("Gr"), None);
        assert_eq!(Sent::NOTHING.rest("all"), Some("all"));
    }
}
