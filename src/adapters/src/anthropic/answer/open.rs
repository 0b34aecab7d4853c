//! Items of an answer that are not closed yet.

use or_protocol::{Annotation, Envelope};

use super::server_call::ServerCall;
use crate::ModelEvent;
use crate::anthropic::request::Asked;
use crate::anthropic::wire::{Delta, KIND, SealedBlock};

/// What an open item is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Text blocks that stand together.
    Message {
        /// Something was put out.
        opened: bool,
        /// Code points of the text so far.
        chars: u64,
        /// Where the current block's text begins.
        from: u64,
        /// What the current block cites, until its text is whole.
        cited: Vec<Annotation>,
    },
    /// A call of a client's tool.
    Call {
        /// Arguments were put out.
        any: bool,
    },
    /// The forced tool whose input is the answer's text.
    Answer {
        /// Text was put out.
        any: bool,
    },
    /// Thinking with its signature.
    Thinking {
        /// Kept for the seal.
        text: String,
        signature: String,
    },
    /// Thinking the provider does not show.
    Redacted { data: String },
    /// A call of a tool of the provider's, which waits for its result.
    Server(Box<ServerCall>),
}

impl Kind {
    pub(super) fn message() -> Self {
        Self::Message { opened: false, chars: 0, from: 0, cited: Vec::new() }
    }
}

/// An open item.
#[derive(Debug)]
pub(super) struct Open {
    /// Index of the provider's block that fills it.
    pub(super) index: u64,
    /// Our number.
    pub(super) block: u32,
    /// The provider's block has ended.
    pub(super) ended: bool,
    pub(super) kind: Kind,
}

impl Open {
    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        self.ended && !matches!(self.kind, Kind::Server(_))
    }

    /// A further text block of the same message.
    pub(super) fn begin_block(&mut self, new_index: u64) {
        self.index = new_index;
        self.ended = false;
        if let Kind::Message { chars, from, .. } = &mut self.kind {
            *from = *chars;
        }
    }

    /// The provider's block is over: its citations now have their span.
    pub(super) fn end_block(&mut self, out: &mut Vec<ModelEvent>) {
        self.ended = true;
        let block = self.block;
        let Kind::Message { chars, from, cited, .. } = &mut self.kind else { return };
        for mut annotation in cited.drain(..) {
            if let Annotation::UrlCitation { start_index, end_index, .. } = &mut annotation {
                (*start_index, *end_index) = (*from, *chars);
            }
            if chars > from {
                out.push(ModelEvent::Annotation { block, annotation });
            }
        }
    }

    pub(super) fn cite(&mut self, annotation: Annotation) {
        if let Kind::Message { cited, .. } = &mut self.kind {
            cited.push(annotation);
        }
    }

    pub(super) fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<ModelEvent>) {
        let block = self.block;
        match &mut self.kind {
            Kind::Message { opened, chars, .. } => {
                if let Some(text) = delta.text.some() {
                    *opened = true;
                    *chars += text.chars().count() as u64;
                    out.push(ModelEvent::TextDelta { block, text, logprobs: Vec::new() });
                }
            }
            Kind::Call { any } => {
                if let Some(delta) = delta.partial_json.some() {
                    *any = true;
                    out.push(ModelEvent::ToolArgsDelta { block, delta });
                }
            }
            Kind::Answer { any } => {
                if let Some(text) = delta.partial_json.some() {
                    *any = true;
                    out.push(ModelEvent::TextDelta { block, text, logprobs: Vec::new() });
                }
            }
            Kind::Thinking { text, signature } => {
                signature.push_str(delta.signature.as_str());
                if let Some(piece) = delta.thinking.some() {
                    text.push_str(&piece);
                    out.push(ModelEvent::SummaryDelta { block, text: piece });
                }
            }
            Kind::Server(call) => call.input.push_str(delta.partial_json.as_str()),
            Kind::Redacted { .. } => {}
        }
    }

    /// Ends the item. `complete` is false if the token budget ran out in it.
    pub(super) fn close(mut self, complete: bool, asked: &Asked, out: &mut Vec<ModelEvent>) {
        if !self.ended {
            self.end_block(out);
        }
        let block = self.block;
        let shown = match self.kind {
            Kind::Message { opened, .. } => opened,
            Kind::Call { any } => {
                // A tool without arguments gets no piece at all.
                if !any && complete {
                    out.push(ModelEvent::ToolArgsDelta { block, delta: "{}".into() });
                }
                true
            }
            Kind::Answer { any } => {
                if !any && complete {
                    out.push(ModelEvent::TextDelta { block, text: "{}".into(), logprobs: Vec::new() });
                }
                any || complete
            }
            Kind::Thinking { text, signature } => {
                // Without a signature the block was cut off and can never be sent back.
                if !signature.is_empty() {
                    let sealed = SealedBlock::Thinking { thinking: &text, signature: &signature };
                    out.push(ModelEvent::ReasoningSealed { block, encrypted_content: seal(&sealed, asked) });
                }
                !(text.is_empty() && signature.is_empty())
            }
            Kind::Redacted { data } => {
                let sealed = SealedBlock::RedactedThinking { data: &data };
                if !data.is_empty() {
                    out.push(ModelEvent::ReasoningSealed { block, encrypted_content: seal(&sealed, asked) });
                }
                !data.is_empty()
            }
            // Ended before.
            Kind::Server(_) => false,
        };
        if shown {
            out.push(ModelEvent::BlockDone { block, complete });
        }
    }
}

/// The envelope holds the block as the provider wants it back, behind the mark where there is one.
fn seal(block: &SealedBlock<'_>, asked: &Asked) -> String {
    // Strings always serialise.
    let json = serde_json::to_string(block).unwrap_or_default();
    let blob = match &asked.mark {
        Some(mark) => format!("{mark}:{json}"),
        None => json,
    };
    Envelope::seal(KIND, &asked.model, &blob)
}
