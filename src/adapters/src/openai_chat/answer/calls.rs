//! Joins the pieces of tool calls into calls.

use std::collections::HashMap;

use super::arguments::Arguments;
use crate::openai_chat::wire::CallPiece;
use crate::{CallKind, ModelEvent, Note};

/// The tool calls of one answer. A host may send any number of them in any order, so each is found by a key.
#[derive(Debug, Default)]
pub(super) struct Calls {
    list: Vec<OpenCall>,
    /// Place of the last call of an index, and of an id.
    by_index: HashMap<u64, usize>,
    by_id: HashMap<String, usize>,
    /// Places of those that were begun and are not closed, in order.
    growing: Vec<usize>,
}

#[derive(Debug)]
struct OpenCall {
    /// As the host gave it.
    id: String,
    name: String,
    kind: CallKind,
    args: Arguments,
    block: Option<u32>,
    closed: bool,
}

/// One piece, whichever of the wire's forms it came in.
struct Piece<'a> {
    index: Option<u64>,
    id: &'a str,
    name: &'a str,
    args: &'a str,
    kind: CallKind,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes a piece in. `next_block` numbers a block that opens.
    pub(super) fn push(&mut self, piece: &CallPiece<'_>, next_block: &mut u32, out: &mut Vec<ModelEvent>) {
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
        let piece = Piece { index: piece.index.0, id: piece.id.as_str(), name, args, kind };
        let at = match self.find(&piece) {
            Some(at) => at,
            None => {
                self.list.push(OpenCall {
                    id: String::new(),
                    name: String::new(),
                    kind: piece.kind,
                    args: Arguments::default(),
                    block: None,
                    closed: false,
                });
                let at = self.list.len() - 1;
                if let Some(index) = piece.index {
                    self.by_index.insert(index, at);
                }
                at
            }
        };
        self.grow(at, &piece, next_block, out);
    }

    /// The call a piece belongs to; none if it opens a new one.
    fn find(&mut self, piece: &Piece<'_>) -> Option<usize> {
        if piece.index.is_none() && !piece.id.is_empty() {
            return self.by_id.get(piece.id).copied();
        }
        let at = match piece.index {
            Some(index) => *self.by_index.get(&index)?,
            None => self.list.len().checked_sub(1)?,
        };
        let call = self.list.get_mut(at)?;
        // Some hosts number every call 0: a second name tells them apart.
        let renamed = !piece.name.is_empty() && !call.name.is_empty();
        let another = if piece.id.is_empty() || call.id.is_empty() {
            renamed && (piece.name != call.name || (!piece.args.is_empty() && call.args.are_whole()))
        } else {
            renamed && piece.id != call.id
        };
        (!another).then_some(at)
    }

    fn grow(&mut self, at: usize, piece: &Piece<'_>, next_block: &mut u32, out: &mut Vec<ModelEvent>) {
        let Some(call) = self.list.get_mut(at) else { return };
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
        if call.closed {
            if !piece.args.trim().is_empty() {
                let why = "the provider sent more arguments after a call was whole";
                out.push(ModelEvent::Note(Note::dropped("function_call", why)));
            }
            return;
        }
        call.args.push(piece.args);
        if let Some(block) = call.block {
            if !piece.args.is_empty() {
                out.push(ModelEvent::ToolArgsDelta { block, delta: piece.args.to_owned() });
            }
        } else if !call.name.is_empty() && (!call.id.is_empty() || !call.args.text().is_empty()) {
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
        let (name, kind) = (call.name.clone(), call.kind);
        out.push(ModelEvent::ToolCallStart { block, call_id, name, namespace: None, kind });
        if !call.args.text().is_empty() {
            out.push(ModelEvent::ToolArgsDelta { block, delta: call.args.text().to_owned() });
        }
    }

    /// Ends the open calls that cannot grow any more; the others may be interleaved with what comes.
    pub(super) fn close_whole(&mut self, out: &mut Vec<ModelEvent>) {
        let list = &mut self.list;
        self.growing.retain(|at| {
            let Some(call) = list.get_mut(*at) else { return false };
            if let Some(block) = call.block
                && (call.kind == CallKind::Custom || call.args.are_whole())
            {
                call.closed = true;
                out.push(ModelEvent::BlockDone { block, complete: true });
            }
            !call.closed
        });
    }

    /// Ends all calls. `whole`: the answer was not cut off. False if a call has no name.
    pub(super) fn finish(&mut self, whole: bool, next_block: &mut u32, out: &mut Vec<ModelEvent>) -> bool {
        let mut named = true;
        for at in 0..self.list.len() {
            let unstarted = self.list.get(at).filter(|c| c.block.is_none());
            match unstarted.map(|c| c.name.is_empty()) {
                Some(true) => named = false,
                Some(false) => self.start(at, next_block, out),
                None => {}
            }
        }
        self.close_whole(out);
        for call in self.list.iter_mut().filter(|c| !c.closed) {
            let Some(block) = call.block else { continue };
            if whole && call.args.text().trim().is_empty() {
                // A call without arguments: the empty object is what it means.
                out.push(ModelEvent::ToolArgsDelta { block, delta: "{}".to_owned() });
            }
            call.closed = true;
            out.push(ModelEvent::BlockDone { block, complete: whole });
        }
        named
    }
}
