//! The upstream in this process: a request body to the bytes and pauses of its answer.

use std::collections::VecDeque;
use std::ops::Range;

use or_adapters::demo::wire::{
    Count, DemoRequest, ErrorBody, Line, LineKind, Reason, UnaryBody, WireError, WireRole, WireUsage,
};
use or_adapters::demo::{COUNT_PATH, Comes, Model, error_words, fingerprint};
use or_protocol::{LogProb, TopLogProb};
use serde::Serialize;

use crate::plan::{Body, Plan, long_word, plan};
use crate::words::{count, tokens};

/// Seconds that `demo-error-429` asks to wait.
const RETRY_AFTER_S: u64 = 3;
/// Lines before a fault, if the answer is long enough.
const BEFORE_FAULT: usize = 5;
/// Pauses before the first token of a slow answer.
const FIRST_PAUSES: u64 = 5;
/// Most alternatives a log probability lists.
const MAX_TOP: u64 = 20;

/// An answer to be played by the driver.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoAnswer {
    /// HTTP status.
    pub status: u16,
    /// The `retry-after` header, in seconds.
    pub retry_after_s: Option<u64>,
    /// Pause before the status, in milliseconds; `None`: it never comes.
    pub head_after_ms: Option<u64>,
    /// Pieces of the body, in order.
    pub steps: DemoSteps,
    /// What happens after the last step.
    pub end: DemoEnd,
}

/// A piece of an answer's body. A line or a body may be cut off by a fault only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoStep {
    /// Pause before it, in milliseconds.
    pub after_ms: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Pieces of a body, in order. Those of a long answer are made when they are asked for: thousands may be under way.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DemoSteps {
    before: VecDeque<DemoStep>,
    /// Words of a long text.
    words: Range<u64>,
    after: VecDeque<DemoStep>,
}

impl DemoSteps {
    /// The same pieces, to be looked at.
    pub fn iter(&self) -> Self {
        self.clone()
    }
}

impl From<Vec<DemoStep>> for DemoSteps {
    fn from(steps: Vec<DemoStep>) -> Self {
        Self { before: steps.into(), ..Self::default() }
    }
}

impl Iterator for DemoSteps {
    type Item = DemoStep;

    fn next(&mut self) -> Option<DemoStep> {
        let word = || self.words.next().map(|n| step(&Line::new(LineKind::Text, long_word(n)), 0));
        self.before.pop_front().or_else(word).or_else(|| self.after.pop_front())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let words = usize::try_from(self.words.end.saturating_sub(self.words.start)).unwrap_or(usize::MAX);
        let all = words.saturating_add(self.before.len() + self.after.len());
        (all, Some(all))
    }
}

impl ExactSizeIterator for DemoSteps {}

fn step(line: &Line<'_>, after_ms: u64) -> DemoStep {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    DemoStep { after_ms, bytes }
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DemoEnd {
    /// The body is whole.
    Clean,
    /// The connection drops.
    Cut,
    /// Nothing more comes, and the connection stays open.
    Hang,
}

impl DemoAnswer {
    fn whole(status: u16, body: &impl Serialize) -> Self {
        // The wire types have string keys only, which always serialise.
        let bytes = serde_json::to_vec(body).unwrap_or_default();
        Self {
            status,
            retry_after_s: None,
            head_after_ms: Some(0),
            steps: vec![DemoStep { after_ms: 0, bytes }].into(),
            end: DemoEnd::Clean,
        }
    }

    fn error(status: u16, message: Option<String>) -> Self {
        let (code, general) = error_words(status);
        let message = message.unwrap_or_else(|| general.to_owned());
        let error = WireError { code: code.to_owned(), message };
        let retry_after_s = (status == 429).then_some(RETRY_AFTER_S);
        Self { retry_after_s, ..Self::whole(status, &ErrorBody { error }) }
    }
}

/// What the demo provider answers to the body of a POST. The same body gives the same answer.
pub fn respond(path: &str, body: &[u8]) -> DemoAnswer {
    if path == COUNT_PATH { count_answer(body) } else { answer(body) }
}

fn answer(body: &[u8]) -> DemoAnswer {
    let request: DemoRequest<'_> = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => return DemoAnswer::error(400, Some(format!("The body does not parse: {error}."))),
    };
    let Some(model) = Model::named(&request.model) else {
        let text = format!("The demo provider has no model {:?}.", request.model);
        return DemoAnswer::error(404, Some(text));
    };
    match model.comes {
        Comes::Status(status) => return DemoAnswer::error(status, None),
        Comes::Silent => {
            return DemoAnswer {
                status: 200,
                retry_after_s: None,
                head_after_ms: None,
                steps: DemoSteps::default(),
                end: DemoEnd::Hang,
            };
        }
        Comes::AtOnce | Comes::Slowly(_) | Comes::Fails | Comes::Cut | Comes::Hangs => {}
    }
    match plan(&request, model) {
        Err(text) => DemoAnswer::error(400, Some(text)),
        Ok(plan) => {
            let written = Writer::write(&request, model, plan);
            if request.stream { streamed(written, model.comes) } else { unary(written.lines, model.comes) }
        }
    }
}

/// What the demo provider answers to the body of `POST /demo/count`: the tokens of `usage`, without an answer.
fn count_answer(body: &[u8]) -> DemoAnswer {
    let head = answer(body);
    // A model that cannot be reached cannot count either.
    if head.status != 200 || head.head_after_ms.is_none() {
        return head;
    }
    match serde_json::from_slice::<DemoRequest<'_>>(body) {
        Ok(request) => DemoAnswer::whole(200, &Count { input: input_tokens(&request) }),
        Err(error) => DemoAnswer::error(400, Some(format!("The body does not parse: {error}."))),
    }
}

fn streamed(written: Writer, comes: Comes) -> DemoAnswer {
    let (mut lines, words) = (written.lines, written.words);
    let whole = lines.len();
    let kept = BEFORE_FAULT.min(whole / 2);
    let end = match comes {
        Comes::Fails => {
            lines.truncate(kept);
            let (code, message) = error_words(500);
            let error = WireError { code: code.into(), message: message.into() };
            lines.push(Line { error: Some(error), ..Line::new(LineKind::Error, "") });
            DemoEnd::Clean
        }
        Comes::Cut => {
            lines.truncate(kept + 1);
            DemoEnd::Cut
        }
        Comes::Hangs => {
            lines.truncate(kept);
            DemoEnd::Hang
        }
        Comes::AtOnce | Comes::Slowly(_) | Comes::Status(_) | Comes::Silent => DemoEnd::Clean,
    };
    let mut pauses = FIRST_PAUSES;
    let mut steps = Vec::with_capacity(lines.len());
    for line in &lines {
        let after_ms = match comes {
            Comes::Slowly(ms) if takes_time(line.kind) => ms * std::mem::replace(&mut pauses, 1),
            _ => 0,
        };
        steps.push(step(line, after_ms));
    }
    if let (DemoEnd::Cut, Some(last)) = (end, steps.last_mut()) {
        last.bytes.truncate(last.bytes.len() / 2);
    }
    let after = if words.is_empty() { Vec::new() } else { steps.split_off(steps.len().saturating_sub(1)) };
    let steps = DemoSteps { before: steps.into(), words, after: after.into() };
    DemoAnswer { status: 200, retry_after_s: None, head_after_ms: Some(0), steps, end }
}

fn takes_time(kind: LineKind) -> bool {
    match kind {
        LineKind::Trace | LineKind::Summary | LineKind::Text | LineKind::Refusal | LineKind::Arguments => {
            true
        }
        LineKind::State
        | LineKind::Citation
        | LineKind::Call
        | LineKind::End
        | LineKind::Error
        | LineKind::Unknown => false,
    }
}

fn unary(lines: Vec<Line<'_>>, comes: Comes) -> DemoAnswer {
    let tokens = lines.iter().filter(|line| takes_time(line.kind)).count() as u64;
    let mut answer = DemoAnswer::whole(200, &UnaryBody { output: joined(lines) });
    match comes {
        Comes::Slowly(ms) => answer.head_after_ms = Some(ms * (tokens + FIRST_PAUSES - 1)),
        Comes::Fails => return DemoAnswer::error(500, None),
        Comes::Cut => answer.end = DemoEnd::Cut,
        Comes::Hangs => answer.end = DemoEnd::Hang,
        Comes::AtOnce | Comes::Status(_) | Comes::Silent => {}
    }
    if let (DemoEnd::Cut | DemoEnd::Hang, Some(step)) = (answer.end, answer.steps.before.front_mut()) {
        step.bytes.truncate(step.bytes.len() / 2);
    }
    answer
}

/// The lines with every text whole. Citations stand behind their text.
fn joined(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let mut out: Vec<Line<'_>> = Vec::new();
    for line in lines {
        let goes_on = out.iter_mut().rev().find(|l| l.kind != LineKind::Citation);
        match goes_on {
            Some(open) if open.kind == line.kind && takes_time(line.kind) => {
                open.text.to_mut().push_str(&line.text);
                open.logprobs.extend(line.logprobs);
            }
            _ => out.push(line),
        }
    }
    out
}

/// Writes a plan as lines within the token budget.
struct Writer {
    lines: Vec<Line<'static>>,
    /// Words of a long text before the last line.
    words: Range<u64>,
    left: u64,
    used: u64,
    /// A token did not fit.
    cut: bool,
    top_logprobs: Option<u64>,
}

impl Writer {
    fn write(request: &DemoRequest<'_>, model: Model, plan: Plan) -> Self {
        let left = request.max_output_tokens.unwrap_or(u64::MAX);
        let top_logprobs = request.logprobs.or(model.logprobs.then_some(0));
        let mut writer = Self { lines: Vec::new(), words: 0..0, left, used: 0, cut: false, top_logprobs };
        if let Some(thought) = plan.thought {
            let shown = writer.lines.len();
            writer.say(LineKind::Trace, &thought.trace);
            if !thought.show_trace {
                writer.lines.truncate(shown);
            }
            if !writer.cut {
                let summary = thought.summary.unwrap_or_default();
                // The digest is not the model's work, so it costs nothing.
                writer.lines.extend(tokens(&summary).map(|t| Line::new(LineKind::Summary, t.to_owned())));
                writer.lines.push(Line::new(LineKind::State, thought.state));
            }
        }
        let reasoning = writer.used;
        match plan.body {
            Body::Text(text, citations) => {
                let mut citations = citations.into_iter().peekable();
                let mut written = 0;
                for token in tokens(&text) {
                    written += token.chars().count() as u64;
                    if !writer.say_token(LineKind::Text, token) {
                        break;
                    }
                    while let Some(citation) = citations.next_if(|c| c.end <= written) {
                        let line = Line::new(LineKind::Citation, "");
                        writer.lines.push(Line { citation: Some(citation), ..line });
                    }
                }
            }
            Body::Long(words) => {
                let said = words.min(writer.left);
                writer.cut |= said < words;
                (writer.left, writer.used) = (writer.left - said, writer.used + said);
                writer.words = 1..said + 1;
            }
            Body::Refusal(text) => writer.say(LineKind::Refusal, &text),
            Body::Calls(calls) => {
                let before = request.messages.iter().filter(|m| m.role == WireRole::Call).count();
                for (index, call) in calls.into_iter().enumerate() {
                    if writer.left == 0 || writer.cut {
                        writer.cut = true;
                        break;
                    }
                    let id = format!("call_demo_{}", before + index + 1);
                    let line = Line::new(LineKind::Call, "");
                    writer.lines.push(Line { id: id.into(), name: call.name.into(), ..line });
                    writer.say(LineKind::Arguments, &call.arguments);
                }
            }
        }
        let reason = if writer.cut { Reason::Length } else { plan.reason };
        let usage = WireUsage { input: input_tokens(request), output: writer.used, reasoning };
        let end = Line::new(LineKind::End, "");
        writer.lines.push(Line { reason: Some(reason), usage: Some(usage), ..end });
        writer
    }

    fn say(&mut self, kind: LineKind, text: &str) {
        for token in tokens(text) {
            if !self.say_token(kind, token) {
                break;
            }
        }
    }

    /// False if the budget is used up.
    fn say_token(&mut self, kind: LineKind, token: &str) -> bool {
        if self.left == 0 || self.cut {
            self.cut = true;
            return false;
        }
        self.left -= 1;
        self.used += 1;
        let mut line = Line::new(kind, token.to_owned());
        if let (LineKind::Text, Some(top)) = (kind, self.top_logprobs) {
            line.logprobs.push(log_prob(token, top));
        }
        self.lines.push(line);
        true
    }
}

/// A made-up probability that depends on the token alone.
fn log_prob(token: &str, top: u64) -> LogProb {
    let logprob = -((fingerprint(token.as_bytes()) % 100 + 1) as f64) / 100.0;
    let entry = |rank: u64| {
        let token = if rank == 0 { token.to_owned() } else { format!(" other-{rank}") };
        let bytes = token.as_bytes().to_vec();
        TopLogProb { token, logprob: logprob - rank as f64, bytes }
    };
    let top_logprobs = (0..top.min(MAX_TOP)).map(entry).collect();
    LogProb { token: token.to_owned(), logprob, bytes: token.as_bytes().to_vec(), top_logprobs }
}

/// Tokens of everything the model was told; schemas are free.
fn input_tokens(request: &DemoRequest<'_>) -> u64 {
    let messages = request.messages.iter().map(|m| count(&m.name) + count(&m.text));
    let tools = request.tools.iter().map(|t| count(&t.name) + count(&t.description));
    count(&request.instructions) + messages.sum::<u64>() + tools.sum::<u64>()
}
