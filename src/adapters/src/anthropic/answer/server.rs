//! Calls that the provider ran itself: what they look like as items, and their blocks for the next turn.
//!
//! The blocks go back as they came and in their order, so each item is sealed with all blocks since the last one; those
//! of tools that make no items are sealed with the next, or by themselves before anything else is said.

use or_protocol::{Envelope, RawJson};
use serde_json::value::RawValue;

use super::AnswerTranslator;
use super::open::{Kind, Open};
use super::server_call::{Found, ServerCall, code, kind_of, text};
use crate::anthropic::wire::{AnswerBlock, KIND};
use crate::note::plain_word;
use crate::shared::hosted::{Ended, HostedCall, HostedKind};
use crate::{ModelEvent, Note};

/// Whether a block is a result of the provider's own tools.
pub(super) fn is_result(kind: &str) -> bool {
    kind.ends_with("_tool_result")
}

impl AnswerTranslator {
    /// A call begins.
    pub(super) fn start_server(&mut self, index: u64, block: AnswerBlock<'_>, out: &mut Vec<ModelEvent>) {
        let name = block.name.0.into_owned();
        let kind = kind_of(&name).filter(|kind| self.asked.shown.shows(*kind));
        let call = ServerCall {
            id: block.id.0.into_owned(),
            start: RawJson::keep(block.whole.unwrap_or(RawValue::NULL)).unwrap_or_default(),
            input: String::new(),
            item: None,
            name,
        };
        let number = self.start_item(index, Kind::Server(Box::new(call)), out);
        let shown = self.asked.shown;
        if let (Some(kind), Some(Open { kind: Kind::Server(call), .. })) = (kind, self.open.last_mut()) {
            call.item = Some(HostedCall::open(kind, number, shown, out));
        }
    }

    /// The input of a call is whole.
    pub(super) fn end_server_block(&mut self, at: usize, out: &mut Vec<ModelEvent>) {
        let Some(open) = self.open.get_mut(at).filter(|open| !open.ended) else { return };
        let Kind::Server(call) = &mut open.kind else { return };
        open.ended = true;
        let (block, input) = call.whole();
        self.blocks.push(block);
        let Some(item) = &mut call.item else { return };
        match item.kind() {
            HostedKind::WebSearch => item.search(text(&input, "query").into_iter().collect(), out),
            HostedKind::CodeInterpreter => item.run(code(&call.name, &input), out),
        }
    }

    /// Ends a call's block and takes the call out.
    fn take_server(&mut self, at: usize, out: &mut Vec<ModelEvent>) -> Option<HostedCall> {
        self.end_server_block(at, out);
        match self.open.remove(at).kind {
            Kind::Server(call) => call.item,
            _ => None,
        }
    }

    /// A result came. It is of the call of its id, or of the oldest that waits.
    pub(super) fn server_result(&mut self, index: u64, block: &AnswerBlock<'_>, out: &mut Vec<ModelEvent>) {
        self.passed_over.insert(index);
        let id = block.tool_use_id.as_str();
        let kind = block.kind.as_str().strip_suffix("_tool_result").and_then(kind_of);
        let fits = |open: &Open, exact: bool| match &open.kind {
            Kind::Server(call) => match exact {
                true => call.id == id,
                false => call.item.as_ref().is_some_and(|item| Some(item.kind()) == kind),
            },
            _ => false,
        };
        let at = [true, false].into_iter().find_map(|exact| self.open.iter().position(|o| fits(o, exact)));
        let call = match at {
            Some(at) => self.take_server(at, out),
            None if kind.is_some_and(|kind| self.asked.shown.shows(kind)) => {
                // The call stood at the end of an earlier turn, which was paused behind it.
                self.close_ended(false, out);
                let number = self.next_number();
                kind.map(|kind| HostedCall::open(kind, number, self.asked.shown, out))
            }
            None => None,
        };
        let whole = block.whole.and_then(|raw| RawJson::keep(raw).ok());
        self.blocks.extend(whole.map(|raw| raw.as_str().to_owned()));
        let Some(call) = call else { return };
        let found = block.content.map(Found::read).unwrap_or_default();
        if let Some(code) = &found.error {
            let field = format!("output.{}", kind.map_or("server_tool", HostedKind::name));
            out.push(ModelEvent::Note(Note::dropped(
                field,
                format!("the call failed: {}", plain_word(code)),
            )));
        }
        if found.files {
            let why = "files that the code made are not carried over";
            out.push(ModelEvent::Note(Note::dropped("output.code_interpreter_call.outputs", why)));
        }
        let status = if found.error.is_some() { "failed" } else { "completed" };
        let state = self.seal_blocks();
        call.close(Ended { status, sources: found.sources, logs: found.logs, state }, out);
    }

    /// Something else is said: blocks that no item holds get one of their own.
    pub(super) fn keep_blocks(&mut self, out: &mut Vec<ModelEvent>) {
        // An item that is open stands before what is said now, and so do its blocks.
        let waits = |open: &Open| matches!(&open.kind, Kind::Server(call) if call.item.is_some());
        if self.blocks.is_empty() || self.open.iter().any(waits) {
            return;
        }
        self.close_ended(false, out);
        let block = self.next_number();
        if let Some(encrypted_content) = self.seal_blocks() {
            out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
            out.push(ModelEvent::BlockDone { block, complete: true });
        }
    }

    /// The answer is over: calls without a result end. `whole`: nothing was cut off, so the provider may take them up
    /// in the next turn.
    pub(super) fn end_server(&mut self, whole: bool, out: &mut Vec<ModelEvent>) {
        let waiting = |open: &Open| matches!(open.kind, Kind::Server(_));
        while let Some(at) = self.open.iter().position(waiting) {
            if let Some(item) = self.take_server(at, out) {
                let state = if whole { self.seal_blocks() } else { None };
                // Nothing in a completed response is incomplete.
                let status = if whole { "completed" } else { "incomplete" };
                item.close(Ended { status, state, ..Ended::default() }, out);
            }
        }
        if whole {
            self.keep_blocks(out);
        }
    }

    fn seal_blocks(&mut self) -> Option<String> {
        let blocks = std::mem::take(&mut self.blocks);
        (!blocks.is_empty())
            .then(|| Envelope::seal(KIND, &self.asked.model, &format!("[{}]", blocks.join(","))))
    }
}
