//! What was put out of each item so far, so that a done value adds only what its deltas left out.

use std::collections::BTreeMap;

use crc32fast::Hasher;
use or_protocol::LogProb;

use crate::{CallKind, ModelEvent, Note};

/// What an output item is to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BlockKind {
    /// `message`.
    Message,
    /// `reasoning`.
    Reasoning,
    /// `function_call` and `custom_tool_call`.
    Call(CallKind),
    /// Everything else.
    Hosted,
}

impl BlockKind {
    /// By the item's `type`.
    pub(super) fn of(item_type: &str) -> Self {
        match item_type {
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "function_call" => Self::Call(CallKind::Function),
            "custom_tool_call" => Self::Call(CallKind::Custom),
            _ => Self::Hosted,
        }
    }
}

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
    fn block(self) -> BlockKind {
        match self {
            Self::Text | Self::Refusal => BlockKind::Message,
            Self::Summary | Self::Raw => BlockKind::Reasoning,
        }
    }

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
pub(super) struct Sent {
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

/// Most parts of an item; what is behind them is left out.
const MAX_PARTS: usize = 4_096;

#[derive(Debug)]
struct Part {
    kind: PartKind,
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

/// One output item.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: BlockKind,
    /// An event of it was put out.
    pub(super) opened: bool,
    /// It is at its end.
    pub(super) done: bool,
    parts: Vec<Part>,
    payload: Sent,
}

impl Block {
    fn new(kind: BlockKind) -> Self {
        Self { kind, opened: false, done: false, parts: Vec::new(), payload: Sent::NOTHING }
    }

    /// The part with this place, made the current one: another that is open ends first.
    fn part(&mut self, at: u32, kind: PartKind, index: u32, out: &mut Vec<ModelEvent>) -> Option<&mut Part> {
        let same =
            |p: &Part| p.index == index && (p.kind == PartKind::Summary) == (kind == PartKind::Summary);
        if !self.parts.last().is_some_and(same) {
            if let Some(last) = self.parts.last_mut() {
                end_part(at, last, out);
            }
            match self.parts.iter().position(same) {
                // An ended part is looked at again only to find that nothing is missing.
                Some(found) => return self.parts.get_mut(found),
                None if self.parts.len() >= MAX_PARTS => return None,
                None => self.parts.push(Part {
                    kind,
                    index,
                    sent: Sent::NOTHING,
                    logprobs: 0,
                    annotations: 0,
                    ended: false,
                    differs: false,
                }),
            }
        }
        self.parts.last_mut()
    }
}

fn end_part(at: u32, part: &mut Part, out: &mut Vec<ModelEvent>) {
    if !part.ended {
        part.ended = true;
        if !part.is_empty() {
            out.push(ModelEvent::PartDone { block: at });
        }
    }
}

/// All output items of a turn by `output_index`.
#[derive(Debug, Default)]
pub(super) struct Blocks(BTreeMap<u32, Block>);

impl Blocks {
    /// How many items were seen.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Highest index so far.
    pub(super) fn last(&self) -> Option<u32> {
        self.0.last_key_value().map(|(at, _)| *at)
    }

    /// Looks at an item.
    pub(super) fn get(&self, at: u32) -> Option<&Block> {
        self.0.get(&at)
    }

    /// The item at this place, begun if need be. `None` if it has ended or is of another kind.
    pub(super) fn open(&mut self, at: u32, kind: BlockKind) -> Option<&mut Block> {
        let block = self.0.entry(at).or_insert_with(|| Block::new(kind));
        if !block.opened {
            block.kind = kind;
        }
        (!block.done && block.kind == kind).then_some(block)
    }

    /// More text of a part.
    pub(super) fn text(
        &mut self,
        at: u32,
        kind: PartKind,
        index: u32,
        text: String,
        logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) {
        let Some(block) = self.open(at, kind.block()) else { return };
        let Some(part) = block.part(at, kind, index, out) else { return };
        if part.ended || text.is_empty() && logprobs.is_empty() {
            return;
        }
        part.sent.add(&text);
        part.logprobs += logprobs.len();
        block.opened = true;
        out.push(kind.event(at, text, logprobs));
    }

    /// The whole text of a part: puts out what its deltas left out.
    pub(super) fn whole_text(
        &mut self,
        at: u32,
        kind: PartKind,
        index: u32,
        whole: &str,
        mut logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) {
        let Some(block) = self.open(at, kind.block()) else { return };
        let Some(part) = block.part(at, kind, index, out) else { return };
        let rest = match part.sent.rest(whole) {
            Some(rest) => rest.to_owned(),
            None => {
                // What was streamed cannot be taken back.
                if !part.differs && !whole.is_empty() {
                    part.differs = true;
                    let why = "the provider's whole text differs from its deltas; the deltas were kept";
                    out.push(ModelEvent::Note(Note::dropped("output.content", why)));
                }
                return;
            }
        };
        logprobs.drain(..part.logprobs.min(logprobs.len()));
        self.text(at, kind, index, rest, logprobs, out);
    }

    /// An annotation of a part; `number` counts from 0, one that was seen is not put out again.
    pub(super) fn annotation(
        &mut self,
        at: u32,
        index: u32,
        number: Option<usize>,
        annotation: or_protocol::Annotation,
        out: &mut Vec<ModelEvent>,
    ) {
        let Some(block) = self.open(at, BlockKind::Message) else { return };
        let Some(part) = block.part(at, PartKind::Text, index, out) else { return };
        if part.ended || number.is_some_and(|n| n < part.annotations) {
            return;
        }
        part.annotations += 1;
        block.opened = true;
        out.push(ModelEvent::Annotation { block: at, annotation });
    }

    /// Ends a part.
    pub(super) fn part_done(&mut self, at: u32, kind: PartKind, index: u32, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.open(at, kind.block()) else { return };
        if let Some(part) = block.part(at, kind, index, out) {
            end_part(at, part, out);
        }
    }

    /// More of a call's payload. Ignored until the call has begun: its done value brings it all.
    pub(super) fn payload(&mut self, at: u32, kind: CallKind, delta: String, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.open(at, BlockKind::Call(kind)) else { return };
        if block.opened && !delta.is_empty() {
            block.payload.add(&delta);
            out.push(ModelEvent::ToolArgsDelta { block: at, delta });
        }
    }

    /// The whole payload of a call: puts out what its deltas left out.
    pub(super) fn whole_payload(&mut self, at: u32, kind: CallKind, whole: &str, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.open(at, BlockKind::Call(kind)) else { return };
        let rest = block.payload.rest(whole).unwrap_or_default().to_owned();
        self.payload(at, kind, rest, out);
    }

    /// Whether nothing of a call's payload came.
    pub(super) fn payload_is_empty(&self, at: u32) -> bool {
        self.get(at).is_none_or(|b| b.payload.length == 0)
    }

    /// Ends an item.
    pub(super) fn done(&mut self, at: u32, complete: bool, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.0.get_mut(&at) else { return };
        if block.opened && !block.done {
            if let Some(last) = block.parts.last_mut() {
                end_part(at, last, out);
            }
            out.push(ModelEvent::BlockDone { block: at, complete });
        }
        block.done = true;
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
