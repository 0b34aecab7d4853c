//! Whole items and the end of an answer, for unary bodies and for the done events of a stream.

use or_protocol::{Envelope, LogProb};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::beside::beside;
use super::blocks::{BlockKind, Blocks, Place};
use super::parts::PartKind;
use super::reading::{ascii, blob, is_complete, phase};
use crate::openai_responses::wire::{Event, KIND, Loose, OutputItem, Response, parse};
use crate::shared::lenient;
use crate::{AdapterError, FinishReason, ModelEvent, Note};

/// What is known of the answer so far.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) blocks: Blocks,
    /// Log probabilities were asked for.
    pub(super) logprobs: bool,
    model: String,
    /// The provider ended a call in the middle of its arguments.
    pub(super) cut_call: bool,
    /// A piece of something that nobody knows has come.
    unknown: bool,
}

impl Machine {
    pub(super) fn new(model: &str, logprobs: bool) -> Self {
        Self { blocks: Blocks::default(), logprobs, model: model.to_owned(), cut_call: false, unknown: false }
    }

    /// An item as it begins.
    pub(super) fn item_added(
        &mut self,
        place: Place<'_>,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let item: OutputItem<'_> = parse(raw.get(), &mut mended)?;
        let at = self.blocks.announce(item.place(place), &item.head());
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        if block.opened {
            return Ok(());
        }
        match block.kind {
            BlockKind::Message => {
                block.opened = true;
                out.push(ModelEvent::MessageStart { block: at, phase: phase(&item) });
            }
            // Its first text or its sealed state opens it.
            BlockKind::Reasoning => {}
            BlockKind::Call(call) => {
                block.first_payload = Some(item.payload(call).into_owned()).filter(|text| !text.is_empty());
                self.start_call(at, call, &item, false, out);
            }
            BlockKind::Hosted => {
                block.opened = true;
                out.push(ModelEvent::HostedItem { block: at, item: self.hosted(raw)?, done: false });
            }
        }
        Ok(())
    }

    /// An item in its final form: whatever of it was not put out yet.
    pub(super) fn item_done(
        &mut self,
        place: Place<'_>,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let item: OutputItem<'_> = parse(raw.get(), &mut mended)?;
        let place = item.place(place);
        match self.ending(place, &item) {
            Some(at) => self.finish_item(at, place, &item, raw, out),
            None => Ok(()),
        }
    }

    pub(super) fn finish_item(
        &mut self,
        at: u32,
        place: Place<'_>,
        item: &OutputItem<'_>,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        self.blocks.learn(at, place, &item.head());
        let Some(block) = self.blocks.get_mut(at) else { return Ok(()) };
        match block.kind {
            BlockKind::Message => {
                if !block.opened {
                    block.opened = true;
                    out.push(ModelEvent::MessageStart { block: at, phase: phase(item) });
                }
                self.parts(at, PartKind::Text, &item.content, out)?;
            }
            BlockKind::Reasoning => {
                self.parts(at, PartKind::Summary, &item.summary, out)?;
                self.parts(at, PartKind::Raw, &item.content, out)?;
                if let Some(blob) = blob(item) {
                    if let Some(block) = self.blocks.get_mut(at) {
                        block.opened = true;
                    }
                    let encrypted_content = Envelope::seal(KIND, &self.model, &blob);
                    out.push(ModelEvent::ReasoningSealed { block: at, encrypted_content });
                }
            }
            BlockKind::Call(call) => {
                if !block.opened {
                    self.start_call(at, call, item, true, out);
                }
                self.whole_payload(at, call, &item.payload(call), out);
                self.end_call(at, call, is_complete(item), out);
            }
            BlockKind::Hosted => {
                out.push(ModelEvent::HostedItem { block: at, item: self.hosted(raw)?, done: true });
                // The event is its end already.
                if let Some(block) = self.blocks.get_mut(at) {
                    block.opened = false;
                }
            }
        }
        self.blocks.done(at, is_complete(item), out);
        Ok(())
    }

    /// The end of the answer. Items that only the snapshot has are put out first.
    pub(super) fn end(
        &mut self,
        response: &Response<'_>,
        reason: FinishReason,
        out: &mut Vec<ModelEvent>,
    ) -> Result<FinishReason, AdapterError> {
        self.snapshot(response.output.as_ref().map_or(&[][..], Loose::list), out)?;
        beside(response, out);
        let whole = reason == FinishReason::Stop;
        self.end_open_calls(whole, out)?;
        if whole && self.cut_call {
            let why = "a call ends in the middle of its arguments: reported as max_output_tokens";
            out.push(ModelEvent::Note(Note::emulated("status", why)));
            return Ok(FinishReason::MaxOutputTokens);
        }
        Ok(reason)
    }

    /// An event about a hosted item goes on as it is, without its padding and places.
    pub(super) fn hosted_event(
        &mut self,
        event: &Event<'_>,
        data: &str,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let found = self.blocks.find(event.place(), BlockKind::Hosted);
        match found.and_then(|at| Some((at, self.blocks.get(at)?.done))) {
            Some((at, false)) => {
                let mut event: Map<String, Value> = parse(data, &mut String::new())?;
                for key in ["sequence_number", "obfuscation", "item_id", "output_index"] {
                    event.shift_remove(key);
                }
                out.push(ModelEvent::HostedEvent { block: at, event });
            }
            // The item in its final form said it all.
            Some((_, true)) => {}
            None if event.kind.as_str().ends_with(".delta") && !self.unknown => {
                self.unknown = true;
                let why = format!("events of type {}", ascii(event.kind.as_str()));
                out.push(ModelEvent::Note(Note::dropped("output", why)));
            }
            None => {}
        }
        Ok(())
    }

    fn hosted(&self, raw: &RawValue) -> Result<Map<String, Value>, AdapterError> {
        let mut map: Map<String, Value> = parse(raw.get(), &mut String::new())?;
        // A compacted context is private state like encrypted reasoning.
        if map.get("type").and_then(Value::as_str) == Some("compaction")
            && let Some(Value::String(blob)) = map.get_mut("encrypted_content")
        {
            *blob = Envelope::seal(KIND, &self.model, blob);
        }
        Ok(map)
    }

    /// Log probabilities, if they were asked for.
    pub(super) fn logprobs(&self, raw: Option<&RawValue>) -> Vec<LogProb> {
        match raw {
            Some(raw) if self.logprobs && raw.get().len() > 2 => {
                lenient::owned(raw.get()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}
