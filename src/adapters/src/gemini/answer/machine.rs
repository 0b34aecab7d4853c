//! One answer as a state machine: chunks in, events out.

mod closing;
mod extras;
mod hosted;

use or_protocol::{Extra, LogProb};
use serde_json::value::RawValue;

use self::hosted::{Searches, server_part};
use super::call_ids::CallIds;
use super::finish::outcome;
use super::grounding::Citations;
use super::json;
use super::open::{Open, OpenCall, OpenReasoning, OpenText};
use super::partial_args::PartialArgs;
use crate::gemini::error;
use crate::gemini::quirks::Quirks;
use crate::gemini::seal::{CallState, SignedPart, Span};
use crate::gemini::wire::{Candidate, Chunk, FunctionCall, KIND, LogprobsResult, NAMES, Part, UsageMetadata};
use crate::note::plain;
use crate::shared::lenient;
use crate::shared::names::Names;
use crate::{AdapterError, CallKind, FinishReason, ModelEvent, ModelRequest, Note};

/// State of an answer that is being read.
#[derive(Debug)]
pub(super) struct Machine {
    model: String,
    names: Names,
    wants_logprobs: bool,
    ids: CallIds,
    next_block: u32,
    open: Open,
    /// The whole answer's text, thoughts left out: grounding points into it.
    answer: String,
    citations: Citations,
    searches: Searches,
    usage: UsageMetadata<'static>,
    /// The last one counts: with code execution a `STOP` can stand in the middle.
    reason: Option<FinishReason>,
    /// An earlier item of this turn says that further calls carry Gemini's ids.
    ids_known: bool,
    noted: Vec<&'static str>,
    over: bool,
}

impl Machine {
    pub(super) fn new(quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        Self {
            model: request.model.to_owned(),
            names: Names::of_request(request.settings.all_tools(), &NAMES),
            wants_logprobs: request.settings.wants_logprobs(),
            ids: CallIds::new(request),
            next_block: 0,
            open: Open::Nothing,
            answer: String::new(),
            citations: Citations::default(),
            searches: Searches::new(quirks.shown(request.model, request.settings)),
            usage: UsageMetadata::default(),
            reason: None,
            ids_known: false,
            noted: Vec::new(),
            over: false,
        }
    }

    /// Whether the turn has ended, well or not.
    pub(super) fn over(&self) -> bool {
        self.over
    }

    /// Takes one chunk in.
    pub(super) fn push(&mut self, chunk: Chunk<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if let Some(usage) = chunk.usage_metadata.0 {
            self.usage(usage, out);
        }
        if let Some(raw) = chunk.error {
            self.over = true;
            return Err(error::TABLE.inside(raw.get()));
        }
        if let Some(feedback) = chunk.prompt_feedback.0 {
            self.feedback(feedback, out);
        }
        for candidate in chunk.candidates.0 {
            if candidate.index.or_zero() > 0 {
                self.note(out, "candidates", "only the first candidate is used");
                continue;
            }
            if let Err(error) = self.candidate(candidate, out) {
                self.over = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The answer is read to its end. False if it had no end mark.
    pub(super) fn finish(&mut self, out: &mut Vec<ModelEvent>) -> bool {
        self.over = true;
        let Some(reason) = self.reason else { return false };
        self.close(reason == FinishReason::Stop, out);
        if reason == FinishReason::Stop {
            self.tell_searches(out);
        }
        if self.citations.left_over() {
            self.note(out, "annotations", "a citation came after its text was closed");
        }
        if self.citations.without_address {
            self.note(out, "annotations.sources", "a source without an address cannot be cited");
        }
        out.push(ModelEvent::Finished { reason });
        true
    }

    /// The same for a body that was read whole: what has output needs no end mark.
    pub(super) fn finish_whole(&mut self, out: &mut Vec<ModelEvent>) -> bool {
        if self.reason.is_none() && self.next_block > 0 {
            self.note(
                out,
                "output.finish_reason",
                "an answer without a finish reason was taken as a plain end",
            );
            self.reason = Some(FinishReason::Stop);
        }
        self.finish(out)
    }

    fn block(&mut self) -> u32 {
        let block = self.next_block;
        self.next_block += 1;
        block
    }

    /// One note per field in a turn.
    fn note(&mut self, out: &mut Vec<ModelEvent>, field: &'static str, why: &str) {
        if !self.noted.contains(&field) {
            self.noted.push(field);
            out.push(ModelEvent::Note(Note::dropped(field, plain(why))));
        }
    }

    fn candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if let Some(raw) = candidate.grounding_metadata {
            let mut mended = String::new();
            match lenient::read(KIND, raw.get(), &mut mended) {
                Ok(grounding) => {
                    self.searches.add(&grounding);
                    self.citations.add(grounding);
                }
                Err(_) => self.note(out, "annotations", "the grounding could not be read"),
            }
        }
        let raw = candidate.logprobs_result.filter(|_| self.wants_logprobs);
        let mut mended = String::new();
        let read = |raw: &'_ RawValue| {
            lenient::read::<LogprobsResult<'_>>(KIND, raw.get(), &mut mended).map(LogprobsResult::entries)
        };
        let mut logprobs = match raw.map(read) {
            Some(Ok(entries)) => entries,
            Some(Err(_)) => {
                self.note(out, "logprobs", "the log probabilities could not be read");
                Vec::new()
            }
            None => Vec::new(),
        };
        for part in candidate.content.0.unwrap_or_default().parts.0 {
            self.part(part, &mut logprobs, out);
        }
        if let Some(reason) = candidate.finish_reason.some() {
            let message = Some(candidate.finish_message.as_str()).filter(|text| !text.is_empty());
            let known = outcome(&reason, message, self.next_block > 0)?;
            if known.is_none() {
                let why = format!("the finish reason {reason} was taken as a plain end");
                self.note(out, "output.finish_reason", &why);
            }
            let reason_is = known.unwrap_or(FinishReason::Stop);
            match reason_is {
                FinishReason::ContentFilter => {
                    let message = message.unwrap_or_default();
                    self.note(out, "output", &format!("cut off by a filter: {reason} {message}"));
                }
                FinishReason::MaxOutputTokens if reason == "CONTINUATION" => {
                    self.note(out, "output", "the provider offered a continuation, which is not taken up");
                }
                _ => {}
            }
            self.reason = Some(reason_is);
        }
        Ok(())
    }

    fn part(&mut self, part: Part<'_>, logprobs: &mut Vec<LogProb>, out: &mut Vec<ModelEvent>) {
        let server = server_part(&part);
        let sig = part.thought_signature.some();
        if let Some(call) = part.function_call.0 {
            self.call(call, sig, out);
        } else if let Some(text) = part.text {
            let text = text.0.into_owned();
            match part.thought.is_on() {
                true => self.thought(text, sig, out),
                false => self.text(text, sig, logprobs, out),
            }
        } else if let Some((kind, value)) = server {
            self.server_part(kind, value, sig, out);
        } else if let Some(media) = part.inline_data.0 {
            self.media(media, part.thought.is_on(), sig, out);
        } else if part.file_data.0 {
            self.note(out, "output.media", "media in the answer is not carried over");
        } else if let Some(sig) = sig {
            self.text(String::new(), Some(sig), logprobs, out);
        }
    }

    fn thought(&mut self, text: String, sig: Option<String>, out: &mut Vec<ModelEvent>) {
        if text.is_empty() && sig.is_none() {
            return;
        }
        let mut block = 0;
        self.reasoning(out, |open| {
            block = open.block;
            if let Some(sig) = sig {
                open.state.parts.push(SignedPart { text: text.clone(), thought: true, sig });
            }
        });
        if !text.is_empty() {
            out.push(ModelEvent::SummaryDelta { block, text });
        }
    }

    fn text(
        &mut self,
        text: String,
        mut sig: Option<String>,
        logprobs: &mut Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) {
        if text.is_empty() && sig.is_none() {
            return;
        }
        if !matches!(self.open, Open::Text(_)) {
            if let Some(sig) = sig.take() {
                if text.is_empty() {
                    let part = SignedPart { text, thought: false, sig };
                    self.reasoning(out, |open| open.state.parts.push(part));
                    return;
                }
                self.reasoning(out, |open| open.state.next.push(Span::new(0, &text, sig)));
            }
            self.close(true, out);
            let block = self.block();
            self.open = Open::Text(OpenText { block, start: self.answer.len(), prev: Vec::new() });
        }
        let Open::Text(open) = &mut self.open else { return };
        if let Some(sig) = sig {
            open.prev.push(Span::new(self.answer.len() - open.start, &text, sig));
        }
        if !text.is_empty() {
            self.answer.push_str(&text);
            out.push(ModelEvent::TextDelta { block: open.block, text, logprobs: std::mem::take(logprobs) });
        }
    }

    fn call(&mut self, call: FunctionCall<'_>, sig: Option<String>, out: &mut Vec<ModelEvent>) {
        if let Some(name) = call.name.some() {
            self.start_call(name, call.id.some(), sig, out);
        } else if let (Open::Call(open), Some(sig)) = (&mut self.open, sig) {
            open.late_sig = Some(sig);
        }
        let Open::Call(open) = &mut self.open else {
            // An end mark without a beginning says nothing.
            if call.args.is_none() && call.partial_args.0.is_empty() {
                return;
            }
            self.note(out, "output.function_call", "a call without a name is not carried over");
            return;
        };
        if let Some(args) = call.args {
            open.whole = Some(json::compact(&lenient::object_text(args.get())));
        }
        let mut lost = false;
        for piece in call.partial_args.0 {
            lost |= !open.pieces.add(piece);
        }
        if lost {
            self.note(
                out,
                "output.function_call.arguments",
                "a streamed argument has a path that is not known",
            );
        }
        if !call.will_continue.is_on() {
            self.close(true, out);
        }
    }

    fn start_call(
        &mut self,
        name: String,
        given: Option<String>,
        sig: Option<String>,
        out: &mut Vec<ModelEvent>,
    ) {
        let name = self.names.restore(name);
        let (call_id, own) = self.ids.next(given.as_deref(), &name);
        let id = given.filter(|_| !own);
        let news = own && !self.ids_known;
        if news || id.is_some() || sig.is_some() {
            let entry = (id.is_some() || sig.is_some()).then(|| CallState { call: call_id.clone(), id, sig });
            self.reasoning(out, |open| {
                open.state.ids |= own;
                open.state.calls.extend(entry);
            });
            self.ids_known |= own;
        }
        self.close(true, out);
        let block = self.block();
        out.push(ModelEvent::ToolCallStart {
            block,
            call_id: Some(call_id.clone()),
            name,
            namespace: None,
            kind: CallKind::Function,
            extra: Extra::NONE,
        });
        self.open = Open::Call(Box::new(OpenCall {
            block,
            call_id,
            whole: None,
            pieces: PartialArgs::default(),
            late_sig: None,
        }));
    }

    /// Works on the open reasoning item; opens one if need be.
    fn reasoning(&mut self, out: &mut Vec<ModelEvent>, work: impl FnOnce(&mut OpenReasoning)) {
        let mut open = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Reasoning(open) => open,
            other => {
                self.open = other;
                self.close(true, out);
                OpenReasoning::new(self.block())
            }
        };
        work(&mut open);
        self.open = Open::Reasoning(open);
    }
}
