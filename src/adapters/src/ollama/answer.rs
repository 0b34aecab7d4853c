//! One answer, line by line. The unary answer is its only line.

use or_protocol::{Envelope, Extra, Include, LogProb, Settings, TextFormat, Usage};

use super::quirks::{LeakMode, Quirks};
use super::think_tags::{Piece, Splitter};
use super::wire::{CallIn, CallInFunction, KIND, Line};
use super::{error, logprobs, models, request};
use crate::framing::lossy;
use crate::shared::lenient::{self, Count};
use crate::{
    AdapterError, CallKind, FinishReason, Frame, ModelEvent, ModelRequest, NoteList, ResponseTranslator,
    UpstreamErrorKind,
};

/// What the open block is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    Nothing,
    Reasoning,
    Text,
}

/// The answer of one turn.
#[derive(Debug)]
pub(super) struct AnswerTranslator {
    model: String,
    splitter: Splitter,
    /// Thinking so far of the open block, kept where it is to be sealed.
    seal: Option<String>,
    wants_logprobs: bool,
    /// Log probabilities that came before their text.
    logprobs: Vec<LogProb>,
    open: Open,
    /// Number of the open block, or of the next one.
    block: u32,
    /// Tokens as they were counted last.
    input: Count,
    output: Count,
    over: bool,
}

impl AnswerTranslator {
    pub(super) fn new(quirks: &Quirks, request: &ModelRequest<'_>) -> Self {
        let settings = request.settings;
        let think = models::think(quirks, request.model, settings, &mut NoteList::default());
        // A grammar leaves no room for thinking in the text.
        let free = !constrained(quirks, request.model, settings);
        let hold = models::holds_back(quirks, request.model, think);
        let look = free && quirks.think_leak != LeakMode::Off;
        Self {
            model: request.model.to_owned(),
            splitter: Splitter::new(look, hold),
            seal: settings.includes(Include::ReasoningEncryptedContent).then(String::new),
            wants_logprobs: settings.wants_logprobs(),
            logprobs: Vec::new(),
            open: Open::Nothing,
            block: 0,
            input: Count::default(),
            output: Count::default(),
            over: false,
        }
    }

    /// Takes in one line.
    fn line(&mut self, line: Line<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.over {
            return Ok(());
        }
        if let Some(raw) = line.error.filter(|raw| !matches!(raw.get(), "null" | "\"\"")) {
            self.over = true;
            return Err(error::TABLE.inside(raw.get()));
        }
        if self.wants_logprobs
            && let Some(raw) = line.logprobs
        {
            // Entries of another form are no reason to lose the answer.
            let entries = lenient::owned::<Option<Vec<LogProb>>>(raw.get()).flatten();
            self.logprobs.extend(entries.unwrap_or_default());
        }
        if let Some(message) = line.message.0 {
            let answers = !message.content.is_empty();
            if let Some(thinking) = message.thinking.some() {
                // The server tells thinking and answer apart by itself.
                self.flush(out);
                self.reasoning(thinking, out);
                if !answers {
                    self.logprobs.clear();
                }
            }
            if answers {
                if self.splitter.passes() {
                    self.text(message.content.0.into_owned(), out);
                } else {
                    let mut pieces = Vec::new();
                    self.splitter.push(message.content.as_str(), &mut pieces);
                    self.pieces(pieces, out);
                }
            }
            for call in message.tool_calls.0 {
                self.flush(out);
                self.call(call, out)?;
            }
        }
        self.input = self.input.max(line.prompt_eval_count);
        self.output = self.output.max(line.eval_count);
        if line.done.is_on() {
            self.flush(out);
            let reason = reason(line.done_reason.as_str(), line.eval_count.0.is_some())?;
            self.close(reason == FinishReason::Stop, out);
            self.over = true;
            if self.input.0.is_some() || self.output.0.is_some() {
                out.push(ModelEvent::Usage(Usage::new(
                    self.input.or_zero(),
                    self.output.or_zero(),
                    None,
                    0,
                    0,
                )));
            }
            out.push(ModelEvent::Finished { reason });
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<ModelEvent>) {
        let mut pieces = Vec::new();
        self.splitter.end(&mut pieces);
        self.pieces(pieces, out);
    }

    fn pieces(&mut self, pieces: Vec<Piece>, out: &mut Vec<ModelEvent>) {
        for piece in pieces {
            match piece {
                Piece::Reasoning(text) => self.reasoning(text, out),
                Piece::Text(text) => self.text(text, out),
            }
        }
    }

    fn reasoning(&mut self, text: String, out: &mut Vec<ModelEvent>) {
        self.become_open(Open::Reasoning, out);
        if let Some(seal) = &mut self.seal {
            seal.push_str(&text);
        }
        out.push(ModelEvent::ReasoningDelta { block: self.block, text });
    }

    fn text(&mut self, text: String, out: &mut Vec<ModelEvent>) {
        let logprobs = logprobs::of_text(std::mem::take(&mut self.logprobs), &text);
        self.become_open(Open::Text, out);
        out.push(ModelEvent::TextDelta { block: self.block, text, logprobs });
    }

    fn call(&mut self, call: CallIn<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let CallInFunction { name, arguments } = call.function.0.unwrap_or_default();
        let Some(name) = name.some() else {
            return Err(AdapterError::BadFrame { provider: KIND, what: "a call without a name".into() });
        };
        self.close(true, out);
        let block = self.block;
        self.block += 1;
        let call_id = call.id.some();
        let arguments = arguments.map_or("{}", |raw| raw.get());
        out.push(ModelEvent::ToolCallStart {
            block,
            call_id,
            name,
            namespace: None,
            kind: CallKind::Function,
            extra: Extra::NONE,
        });
        let delta = arguments_text(arguments);
        if !delta.is_empty() {
            out.push(ModelEvent::ToolArgsDelta { block, delta });
        }
        out.push(ModelEvent::BlockDone { block, complete: true });
        Ok(())
    }

    fn become_open(&mut self, what: Open, out: &mut Vec<ModelEvent>) {
        if self.open != what {
            self.close(true, out);
            self.open = what;
        }
    }

    fn close(&mut self, complete: bool, out: &mut Vec<ModelEvent>) {
        if self.open == Open::Nothing {
            return;
        }
        let block = self.block;
        if self.open == Open::Reasoning
            && let Some(seal) = &mut self.seal
        {
            let encrypted_content = Envelope::seal(KIND, &self.model, seal);
            seal.clear();
            out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
        }
        out.push(ModelEvent::BlockDone { block, complete });
        self.open = Open::Nothing;
        self.block += 1;
        // What is left belongs to text that is closed.
        self.logprobs.clear();
    }
}

/// Whether the answer's text is held to a grammar.
fn constrained(quirks: &Quirks, model: &str, settings: &Settings) -> bool {
    !matches!(settings.text.format, TextFormat::Text) && request::enforces_format(quirks, model, settings)
}

/// Arguments are an object; a text holds the object's JSON.
fn arguments_text(raw: &str) -> String {
    match raw.as_bytes().first() {
        Some(b'"') => lenient::object_text(raw).into_owned(),
        Some(b'n') => "{}".to_owned(),
        _ => raw.to_owned(),
    }
}

/// Without a reason the connection to the model's runner was lost, except on servers before the field,
/// which count tokens.
fn reason(word: &str, counted: bool) -> Result<FinishReason, AdapterError> {
    match word {
        "length" => Ok(FinishReason::MaxOutputTokens),
        "" if !counted => Err(AdapterError::failed(
            UpstreamErrorKind::Server,
            "The model server lost its model runner before the answer was complete.",
        )),
        _ => Ok(FinishReason::Stop),
    }
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.over {
            return Ok(());
        }
        let mut mended = String::new();
        self.line(frame.parse_in(KIND, &mut mended)?, out)
    }

    fn finish(&mut self, _stray: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.over { Ok(()) } else { Err(AdapterError::Truncated { provider: KIND }) }
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        // A server that streams unasked sends several objects.
        let text = lossy(body);
        let mut mended = String::new();
        let (lines, end) = lenient::values(KIND, &text, &mut mended);
        for line in lines {
            let mut mended = String::new();
            self.line(lenient::read(KIND, line.get(), &mut mended)?, out)?;
            if self.over {
                return Ok(());
            }
        }
        end.and(Err(AdapterError::Truncated { provider: KIND }))
    }
}
