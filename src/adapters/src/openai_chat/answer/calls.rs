//! Joins the pieces of tool calls into calls.

use std::collections::HashMap;

use or_protocol::Extra;

use super::lanes::Lanes;
use crate::openai_chat::wire::CallPiece;
use crate::shared::arguments::Arguments;
use crate::{CallKind, ModelEvent, Note, custom_arguments};

/// The tool calls of one answer. A host may send any number of them in any order, so each is found by a key.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The request declared custom tools, so that the client knows calls of them.
    custom_tools: bool,
    /// The answer is no stream: each piece is a whole call.
    pub(super) are_whole: bool,
    list: Vec<OpenCall>,
    /// Place of the last call of an id.
    by_id: HashMap<String, usize>,
    /// Places of the last calls of an index.
    lanes: Lanes,
    /// Places of those that were begun and are not closed, in order.
    growing: Vec<usize>,
}

#[derive(Debug)]
struct OpenCall {
    /// As the host gave it.
    id: String,
    index: Option<u64>,
    name: String,
    kind: CallKind,
    args: Arguments,
    block: Option<u32>,
    closed: bool,
    /// It began with the name of the call before it and without an id: nothing more may come of it.
    tentative: bool,
}

/// One piece, whichever of the wire's forms it came in.
struct Piece<'a> {
    index: Option<u64>,
    id: &'a str,
    name: &'a str,
    args: &'a str,
    kind: CallKind,
}

impl<'a> Piece<'a> {
    fn new(piece: &'a CallPiece<'_>) -> Self {
        let (mut name, mut args, mut kind) = ("", "", CallKind::Function);
        if let Some(function) = &piece.function.0 {
            (name, args) = (function.name.as_str(), function.arguments.as_str());
        }
        // A host may send both forms, one of them empty.
        if let Some(custom) = piece.custom.0.as_ref().filter(|c| !c.name.is_empty() || !c.input.is_empty())
            && name.is_empty()
            && args.is_empty()
        {
            (name, args, kind) = (custom.name.as_str(), custom.input.as_str(), CallKind::Custom);
        }
        Self { index: piece.index.0, id: piece.id.as_str(), name, args, kind }
    }

    fn says_nothing(&self) -> bool {
        self.args.trim_start().is_empty()
    }

    fn begins_an_object(&self) -> bool {
        self.args.trim_start().starts_with('{')
    }
}

impl OpenCall {
    fn new(piece: &Piece<'_>) -> Self {
        Self {
            id: String::new(),
            index: piece.index,
            name: String::new(),
            kind: piece.kind,
            args: Arguments::default(),
            block: None,
            closed: false,
            tentative: false,
        }
    }

    /// Whether more arguments can come.
    fn can_grow(&self) -> bool {
        !self.closed && self.args.can_grow()
    }

    /// Whether it was only the name of the call before it, once more.
    fn is_echo(&self) -> bool {
        self.tentative && self.args.are_empty()
    }

    /// Whether it is whole. Free text can end anywhere.
    fn is_whole(&mut self) -> bool {
        self.kind == CallKind::Custom || self.args.are_whole()
    }

    /// Whether a piece with its id is more of it. A host may give one id twice, and then tells the calls apart by
    /// another index, by another name behind arguments, or by other arguments behind whole ones.
    fn goes_on_with(&self, piece: &Piece<'_>, new_index: bool) -> bool {
        if piece.name.is_empty() || self.name.is_empty() {
            return true;
        }
        if new_index && self.index.is_some() {
            return false;
        }
        if piece.name != self.name {
            return self.args.are_empty();
        }
        piece.says_nothing() || self.can_grow() || self.args.is_repeated(piece.args)
    }

    /// Whether a piece at its place begins another call. Some hosts number every call 0: a second name tells them
    /// apart, unless it only comes along with arguments that go on.
    fn is_followed_by(&mut self, piece: &Piece<'_>) -> bool {
        if piece.name.is_empty() || self.name.is_empty() {
            return false;
        }
        if piece.name != self.name {
            return true;
        }
        let inside = self.args.are_begun() && !piece.says_nothing() && !piece.begins_an_object();
        if piece.id.is_empty() || self.id.is_empty() {
            let begun = self.args.are_begun() && !self.args.are_in(piece.args);
            return match piece.says_nothing() {
                true => self.args.are_whole() && !self.args.are_blank(),
                false => !inside && (begun || self.args.are_whole()),
            };
        }
        !inside
    }
}

impl Calls {
    pub(super) fn new(custom_tools: bool) -> Self {
        Self { custom_tools, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Another delta begins: places in it are counted anew.
    pub(super) fn next_delta(&mut self) {
        self.lanes.next_delta();
    }

    /// Takes a piece in. `next_block` numbers a block that opens.
    pub(super) fn push(&mut self, piece: &CallPiece<'_>, next_block: &mut u32, out: &mut Vec<ModelEvent>) {
        let piece = Piece::new(piece);
        let at = match self.find(&piece) {
            Some(at) => at,
            None => {
                let last =
                    self.list.last().is_some_and(|last| last.name == piece.name && !last.name.is_empty());
                let tentative = last && piece.id.is_empty();
                self.list.push(OpenCall { tentative, ..OpenCall::new(&piece) });
                let at = self.list.len() - 1;
                self.lanes.add(piece.index, at);
                at
            }
        };
        self.grow(at, &piece, next_block, out);
    }

    /// The call a piece belongs to: by its id, then by its index, then by its place in the delta. None if it opens a
    /// new one.
    fn find(&mut self, piece: &Piece<'_>) -> Option<usize> {
        if let Some(at) = self.by_id.get(piece.id).copied() {
            let new_index = piece.index.is_some() && !self.lanes.has(piece.index);
            return self.list.get_mut(at)?.goes_on_with(piece, new_index).then_some(at);
        }
        if piece.index.is_none() && !piece.id.is_empty() && !piece.name.is_empty() {
            return None;
        }
        // A piece that only goes on cannot begin a call at an index that no call has.
        let goes_on = piece.name.is_empty() && piece.id.is_empty();
        let index = piece.index.filter(|_| !goes_on || self.lanes.has(piece.index));
        let list = &self.list;
        let found = self.lanes.next(index, |at| list.get(at).is_some_and(OpenCall::can_grow))?;
        let call = self.list.get_mut(found.at)?;
        // Two pieces of one delta that both have a name, or an id, are two calls.
        let both = |one: &str, other: &str| !one.is_empty() && !other.is_empty();
        let two = found.taken && (both(piece.name, &call.name) || both(piece.id, &call.id));
        (!two && !call.is_followed_by(piece)).then_some(found.at)
    }

    fn grow(&mut self, at: usize, piece: &Piece<'_>, next_block: &mut u32, out: &mut Vec<ModelEvent>) {
        let Some(call) = self.list.get_mut(at) else { return };
        call.tentative &= piece.id.is_empty();
        if call.id.is_empty() && !piece.id.is_empty() {
            call.id.push_str(piece.id);
            let place = self.by_id.entry(call.id.clone()).or_insert(at);
            *place = at.max(*place);
        }
        if call.name.is_empty() {
            call.name.push_str(piece.name);
        }
        if call.kind != piece.kind && call.block.is_none() {
            call.kind = piece.kind;
        }
        match call.kind {
            CallKind::Function => call.args.push(piece.args),
            CallKind::Custom => call.args.push_free(piece.args),
        }
        if self.are_whole {
            call.args.settle();
        }
        if let Some(block) = call.block {
            if !call.closed {
                tell(call, block, self.custom_tools, out);
            }
        } else if !call.name.is_empty() && (!call.id.is_empty() || !call.args.are_empty()) {
            self.start(at, next_block, out);
        }
    }

    fn start(&mut self, at: usize, next_block: &mut u32, out: &mut Vec<ModelEvent>) {
        self.close_whole(out);
        let Some(call) = self.list.get_mut(at) else { return };
        let call_id = Some(call.id.clone()).filter(|id| !id.is_empty());
        let block = *next_block;
        *next_block += 1;
        call.block = Some(block);
        self.growing.push(at);
        let (name, mut kind) = (call.name.clone(), call.kind);
        if kind == CallKind::Custom && !self.custom_tools {
            let why = "a custom call, without such a tool in the request, was given as a function call";
            out.push(ModelEvent::Note(Note::emulated("function_call", why)));
            kind = CallKind::Function;
        }
        out.push(ModelEvent::ToolCallStart {
            block,
            call_id,
            name,
            namespace: None,
            kind,
            extra: Extra::NONE,
        });
        tell(call, block, self.custom_tools, out);
    }

    /// Ends the open calls that cannot grow any more; the others may be interleaved with what comes.
    pub(super) fn close_whole(&mut self, out: &mut Vec<ModelEvent>) {
        let (list, custom_tools) = (&mut self.list, self.custom_tools);
        self.growing.retain(|at| {
            let Some(call) = list.get_mut(*at) else { return false };
            if let Some(block) = call.block
                && call.is_whole()
                && !call.args.are_blank()
            {
                close(call, block, true, custom_tools, out);
            }
            !call.closed
        });
    }

    /// Whether a call has not got all of its arguments.
    pub(super) fn any_unfinished(&mut self) -> bool {
        self.list.iter_mut().any(|call| !call.closed && !call.is_echo() && !call.is_whole())
    }

    /// Whether a call ends in the middle of its arguments.
    pub(super) fn any_cut(&mut self) -> bool {
        self.list
            .iter_mut()
            .any(|call| !call.closed && call.kind == CallKind::Function && call.args.are_cut())
    }

    /// Ends all calls. `whole`: the answer was not cut off. False if a call has no name.
    pub(super) fn finish(&mut self, whole: bool, next_block: &mut u32, out: &mut Vec<ModelEvent>) -> bool {
        let mut named = true;
        for at in 0..self.list.len() {
            match self.list.get(at).filter(|call| call.block.is_none()) {
                Some(call) if call.name.is_empty() => named = false,
                Some(call) if call.is_echo() => {}
                Some(_) => self.start(at, next_block, out),
                None => {}
            }
        }
        self.close_whole(out);
        let mut lost = false;
        for call in &mut self.list {
            if let Some(block) = call.block.filter(|_| !call.closed) {
                let complete = whole || call.is_whole();
                if whole && call.kind == CallKind::Function && call.args.are_empty() {
                    // A call without arguments: the empty object is what it means.
                    call.args.push("{}");
                }
                close(call, block, complete, self.custom_tools, out);
            }
            lost |= call.args.have_leftovers();
        }
        if lost {
            let why = "the provider sent more arguments after a call was whole";
            out.push(ModelEvent::Note(Note::dropped("function_call", why)));
        }
        named
    }
}

/// Hands out what came of a call's arguments. A custom call that is given as a function is wrapped once it is whole.
fn tell(call: &mut OpenCall, block: u32, custom_tools: bool, out: &mut Vec<ModelEvent>) {
    if (call.kind == CallKind::Function || custom_tools)
        && let Some(delta) = call.args.fresh()
    {
        out.push(ModelEvent::ToolArgsDelta { block, delta });
    }
}

fn close(call: &mut OpenCall, block: u32, complete: bool, custom_tools: bool, out: &mut Vec<ModelEvent>) {
    call.closed = true;
    call.args.settle();
    tell(call, block, custom_tools, out);
    if let Some(input) = call.args.fresh() {
        out.push(ModelEvent::ToolArgsDelta { block, delta: custom_arguments(&input) });
    }
    out.push(ModelEvent::BlockDone { block, complete });
}
