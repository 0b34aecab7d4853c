//! The one state machine behind streams and unary answers: message members in, events out.

use std::sync::Arc;

use or_protocol::{Annotation, LogProb, Tool, Usage};
use serde_json::value::RawValue;

use super::calls::Calls;
use super::media::Image;
use super::reasons::read_reason;
use super::sources::Sources;
use crate::openai_chat::reasoning::{DetailText, Details};
use crate::openai_chat::wire::{
    CallPiece, Content, Delta, KIND, Logprobs, WireAnnotation, WireAudio, WireImage, WireUsage,
};
use crate::shared::lenient::{self, Count, Lenient, Objects, Word};
use crate::{AdapterError, FinishReason, ModelEvent, ModelRequest, Note};

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Machine {
    host: Arc<str>,
    model: String,
    wants_logprobs: bool,
    next_block: u32,
    open: Open,
    /// Anything but reasoning was put out.
    spoke: bool,
    calls: Calls,
    details: Details,
    /// Reasoning text was taken from a plain field: the same text in the details is a repetition.
    plain_reasoning: bool,
    detail_index: Option<Option<u64>>,
    /// Log probabilities of tokens whose text has not come yet.
    logprobs: Vec<LogProb>,
    /// Code points of the messages that are closed: the host counts annotations over all of them.
    chars_before: u64,
    chars: u64,
    sources: Sources,
    /// Text came as such, not only as what was spoken.
    wrote: bool,
    pub(super) usage: Option<Usage>,
    tier: bool,
    notes: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    Nothing,
    Reasoning(u32),
    Message(u32),
}

impl Machine {
    pub(super) fn new(request: &ModelRequest<'_>, host: Arc<str>) -> Self {
        Self {
            host,
            model: request.model.to_owned(),
            wants_logprobs: request.settings.wants_logprobs(),
            next_block: 0,
            open: Open::Nothing,
            spoke: false,
            calls: Calls::new(request.settings.tools.iter().any(|tool| matches!(tool, Tool::Custom(_)))),
            details: Details::default(),
            plain_reasoning: false,
            detail_index: None,
            logprobs: Vec::new(),
            chars_before: 0,
            chars: 0,
            sources: Sources::default(),
            wrote: false,
            usage: None,
            tier: false,
            notes: Vec::new(),
        }
    }

    /// Whether nothing of the answer came yet.
    pub(super) fn is_empty(&self) -> bool {
        self.next_block == 0 && self.calls.is_empty()
    }

    /// What comes is a whole message.
    pub(super) fn is_whole(&mut self) {
        self.calls.are_whole = true;
    }

    /// Takes in a delta, or a whole message.
    pub(super) fn delta(&mut self, delta: Delta<'_>, logprobs: Option<&RawValue>, out: &mut Vec<ModelEvent>) {
        self.calls.next_delta();
        self.reasoning(&delta, out);
        if let Some(raw) = logprobs.filter(|_| self.wants_logprobs) {
            let parsed = lenient::owned::<Logprobs>(raw.get()).unwrap_or_default();
            self.logprobs.extend(parsed.content.0);
        }
        match delta.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => self.written(text.into_owned(), out),
            Content::Parts(parts) => {
                for part in parts {
                    match (part.kind.as_str(), part.thinking) {
                        ("thinking", Content::Text(text)) => self.raw_reasoning(&text, out),
                        ("thinking", Content::Parts(texts)) => {
                            texts.iter().for_each(|t| self.raw_reasoning(t.text.as_str(), out));
                        }
                        ("text", _) if part.text.is_empty() => {}
                        ("text", _) => self.written(part.text.0.into_owned(), out),
                        _ => self.note("content", "a content part of unknown type was left out", out),
                    }
                }
            }
        }
        if !delta.refusal.is_empty() {
            let block = self.message(out);
            out.push(ModelEvent::RefusalDelta { block, text: delta.refusal.0.into_owned() });
        }
        if let Some(audio) = delta.audio.0 {
            self.audio(audio, out);
        }
        for image in &delta.images.0 {
            self.image(image, out);
        }
        if let Some(raw) = delta.annotations {
            self.annotations(raw, out);
        }
        delta.tool_calls.0.iter().for_each(|piece| self.call(piece, out));
        if delta.function_call.0.is_some() {
            // The old form knows only one call.
            let piece = CallPiece {
                index: Count(Some(u64::MAX)),
                id: Word::default(),
                function: delta.function_call,
                custom: Lenient::default(),
            };
            self.call(&piece, out);
        }
        if delta.executed_tools.0 {
            self.note("executed_tools", "tools run by the provider are not shown", out);
        }
    }

    fn written(&mut self, text: String, out: &mut Vec<ModelEvent>) {
        self.wrote = true;
        self.text(text, out);
    }

    /// Speech is told by its words; hosts that also write them send them twice.
    fn audio(&mut self, audio: WireAudio<'_>, out: &mut Vec<ModelEvent>) {
        if !self.wrote && !audio.transcript.is_empty() {
            self.text(audio.transcript.0.into_owned(), out);
        }
        if audio.data.0 {
            self.note("audio", "spoken answers are carried as their transcript only", out);
        }
    }

    fn image(&mut self, image: &WireImage<'_>, out: &mut Vec<ModelEvent>) {
        match Image::read(image) {
            Some(Image::Item(item)) => {
                self.seal_before_speech(out);
                self.close(true, false, out);
                self.calls.close_whole(out);
                self.spoke = true;
                let block = self.new_block();
                out.push(ModelEvent::HostedItem { block, item, done: true });
            }
            Some(Image::At(url)) => self.written(format!("\n![image]({url})\n"), out),
            None => self.note("images", "an image of unknown form was left out", out),
        }
    }

    fn text(&mut self, text: String, out: &mut Vec<ModelEvent>) {
        let block = self.message(out);
        self.sources.read(&text, self.chars);
        self.chars += text.chars().count() as u64;
        out.push(ModelEvent::TextDelta { block, text, logprobs: std::mem::take(&mut self.logprobs) });
    }

    fn call(&mut self, piece: &CallPiece<'_>, out: &mut Vec<ModelEvent>) {
        if piece.is_empty() {
            return;
        }
        self.seal_before_speech(out);
        self.close(true, false, out);
        self.spoke = true;
        self.calls.push(piece, &mut self.next_block, out);
    }

    /// Reasoning comes under several names; where two carry the same text one of them is taken.
    fn reasoning(&mut self, delta: &Delta<'_>, out: &mut Vec<ModelEvent>) {
        let plain =
            if delta.reasoning_content.is_empty() { &delta.reasoning } else { &delta.reasoning_content };
        let texts = delta.reasoning_details.map(|raw| self.details.push(raw)).unwrap_or_default();
        if self.plain_reasoning || texts.is_empty() {
            if !plain.is_empty() {
                self.plain_reasoning = true;
                self.raw_reasoning(plain.as_str(), out);
            }
            return;
        }
        for (index, text) in texts {
            let block = self.reasoning_block(out);
            if self.detail_index.is_some_and(|last| last != index) {
                out.push(ModelEvent::PartDone { block });
            }
            self.detail_index = Some(index);
            out.push(match text {
                DetailText::Raw(text) => ModelEvent::ReasoningDelta { block, text },
                DetailText::Summary(text) => ModelEvent::SummaryDelta { block, text },
            });
        }
    }

    fn raw_reasoning(&mut self, text: &str, out: &mut Vec<ModelEvent>) {
        if !text.is_empty() {
            let block = self.reasoning_block(out);
            out.push(ModelEvent::ReasoningDelta { block, text: text.to_owned() });
        }
    }

    fn annotations(&mut self, raw: &RawValue, out: &mut Vec<ModelEvent>) {
        let mut mended = String::new();
        let list = lenient::read::<Objects<WireAnnotation<'_>>>(KIND, raw.get(), &mut mended);
        for annotation in list.unwrap_or_default().0 {
            let is_url = annotation.kind.as_str() == "url_citation";
            let citation = annotation.url_citation.0.filter(|c| is_url && !c.url.is_empty());
            let Some(citation) = citation else {
                self.note("annotations", "an annotation that is no url citation was left out", out);
                continue;
            };
            let end = citation.end_index.0.unwrap_or(self.chars_before + self.chars);
            let start = citation.start_index.0.unwrap_or(end);
            if start < self.chars_before {
                self.note("annotations", "an annotation of an earlier message came too late", out);
                continue;
            }
            let block = self.message(out);
            self.sources.annotated(citation.url.as_str());
            let annotation = Annotation::UrlCitation {
                url: citation.url.0.into_owned(),
                title: citation.title.0.into_owned(),
                start_index: start - self.chars_before,
                end_index: end.saturating_sub(self.chars_before),
            };
            out.push(ModelEvent::Annotation { block, annotation });
        }
    }

    fn new_block(&mut self) -> u32 {
        self.next_block += 1;
        self.next_block - 1
    }

    fn message(&mut self, out: &mut Vec<ModelEvent>) -> u32 {
        if let Open::Message(block) = self.open {
            return block;
        }
        self.seal_before_speech(out);
        self.close(true, false, out);
        self.calls.close_whole(out);
        self.spoke = true;
        let block = self.new_block();
        self.open = Open::Message(block);
        block
    }

    fn reasoning_block(&mut self, out: &mut Vec<ModelEvent>) -> u32 {
        if let Open::Reasoning(block) = self.open {
            return block;
        }
        self.close(true, false, out);
        self.calls.close_whole(out);
        self.detail_index = None;
        let block = self.new_block();
        self.open = Open::Reasoning(block);
        block
    }

    /// Sealed state belongs before what it led to. Later pieces wait for the end of the turn.
    fn seal_before_speech(&mut self, out: &mut Vec<ModelEvent>) {
        if self.details.pending() && !self.spoke {
            self.reasoning_block(out);
        }
    }

    /// Ends the message or the reasoning that is open. `last`: it is the last one of the answer.
    fn close(&mut self, complete: bool, last: bool, out: &mut Vec<ModelEvent>) {
        match self.open {
            Open::Nothing => return,
            Open::Reasoning(block) => {
                if self.details.pending() {
                    let encrypted_content = self.details.seal(&self.host, &self.model);
                    out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
                }
                out.push(ModelEvent::BlockDone { block, complete });
            }
            Open::Message(block) => {
                let annotations = self.sources.of_text(self.chars, last);
                out.extend(
                    annotations.into_iter().map(|annotation| ModelEvent::Annotation { block, annotation }),
                );
                self.chars_before += self.chars;
                self.chars = 0;
                out.push(ModelEvent::BlockDone { block, complete });
            }
        }
        self.open = Open::Nothing;
    }

    pub(super) fn note(&mut self, field: &'static str, why: &'static str, out: &mut Vec<ModelEvent>) {
        if !self.notes.contains(&why) {
            self.notes.push(why);
            out.push(ModelEvent::Note(Note::dropped(field, why)));
        }
    }

    /// Sources that stand beside the answer.
    pub(super) fn sources(
        &mut self,
        citations: Option<&RawValue>,
        results: Option<&RawValue>,
        out: &mut Vec<ModelEvent>,
    ) {
        if !self.sources.learn(citations, results) {
            self.note("citations", "the provider's list of sources could not be read", out);
        }
    }

    pub(super) fn usage(&mut self, raw: &RawValue, out: &mut Vec<ModelEvent>) {
        let Some(usage) = lenient::owned::<WireUsage>(raw.get()) else {
            return self.note("usage", "the provider's token counts could not be read", out);
        };
        let Some(usage) = usage.count(self.usage) else {
            return self.note("usage", "the provider did not count the input", out);
        };
        if self.usage != Some(usage) {
            self.usage = Some(usage);
            out.push(ModelEvent::Usage(usage));
        }
    }

    /// Whether a call has not got all of its arguments.
    pub(super) fn has_unfinished_call(&mut self) -> bool {
        self.calls.any_unfinished()
    }

    pub(super) fn service_tier(&mut self, tier: Word<'_>, out: &mut Vec<ModelEvent>) {
        if !self.tier && !tier.is_empty() {
            self.tier = true;
            out.push(ModelEvent::ServiceTier(tier.0.into_owned()));
        }
    }

    /// Ends the answer for the host's reason; empty is a plain end.
    pub(super) fn finish(&mut self, reason: &str, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let reason = self.reason(reason, out)?;
        let whole = reason == FinishReason::Stop;
        self.seal_before_speech(out);
        self.close(whole, true, out);
        if !self.calls.finish(whole, &mut self.next_block, out) {
            if whole {
                let what = "a tool call without a name".to_owned();
                return Err(AdapterError::BadFrame { provider: KIND, what });
            }
            self.note("function_call", "a tool call was cut off before its name", out);
        }
        if self.details.pending() {
            self.reasoning_block(out);
            self.close(true, true, out);
        }
        if self.sources.any_left() {
            self.note("citations", "there is no text behind which the provider's sources could stand", out);
        }
        out.push(ModelEvent::Finished { reason });
        Ok(())
    }

    fn reason(&mut self, word: &str, out: &mut Vec<ModelEvent>) -> Result<FinishReason, AdapterError> {
        let reason = match read_reason(word)? {
            Some(FinishReason::Stop) => FinishReason::Stop,
            Some(reason) => return Ok(reason),
            None => {
                self.note("finish_reason", "an unknown finish reason was taken as a plain end", out);
                FinishReason::Stop
            }
        };
        // Of calls that the host says it made the model is told what is wrong. Any other end is none for a call that is
        // in the middle of its arguments.
        if !matches!(word, "tool_calls" | "function_call") && self.calls.any_cut() {
            let why = "a call ends in the middle of its arguments: reported as max_output_tokens";
            out.push(ModelEvent::Note(Note::emulated("finish_reason", why)));
            return Ok(FinishReason::MaxOutputTokens);
        }
        Ok(reason)
    }
}
