//! Lines of an answer to events. A unary body holds the same lines, so one state machine reads both.

use or_protocol::{Annotation, Envelope, Extra, Usage};
use serde::Deserialize;

use super::error;
use super::wire::{KIND, Line, LineKind, Reason, UnaryBody};
use crate::{AdapterError, CallKind, FinishReason, Frame, ModelEvent, ModelRequest, ResponseTranslator};

/// What the open block is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    Nothing,
    Thinking,
    Message,
    Call,
}

/// Translates one answer.
#[derive(Debug)]
pub(super) struct AnswerTranslator {
    model: String,
    open: Open,
    /// Number of the open block, or of the next one.
    block: u32,
    ended: bool,
}

impl AnswerTranslator {
    pub(super) fn new(request: &ModelRequest<'_>) -> Self {
        Self { model: request.model.to_owned(), open: Open::Nothing, block: 0, ended: false }
    }

    fn line(&mut self, line: Line<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended {
            return Ok(());
        }
        match line.kind {
            LineKind::Trace | LineKind::Summary | LineKind::Text | LineKind::Refusal
                if line.text.is_empty() => {}
            LineKind::Trace | LineKind::Summary | LineKind::State => {
                self.enter(Open::Thinking, out);
                let block = self.block;
                let text = line.text.into_owned();
                match line.kind {
                    LineKind::State => {
                        let encrypted_content = Envelope::seal(KIND, &self.model, &text);
                        out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
                        self.close(true, out);
                    }
                    LineKind::Trace => out.push(ModelEvent::ReasoningDelta { block, text }),
                    _ => out.push(ModelEvent::SummaryDelta { block, text }),
                }
            }
            LineKind::Text => {
                self.enter(Open::Message, out);
                let text = line.text.into_owned();
                out.push(ModelEvent::TextDelta { block: self.block, text, logprobs: line.logprobs });
            }
            LineKind::Refusal => {
                self.enter(Open::Message, out);
                out.push(ModelEvent::RefusalDelta { block: self.block, text: line.text.into_owned() });
            }
            LineKind::Citation => {
                if let (Some(c), Open::Message) = (line.citation, self.open) {
                    let annotation = Annotation::UrlCitation {
                        url: c.url,
                        title: c.title,
                        start_index: c.start,
                        end_index: c.end,
                    };
                    out.push(ModelEvent::Annotation { block: self.block, annotation });
                }
            }
            LineKind::Call => {
                self.close(true, out);
                self.open = Open::Call;
                out.push(ModelEvent::ToolCallStart {
                    block: self.block,
                    call_id: Some(line.id.into_owned()),
                    name: line.name.into_owned(),
                    namespace: None,
                    kind: CallKind::Function,
                    extra: Extra::NONE,
                });
            }
            LineKind::Arguments => {
                if self.open == Open::Call && !line.text.is_empty() {
                    out.push(ModelEvent::ToolArgsDelta { block: self.block, delta: line.text.into_owned() });
                }
            }
            LineKind::End => self.end(&line, out),
            LineKind::Error => {
                self.ended = true;
                return Err(error::inside(line.error.unwrap_or_default()));
            }
            LineKind::Unknown => {}
        }
        Ok(())
    }

    fn end(&mut self, line: &Line<'_>, out: &mut Vec<ModelEvent>) {
        let reason = match line.reason {
            Some(Reason::Length) => FinishReason::MaxOutputTokens,
            Some(Reason::Filter) => FinishReason::ContentFilter,
            Some(Reason::Stop | Reason::Unknown) | None => FinishReason::Stop,
        };
        self.close(reason == FinishReason::Stop, out);
        if let Some(usage) = line.usage {
            out.push(ModelEvent::Usage(Usage::new(usage.input, usage.output, None, 0, usage.reasoning)));
        }
        out.push(ModelEvent::Finished { reason });
        self.ended = true;
    }

    /// Goes on with a block of this kind, or begins one.
    fn enter(&mut self, kind: Open, out: &mut Vec<ModelEvent>) {
        if self.open != kind {
            self.close(true, out);
            self.open = kind;
        }
    }

    fn close(&mut self, complete: bool, out: &mut Vec<ModelEvent>) {
        if self.open != Open::Nothing {
            out.push(ModelEvent::BlockDone { block: self.block, complete });
            self.block = self.block.saturating_add(1);
            self.open = Open::Nothing;
        }
    }
}

impl ResponseTranslator for AnswerTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended {
            return Ok(());
        }
        self.line(parse(frame.data.as_bytes())?, out)
    }

    fn finish(&mut self, _stray: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended { Ok(()) } else { Err(AdapterError::Truncated { provider: KIND }) }
    }

    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let body: UnaryBody<'_> = parse(body)?;
        for line in body.output {
            self.line(line, out)?;
        }
        self.finish(b"", out)
    }
}

/// A line or body that ends too early was cut off by the connection.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, AdapterError> {
    serde_json::from_slice(json).map_err(|error| {
        if error.is_eof() {
            return AdapterError::Truncated { provider: KIND };
        }
        AdapterError::BadFrame { provider: KIND, what: error.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;
    use crate::{UpstreamError, UpstreamErrorKind};

    fn translate(lines: &str) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
        let settings = or_protocol::Settings::default();
        let request = ModelRequest { model: "demo", context: &[], settings: &settings, stream: true };
        let mut translator = AnswerTranslator::new(&request);
        let mut out = Vec::new();
        for line in lines.lines() {
            if let Err(error) = translator.push(Frame { event: "", data: line }, &mut out) {
                return (out, Err(error));
            }
        }
        let end = translator.finish(b"", &mut out);
        (out, end)
    }

    #[track_caller]
    fn check(lines: &str, want: &[ModelEvent], end: Result<(), AdapterError>) {
        assert_eq!(translate(lines), (want.to_vec(), end));
    }

    fn text(block: u32, text: &str) -> ModelEvent {
        ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() }
    }

    #[test]
    fn thinking_text_and_a_call_are_three_blocks() {
        check(
            include_str!("../../tests/data/demo/thinking_text_call.ndjson"),
            &[
                ModelEvent::ReasoningDelta { block: 0, text: "Hm.".into() },
                ModelEvent::SummaryDelta { block: 0, text: "A thought.".into() },
                ModelEvent::ReasoningSealed {
                    block: 0,
                    encrypted_content: Envelope::seal("demo", "demo", "1 demo 00"),
                },
                ModelEvent::BlockDone { block: 0, complete: true },
                text(1, "Let me"),
                text(1, " look."),
                ModelEvent::BlockDone { block: 1, complete: true },
                ModelEvent::ToolCallStart {
                    block: 2,
                    call_id: Some("call_demo_1".into()),
                    name: "look".into(),
                    namespace: None,
                    kind: CallKind::Function,
                    extra: Extra::NONE,
                },
                ModelEvent::ToolArgsDelta { block: 2, delta: "{}".into() },
                ModelEvent::BlockDone { block: 2, complete: true },
                ModelEvent::Usage(Usage::new(3, 5, None, 0, 1)),
                ModelEvent::Finished { reason: FinishReason::Stop },
            ],
            Ok(()),
        );
    }

    #[test]
    fn an_end_by_length_leaves_the_block_incomplete() {
        check(
            r#"{"type":"text","text":"Hi"}
{"type":"end","reason":"length"}
{"type":"text","text":"late"}"#,
            &[
                text(0, "Hi"),
                ModelEvent::BlockDone { block: 0, complete: false },
                ModelEvent::Finished { reason: FinishReason::MaxOutputTokens },
            ],
            Ok(()),
        );
    }

    #[test]
    fn a_missing_end_is_a_truncated_answer() {
        let truncated = || Err(AdapterError::Truncated { provider: KIND });
        check(r#"{"type":"text","text":"Hi"}"#, &[text(0, "Hi")], truncated());
        check(r#"{"type":"te"#, &[], truncated());
        check("", &[], truncated());
    }

    #[test]
    fn an_error_line_is_an_upstream_error() {
        let error = UpstreamError {
            message: "Full.".into(),
            code: Some("overloaded".into()),
            ..UpstreamError::of_kind(UpstreamErrorKind::Overloaded)
        };
        check(
            r#"{"type":"error","error":{"code":"overloaded","message":"Full."}}"#,
            &[],
            Err(AdapterError::Upstream(error)),
        );
    }

    #[test]
    fn unknown_lines_and_members_are_passed_over() {
        check(
            r#"{"type":"weather","sky":"blue"}
{"type":"end","reason":"tired","more":1}"#,
            &[ModelEvent::Finished { reason: FinishReason::Stop }],
            Ok(()),
        );
    }

    proptest! {
        #[test]
        fn random_frames_never_panic(lines in proptest::collection::vec(any::<String>(), 0..8)) {
            let _ = translate(&lines.join("\n"));
        }

        #[test]
        fn random_lines_never_panic(
            lines in proptest::collection::vec(
                ("(trace|summary|state|text|refusal|citation|call|arguments|end|x)", "[a-z]{0,3}"),
                0..12,
            ),
        ) {
            let json = |(kind, text): &(String, String)| format!(r#"{{"type":"{kind}","text":"{text}"}}"#);
            let _ = translate(&lines.iter().map(json).collect::<Vec<_>>().join("\n"));
        }
    }
}
