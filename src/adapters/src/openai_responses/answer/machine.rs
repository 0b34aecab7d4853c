//! Whole items and the end of an answer, for unary bodies and for the done events of a stream.

use or_protocol::{Annotation, Envelope, LogProb, Phase, RawJson};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::blocks::{BlockKind, Blocks, PartKind};
use crate::openai_responses::wire::{
    Extended, KIND, Loose, OutputItem, OutputPart, Response, parse, string, usage,
};
use crate::shared::lenient;
use crate::{AdapterError, CallKind, FinishReason, ModelEvent, Note};

/// What is known of the answer so far.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) blocks: Blocks,
    /// Log probabilities were asked for.
    pub(super) logprobs: bool,
    model: String,
}

impl Machine {
    pub(super) fn new(model: &str, logprobs: bool) -> Self {
        Self { blocks: Blocks::default(), logprobs, model: model.to_owned() }
    }

    /// An item as it begins.
    pub(super) fn item_added(
        &mut self,
        at: u32,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let item: OutputItem<'_> = parse(raw.get(), &mut mended)?;
        let kind = BlockKind::of(item.kind.as_str());
        let Some(block) = self.blocks.open(at, kind) else { return Ok(()) };
        if block.opened {
            return Ok(());
        }
        match kind {
            BlockKind::Message => {
                block.opened = true;
                out.push(ModelEvent::MessageStart { block: at, phase: phase(&item) });
            }
            // Its first text or its sealed state opens it.
            BlockKind::Reasoning => {}
            BlockKind::Call(call) => self.start_call(at, call, &item, false, out),
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
        at: u32,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let item: OutputItem<'_> = parse(raw.get(), &mut mended)?;
        let kind = BlockKind::of(item.kind.as_str());
        let Some(block) = self.blocks.open(at, kind) else { return Ok(()) };
        match kind {
            BlockKind::Message => {
                if !block.opened {
                    block.opened = true;
                    out.push(ModelEvent::MessageStart { block: at, phase: phase(&item) });
                }
                self.parts(at, PartKind::Text, &item.content, out)?;
            }
            BlockKind::Reasoning => {
                self.parts(at, PartKind::Summary, &item.summary, out)?;
                self.parts(at, PartKind::Raw, &item.content, out)?;
                if let Some(blob) = blob(&item) {
                    if let Some(block) = self.blocks.open(at, kind) {
                        block.opened = true;
                    }
                    let encrypted_content = Envelope::seal(KIND, &self.model, &blob);
                    out.push(ModelEvent::ReasoningSealed { block: at, encrypted_content });
                }
            }
            BlockKind::Call(call) => {
                if !block.opened {
                    self.start_call(at, call, &item, true, out);
                }
                let payload = match call {
                    CallKind::Function => item.arguments,
                    CallKind::Custom => item.input,
                };
                if let Some(payload) = payload {
                    self.blocks.whole_payload(at, call, &string(payload), out);
                }
                // A call without arguments is still a call with a JSON object.
                if call == CallKind::Function && self.blocks.payload_is_empty(at) && complete(&item) {
                    self.blocks.payload(at, call, "{}".into(), out);
                }
            }
            BlockKind::Hosted => {
                block.done = true;
                out.push(ModelEvent::HostedItem { block: at, item: self.hosted(raw)?, done: true });
                return Ok(());
            }
        }
        self.blocks.done(at, complete(&item), out);
        Ok(())
    }

    /// The end of the answer. Items that only the snapshot has are put out first.
    pub(super) fn end(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let output = response.output.as_ref().map_or(&[][..], Loose::list);
        let whole = output.len() > self.blocks.len();
        for (at, raw) in (0..).zip(output) {
            match self.blocks.get(at) {
                Some(block) if block.done => {}
                Some(_) => self.item_done(at, raw, out)?,
                // Where the stream had as many items, its numbering is another one.
                None if whole => self.item_done(at, raw, out)?,
                None => {}
            }
        }
        if let Some(usage) = response.usage.and_then(usage) {
            out.push(ModelEvent::Usage(usage));
        }
        if let Some(tier) = response.service_tier.filter(|t| t.get().starts_with('"')) {
            out.push(ModelEvent::ServiceTier(string(tier).into_owned()));
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

    fn start_call(
        &mut self,
        at: u32,
        kind: CallKind,
        item: &OutputItem<'_>,
        last_chance: bool,
        out: &mut Vec<ModelEvent>,
    ) {
        let name = item.name.as_str();
        let call_id = item.call_id.clone().some();
        // What is still missing comes with the done event.
        if name.is_empty() || (call_id.is_none() && !last_chance) {
            if last_chance {
                out.push(ModelEvent::Note(Note::dropped("output", "a call without a name")));
            }
            return;
        }
        if item.caller.is_some() {
            let why = "the caller of a programmatic call is not kept";
            out.push(ModelEvent::Note(Note::dropped("output.caller", why)));
        }
        if let Some(block) = self.blocks.open(at, BlockKind::Call(kind)) {
            block.opened = true;
        }
        let namespace = item.namespace.clone().some();
        out.push(ModelEvent::ToolCallStart { block: at, call_id, name: name.to_owned(), namespace, kind });
    }

    /// A list of parts, all whole. A string stands for one part.
    fn parts(
        &mut self,
        at: u32,
        kind: PartKind,
        parts: &Loose<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        if let Loose::Text(text) = parts {
            self.blocks.whole_text(at, kind, 0, text, Vec::new(), out);
            self.blocks.part_done(at, kind, 0, out);
        }
        for (index, part) in (0..).zip(parts.list()) {
            self.part_done(at, kind, index, part, out)?;
        }
        Ok(())
    }

    /// A part in its final form. `family` says which kind it has where its type says nothing.
    pub(super) fn part_done(
        &mut self,
        at: u32,
        family: PartKind,
        index: u32,
        raw: &RawValue,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let mut mended = String::new();
        let part: OutputPart<'_> = parse(raw.get(), &mut mended)?;
        let kind = match (part.kind.as_str(), family) {
            ("refusal", _) => PartKind::Refusal,
            ("summary_text", _) | (_, PartKind::Summary) => PartKind::Summary,
            ("reasoning_text", _) | (_, PartKind::Raw) => PartKind::Raw,
            ("output_text" | "text", PartKind::Text | PartKind::Refusal) => PartKind::Text,
            (other, PartKind::Text | PartKind::Refusal) => {
                let why = format!("content part of type {}", ascii(other));
                out.push(ModelEvent::Note(Note::dropped("output.content", why)));
                return Ok(());
            }
        };
        let text = match kind {
            PartKind::Refusal if !part.refusal.is_empty() => part.refusal,
            PartKind::Refusal | PartKind::Text | PartKind::Summary | PartKind::Raw => part.text,
        };
        let logprobs = self.logprobs(part.logprobs);
        self.blocks.whole_text(at, kind, index, text.as_str(), logprobs, out);
        for (number, raw) in part.annotations.list().iter().enumerate() {
            if let Some(annotation) = annotation(raw) {
                self.blocks.annotation(at, index, Some(number), annotation, out);
            }
        }
        self.blocks.part_done(at, kind, index, out);
        Ok(())
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

/// Why an incomplete response ended.
pub(super) fn finish_reason(response: &Response<'_>, out: &mut Vec<ModelEvent>) -> FinishReason {
    match response.incomplete_details.0.as_ref().map_or("", |details| details.reason.as_str()) {
        "max_output_tokens" | "max_tokens" | "length" => FinishReason::MaxOutputTokens,
        "content_filter" => FinishReason::ContentFilter,
        other => {
            let why = format!("reason {:?} is reported as max_output_tokens", ascii(other));
            out.push(ModelEvent::Note(Note::emulated("incomplete_details.reason", why)));
            FinishReason::MaxOutputTokens
        }
    }
}

/// One annotation; a `url_citation` may lack everything but its url.
pub(super) fn annotation(raw: &RawValue) -> Option<Annotation> {
    let raw = RawJson::keep(raw).ok().filter(RawJson::is_object)?;
    if raw.text("type").as_deref() != Some("url_citation") {
        return Some(Annotation::Other(raw));
    }
    let text = |key| raw.text(key).unwrap_or_default().into_owned();
    let number = |key| raw.get(key).and_then(|n| n.get().parse().ok()).unwrap_or_default();
    Some(Annotation::UrlCitation {
        url: text("url"),
        title: text("title"),
        start_index: number("start_index"),
        end_index: number("end_index"),
    })
}

fn phase(item: &OutputItem<'_>) -> Option<Phase> {
    match item.phase.as_str() {
        "commentary" => Some(Phase::Commentary),
        "final_answer" => Some(Phase::FinalAnswer),
        _ => None,
    }
}

/// A completed response may list a call as in progress; only `incomplete` means cut off.
fn complete(item: &OutputItem<'_>) -> bool {
    item.status.as_str() != "incomplete"
}

/// The state to seal: the plain blob, or a small object where it needs company.
fn blob(item: &OutputItem<'_>) -> Option<String> {
    let blob = item.encrypted_content.filter(|r| r.get().len() > 2 && r.get().starts_with('"'));
    if item.signature.is_some() || blob.is_some() && item.format.is_some() {
        let state = Extended { encrypted_content: blob, format: item.format, signature: item.signature };
        return serde_json::to_string(&state).ok();
    }
    blob.map(|raw| string(raw).into_owned())
}

/// At most 40 characters of a foreign word, fit for a note.
fn ascii(word: &str) -> String {
    word.chars().filter(char::is_ascii_graphic).take(40).collect()
}
