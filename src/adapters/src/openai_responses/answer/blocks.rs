//! The output items of a turn, and which of them an event is about: by the item's id, then by its index, then by place.
//!
//! Neither id nor index can be trusted alone: some hosts change the id between two events of one item, some leave the
//! index out, and many give all items the same one.

use std::collections::HashMap;

use super::parts::Parts;
use crate::shared::arguments::Arguments;
use crate::{CallKind, ModelEvent};

/// What an output item is to us.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
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

/// Where an event says that it belongs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    /// The item's id; empty if there is none.
    pub(super) id: &'a str,
    /// The item's `output_index`.
    pub(super) index: Option<u32>,
}

/// What an item says of itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Head<'a> {
    /// The item's `type`.
    pub(super) word: &'a str,
    /// Empty for items that are no calls.
    pub(super) call_id: &'a str,
}

impl<'a> Head<'a> {
    pub(super) fn kind(&self) -> BlockKind {
        BlockKind::of(self.word)
    }

    /// What items are told apart by beside their ids: hosted ones by their type.
    pub(super) fn sort(&self) -> (BlockKind, &'a str) {
        let kind = self.kind();
        (kind, if kind == BlockKind::Hosted { self.word } else { "" })
    }
}

/// One output item.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: BlockKind,
    /// The item's `type`, known only for hosted ones.
    word: Box<str>,
    /// The id, as the provider said it first.
    id: Box<str>,
    index: Option<u32>,
    call_id: Box<str>,
    /// Its beginning was told, not only a piece of it.
    announced: bool,
    /// An event of it was put out.
    pub(super) opened: bool,
    /// It is at its end.
    pub(super) done: bool,
    pub(super) parts: Parts,
    /// Of a call.
    pub(super) payload: Arguments,
    /// What its beginning said of that. It counts only if nothing else says it.
    pub(super) first_payload: Option<String>,
}

impl Block {
    /// Whether the item can be this one as far as its head says.
    fn is_like(&self, head: &Head<'_>) -> bool {
        let same = |ours: &str, theirs: &str| ours.is_empty() || theirs.is_empty() || ours == theirs;
        self.kind == head.kind()
            && same(&self.call_id, head.call_id)
            && (self.kind != BlockKind::Hosted || *self.word == *head.word)
    }

    /// Whether a beginning is that of this item once more.
    fn begins_again(&self, place: Place<'_>, head: &Head<'_>) -> bool {
        let nameless = self.id.is_empty() && place.id.is_empty();
        !self.announced
            || (!head.call_id.is_empty() && *self.call_id == *head.call_id)
            || (nameless && self.parts.spoken_nothing() && self.payload.are_empty())
    }
}

/// Most items of a turn; as many as the server takes of any provider.
const MAX_ITEMS: u32 = 5_000;

/// All output items of a turn. A block's number is its place in the list.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    list: Vec<Block>,
    /// The last item of an id, of a call id and of an index.
    by_id: HashMap<String, u32>,
    by_call: HashMap<String, u32>,
    by_index: HashMap<u32, u32>,
    /// Those that are not at their end, in order.
    open: Vec<u32>,
}

impl Blocks {
    /// How many items were seen.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are more than any answer has.
    pub(super) fn are_too_many(&self) -> bool {
        self.len() > MAX_ITEMS
    }

    /// Looks at an item.
    pub(super) fn get(&self, at: u32) -> Option<&Block> {
        self.list.get(usize::try_from(at).ok()?)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Block> {
        self.list.get_mut(usize::try_from(at).ok()?)
    }

    /// What an item is told apart by beside its ids.
    pub(super) fn sort_of(&self, at: u32) -> Option<(BlockKind, &str)> {
        self.get(at).map(|block| (block.kind, &*block.word))
    }

    /// Whether something came behind the payload of a call that is neither part of it nor a repetition.
    pub(super) fn any_leftovers(&self) -> bool {
        self.list.iter().any(|block| block.payload.have_leftovers())
    }

    /// Those that are not at their end.
    pub(super) fn open(&self) -> Vec<u32> {
        self.open.clone()
    }

    /// The item of an event about an item of this kind, which may be at its end.
    pub(super) fn find(&self, place: Place<'_>, kind: BlockKind) -> Option<u32> {
        // Some gateways name a call by its call id.
        let known = self.by_id.get(place.id).or_else(|| self.by_call.get(place.id)).copied();
        known.filter(|at| self.is(*at, kind)).or_else(|| self.find_open(place, |block| block.kind == kind))
    }

    /// The newest open item that fits: at its index, and where that tells nothing, of all.
    fn find_open(&self, place: Place<'_>, fits: impl Fn(&Block) -> bool) -> Option<u32> {
        let newest = |index: Option<u32>| {
            let mut open = self.open.iter().rev().copied();
            open.find(|at| self.get(*at).is_some_and(|b| (index.is_none() || b.index == index) && fits(b)))
        };
        let at_index = place.index.and_then(|index| newest(Some(index)));
        // An index that nothing had so far is that of a new item.
        let known = place.index.is_none_or(|index| self.by_index.contains_key(&index));
        at_index.or_else(|| known.then(|| newest(None)).flatten())
    }

    /// The kind of the item that an event is about.
    pub(super) fn kind_at(&self, place: Place<'_>) -> Option<BlockKind> {
        let known = self.by_id.get(place.id).copied().or_else(|| self.find_open(place, |_| true));
        known.and_then(|at| self.get(at)).map(|block| block.kind)
    }

    /// The newest item at an index, if it is at its end.
    pub(super) fn ended_at(&self, place: Place<'_>, kind: BlockKind) -> Option<u32> {
        let at = *self.by_index.get(&place.index?)?;
        self.get(at).filter(|block| block.done && block.kind == kind).map(|_| at)
    }

    /// Of an id, whatever state it is in.
    pub(super) fn of_id(&self, id: &str, head: &Head<'_>) -> Option<u32> {
        let at = *self.by_id.get(id)?;
        self.get(at).filter(|block| block.is_like(head)).map(|_| at)
    }

    /// Of a call id, whatever state it is in.
    pub(super) fn of_call(&self, head: &Head<'_>) -> Option<u32> {
        let at = *self.by_call.get(head.call_id)?;
        self.get(at).filter(|block| block.kind == head.kind()).map(|_| at)
    }

    /// The open item that one without a known id may be.
    pub(super) fn open_like(&self, place: Place<'_>, head: &Head<'_>) -> Option<u32> {
        self.find_open(place, |block| block.is_like(head))
    }

    /// Whether two ids say that an item is another one than this. They may be wrong.
    pub(super) fn has_other_id(&self, at: u32, place: Place<'_>) -> bool {
        let id = self.get(at).map_or("", |block| &*block.id);
        !id.is_empty() && !place.id.is_empty() && *id != *place.id
    }

    /// Whether nothing that came could be this item's.
    pub(super) fn is_like(&self, at: u32, head: &Head<'_>) -> bool {
        self.get(at).is_some_and(|block| block.is_like(head))
    }

    fn is(&self, at: u32, kind: BlockKind) -> bool {
        self.get(at).is_some_and(|block| block.kind == kind)
    }

    /// An item's beginning was told: the block of what came of it before, or a new one.
    pub(super) fn announce(&mut self, place: Place<'_>, head: &Head<'_>) -> u32 {
        let found = match self.by_id.get(place.id).copied() {
            Some(at) => Some(at).filter(|at| self.get(*at).is_some_and(|b| !b.done && b.is_like(head))),
            None => self.find_open(place, |b| b.is_like(head) && b.begins_again(place, head)),
        };
        let at = found.unwrap_or_else(|| self.begin(place, head.kind()));
        self.learn(at, place, head);
        if let Some(block) = self.get_mut(at) {
            block.announced = true;
        }
        at
    }

    /// A new item.
    pub(super) fn begin(&mut self, place: Place<'_>, kind: BlockKind) -> u32 {
        let at = self.len();
        self.list.push(Block {
            kind,
            word: "".into(),
            id: place.id.into(),
            index: place.index,
            call_id: "".into(),
            announced: false,
            opened: false,
            done: false,
            parts: Parts::default(),
            payload: Arguments::default(),
            first_payload: None,
        });
        self.open.push(at);
        if let Some(index) = place.index {
            self.by_index.insert(index, at);
        }
        // Text under the id of an open call leaves the id to the call.
        let other = self.by_id.get(place.id).and_then(|at| self.get(*at));
        if !place.id.is_empty() && other.is_none_or(|other| other.done) {
            self.by_id.insert(place.id.to_owned(), at);
        }
        at
    }

    /// What an item says of itself is known from here on.
    pub(super) fn learn(&mut self, at: u32, place: Place<'_>, head: &Head<'_>) {
        let Some(block) = self.get_mut(at) else { return };
        if block.kind == BlockKind::Hosted && block.word.is_empty() {
            block.word = head.word.into();
        }
        if block.call_id.is_empty() && !head.call_id.is_empty() {
            block.call_id = head.call_id.into();
            self.by_call.insert(head.call_id.to_owned(), at);
        }
        if !place.id.is_empty() {
            self.by_id.insert(place.id.to_owned(), at);
        }
    }

    /// Ends an item.
    pub(super) fn done(&mut self, at: u32, complete: bool, out: &mut Vec<ModelEvent>) {
        let Some(block) = self.get_mut(at) else { return };
        if block.opened && !block.done {
            block.parts.end_last(at, out);
            out.push(ModelEvent::BlockDone { block: at, complete });
        }
        block.done = true;
        self.open.retain(|open| *open != at);
    }
}
