//! One answer as a state machine: chunks in, events out.

use or_protocol::{LogProb, TopLogProb, Usage};

use super::call_ids::CallIds;
use super::finish::{outcome, plain};
use super::grounding::Citations;
use super::names::Names;
use super::open::{Open, OpenCall, OpenReasoning, OpenText};
use super::partial_args::PartialArgs;
use super::state::{CallState, SignedPart, Span};
use super::wire::{
    Candidate, Chunk, FunctionCall, LogprobsResult, Part, PromptFeedback, TokenLogprob, UsageMetadata,
};
use super::{error, json};
use crate::{AdapterError, CallKind, FinishReason, ModelEvent, ModelRequest, Note};

/// State of an answer that is being read.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) model: String,
    names: Names,
    wants_logprobs: bool,
    ids: CallIds,
    next_block: u32,
    pub(super) open: Open,
    /// The whole answer's text, thoughts left out: grounding points into it.
    pub(super) answer: String,
    pub(super) citations: Citations,
    usage: UsageMetadata,
    /// The last one counts: with code execution a `STOP` can stand in the middle.
    reason: Option<FinishReason>,
    /// An earlier item of this turn says that further calls carry Gemini's ids.
    ids_known: bool,
    noted: Vec<&'static str>,
    over: bool,
}

impl Turn {
    pub(super) fn new(request: &ModelRequest<'_>) -> Self {
        Self {
            model: request.model.to_owned(),
            names: Names::of_request(&request.settings.tools),
            wants_logprobs: request.settings.wants_logprobs(),
            ids: CallIds::new(request),
            next_block: 0,
            open: Open::Nothing,
            answer: String::new(),
            citations: Citations::default(),
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
        if let Some(usage) = chunk.usage_metadata {
            self.usage(usage, out);
        }
        if let Some(raw) = chunk.error {
            self.over = true;
            return Err(AdapterError::Upstream(error::inside(raw.get())));
        }
        if let Some(feedback) = chunk.prompt_feedback {
            self.feedback(feedback, out);
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            if candidate.index.unwrap_or(0) > 0 {
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
        if self.citations.left_over() {
            self.note(out, "annotations", "a citation came after its text was closed");
        }
        if self.citations.without_address {
            self.note(out, "annotations.sources", "a source without an address cannot be cited");
        }
        out.push(ModelEvent::Finished { reason });
        true
    }

    pub(super) fn block(&mut self) -> u32 {
        let block = self.next_block;
        self.next_block += 1;
        block
    }

    /// One note per field in a turn.
    pub(super) fn note(&mut self, out: &mut Vec<ModelEvent>, field: &'static str, why: &str) {
        if !self.noted.contains(&field) {
            self.noted.push(field);
            out.push(ModelEvent::Note(Note::dropped(field, plain(why))));
        }
    }

    fn usage(&mut self, usage: UsageMetadata, out: &mut Vec<ModelEvent>) {
        if usage == self.usage {
            return;
        }
        if usage.service_tier != self.usage.service_tier
            && let Some(tier) = &usage.service_tier
        {
            let tier = if tier == "standard" { "default".to_owned() } else { tier.clone() };
            out.push(ModelEvent::ServiceTier(tier));
        }
        if let Some(counts) = counts(&usage) {
            out.push(ModelEvent::Usage(counts));
        }
        self.usage = usage;
    }

    fn feedback(&mut self, feedback: PromptFeedback, out: &mut Vec<ModelEvent>) {
        if let Some(reason) = feedback.block_reason {
            let message = feedback.block_reason_message.unwrap_or_default();
            self.note(out, "input", &format!("prompt blocked: {reason} {message}"));
            self.reason = Some(FinishReason::ContentFilter);
        }
    }

    fn candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if let Some(raw) = candidate.grounding_metadata {
            match serde_json::from_str(raw.get()) {
                Ok(grounding) => self.citations.add(grounding),
                Err(_) => self.note(out, "annotations", "the grounding could not be read"),
            }
        }
        let raw = candidate.logprobs_result.filter(|_| self.wants_logprobs);
        let mut logprobs = match raw.map(|raw| serde_json::from_str(raw.get())) {
            Some(Ok(result)) => read_logprobs(result),
            Some(Err(_)) => {
                self.note(out, "logprobs", "the log probabilities could not be read");
                Vec::new()
            }
            None => Vec::new(),
        };
        for part in candidate.content.and_then(|c| c.parts).into_iter().flatten() {
            self.part(part, &mut logprobs, out);
        }
        if let Some(reason) = candidate.finish_reason {
            let message = candidate.finish_message.as_deref();
            let reason_is = outcome(&reason, message)?;
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
        let sig = part.thought_signature.filter(|s| !s.is_empty());
        if let Some(call) = part.function_call {
            self.call(call, sig, out);
        } else if let Some(text) = part.text {
            match part.thought.unwrap_or(false) {
                true => self.thought(text, sig, out),
                false => self.text(text, sig, logprobs, out),
            }
        } else if part.executable_code.is_some() || part.code_execution_result.is_some() {
            self.note(out, "output.code_execution", "code run by the provider is not carried over");
        } else if part.tool_call.is_some() || part.tool_response.is_some() {
            self.note(out, "output.server_tools", "tools run by the provider are not carried over");
        } else if part.inline_data.is_some() || part.file_data.is_some() {
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
        if let Some(name) = call.name.filter(|n| !n.is_empty()) {
            self.start_call(name, call.id.filter(|id| !id.is_empty()), sig, out);
        } else if let (Open::Call(open), Some(sig)) = (&mut self.open, sig) {
            open.late_sig = Some(sig);
        }
        let Open::Call(open) = &mut self.open else {
            // An end mark without a beginning says nothing.
            if call.args.is_none() && call.partial_args.is_none() {
                return;
            }
            self.note(out, "output.function_call", "a call without a name is not carried over");
            return;
        };
        if let Some(args) = call.args {
            open.whole = Some(json::compact(args.get()));
        }
        let mut lost = false;
        for piece in call.partial_args.into_iter().flatten() {
            lost |= !open.pieces.add(piece);
        }
        if lost {
            self.note(
                out,
                "output.function_call.arguments",
                "a streamed argument has a path that is not known",
            );
        }
        if !call.will_continue.unwrap_or(false) {
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
        let name = self.names.to_ours(name);
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
            call_id: call_id.clone(),
            name,
            namespace: None,
            kind: CallKind::Function,
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

/// Our counting. Nothing if the provider counted nothing.
fn counts(usage: &UsageMetadata) -> Option<Usage> {
    let counted = [usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count];
    counted.iter().any(Option::is_some).then(|| {
        let n = Option::unwrap_or_default;
        let thoughts: u64 = n(usage.thoughts_token_count);
        Usage::new(
            n(usage.prompt_token_count).saturating_add(n(usage.tool_use_prompt_token_count)),
            n(usage.candidates_token_count).saturating_add(thoughts),
            usage.total_token_count,
            n(usage.cached_content_token_count),
            thoughts,
        )
    })
}

fn read_logprobs(result: LogprobsResult) -> Vec<LogProb> {
    let mut tops = result.top_candidates.into_iter().flatten();
    let top = |t: TokenLogprob| TopLogProb {
        bytes: t.token.clone().into_bytes(),
        token: t.token,
        logprob: t.log_probability,
    };
    let chosen = result.chosen_candidates.into_iter().flatten();
    chosen
        .map(|t| LogProb {
            bytes: t.token.clone().into_bytes(),
            token: t.token,
            logprob: t.log_probability,
            top_logprobs: tops
                .next()
                .and_then(|list| list.candidates)
                .into_iter()
                .flatten()
                .map(top)
                .collect(),
        })
        .collect()
}
