//! Where the pieces of a stream go: to the block of their index, if that is of their kind; else to the last one of
//! their kind that is open; and text and thinking without any to a block of their own. No piece is lost in silence.

use super::AnswerTranslator;
use super::open::{Kind, Open};
use crate::anthropic::wire::{Delta, KIND};
use crate::shared::lenient::Text;
use crate::{AdapterError, ModelEvent, Note};

/// What a piece is a piece of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece {
    Text,
    Arguments,
    Thinking,
}

impl Piece {
    fn fits(self, kind: &Kind) -> bool {
        match kind {
            Kind::Message { .. } => self == Self::Text,
            Kind::Call { .. } | Kind::Answer { .. } | Kind::Server(_) => self == Self::Arguments,
            Kind::Thinking { .. } => self == Self::Thinking,
            Kind::Redacted { .. } => false,
        }
    }
}

impl AnswerTranslator {
    /// A piece of a block that has just begun.
    pub(super) fn known_delta(&mut self, index: u64, delta: Delta<'_>, out: &mut Vec<ModelEvent>) {
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.index == index && !open.ended) {
            open.delta(delta, out);
        }
    }

    /// A piece of a stream. Fails if it is of a call that nobody began.
    pub(super) fn delta(
        &mut self,
        index: u64,
        delta: Delta<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        if self.passed_over.contains(&index) {
            // Said when the block began.
            return Ok(());
        }
        let Delta { text, partial_json, thinking, signature, .. } = delta;
        if !text.is_empty() {
            match self.place(index, Piece::Text) {
                Some(at) => self.reopen(at, index),
                None => self.start_text(index, out),
            }
            self.put(index, Piece::Text, Delta { text, ..Delta::default() }, out);
        }
        if !partial_json.is_empty() {
            self.arguments(index, partial_json, out)?;
        }
        if !(thinking.is_empty() && signature.is_empty()) {
            if self.place(index, Piece::Thinking).is_none() {
                let kind = Kind::Thinking { text: String::new(), signature: String::new() };
                self.start_item(index, kind, out);
            }
            self.put(index, Piece::Thinking, Delta { thinking, signature, ..Delta::default() }, out);
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        index: u64,
        partial_json: Text<'_>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), AdapterError> {
        let Some(at) = self.place(index, Piece::Arguments) else {
            let what = "arguments of a call that did not begin".to_owned();
            return Err(AdapterError::BadFrame { provider: KIND, what });
        };
        let is_whole = self.open.get(at).is_some_and(|open| {
            open.ended && matches!(open.kind, Kind::Call { any: true } | Kind::Answer { any: true })
        });
        if is_whole {
            let why = "the provider sent more arguments after a call was whole";
            out.push(ModelEvent::Note(Note::dropped("function_call", why)));
        } else {
            self.put(index, Piece::Arguments, Delta { partial_json, ..Delta::default() }, out);
        }
        Ok(())
    }

    /// Place of the open item that a piece belongs to.
    fn place(&self, index: u64, piece: Piece) -> Option<usize> {
        let last = |fits: &dyn Fn(&Open) -> bool| {
            self.open.iter().rposition(|open| piece.fits(&open.kind) && fits(open))
        };
        // Of an index that is given to several blocks the one that is not over; then whatever is not over.
        last(&|open| open.index == index && !open.ended)
            .or_else(|| last(&|open| open.index == index))
            .or_else(|| last(&|open| !open.ended))
    }

    /// Place of the message that text of this index goes on with.
    pub(super) fn open_text(&self, index: u64) -> Option<usize> {
        self.place(index, Piece::Text)
    }

    /// Text goes on behind the end of its block.
    fn reopen(&mut self, at: usize, index: u64) {
        if let Some(open) = self.open.get_mut(at).filter(|open| open.ended) {
            open.begin_block(index);
        }
    }

    fn put(&mut self, index: u64, piece: Piece, delta: Delta<'_>, out: &mut Vec<ModelEvent>) {
        let at = self.place(index, piece);
        if let Some(open) = at.and_then(|at| self.open.get_mut(at)) {
            open.delta(delta, out);
        }
    }
}
