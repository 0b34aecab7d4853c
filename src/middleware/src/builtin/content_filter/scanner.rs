//! Finds matches in a text that is not all there yet, as they are in the whole.

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::{BuildError, Regex};
use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

/// What the next step in a text is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// A match, by the number of its pattern. Nothing that follows can change it.
    Match(usize, Range<usize>),
    /// Nothing before this place is or will be part of a match.
    Open(usize),
}

/// Several patterns, of which the leftmost match counts, and of those that of the first pattern.
pub(super) struct Scanner {
    patterns: Regex,
    /// Matches whatever a match could begin with, at the end of the text. `None` for texts that are always whole.
    begun: Option<Regex>,
}

impl Scanner {
    /// `grows`: whether it is for texts that come in pieces.
    pub(super) fn new(patterns: &[Hir], grows: bool) -> Result<Self, Box<BuildError>> {
        let build = |patterns: &[Hir]| Regex::builder().build_many_from_hir(patterns).map_err(Box::new);
        let begun = Hir::alternation(patterns.iter().map(beginnings).collect());
        let begun = Hir::concat(vec![begun, Hir::look(Look::End)]);
        Ok(Self { patterns: build(patterns)?, begun: if grows { Some(build(&[begun])?) } else { None } })
    }

    /// Looks at `text` from `from` on; what is before that is only looked back at. `whole`: no more will come.
    ///
    /// A beginning that is left of the first match may still become a match itself, or a longer one, so nothing is
    /// certain from there on. Whatever begins before it has come to its end inside of `text`.
    pub(super) fn next(&self, text: &str, from: usize, whole: bool) -> Next {
        let rest = || Input::new(text).range(from..);
        let open = match &self.begun {
            Some(begun) if !whole => begun.search(&rest()).map_or(text.len(), |found| found.start()),
            Some(_) | None => text.len(),
        };
        match self.patterns.search(&rest()) {
            Some(found) if found.start() < open => Next::Match(found.pattern().as_usize(), found.range()),
            Some(_) | None => Next::Open(open),
        }
    }
}

/// An expression for every beginning of what `hir` matches, the empty and the whole one included.
///
/// At the end of what is there, nobody knows whether a border or an anchor holds, so a beginning that ends in one is
/// the same without it.
fn beginnings(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Hir::empty(),
        HirKind::Class(class) => optional(Hir::class(class.clone())),
        HirKind::Literal(literal) => {
            // Patterns are of text, so this is.
            let text = String::from_utf8_lossy(&literal.0);
            let chars: Vec<_> = text.chars().map(|c| Hir::literal(c.to_string().into_bytes())).collect();
            beginnings_of_all(&chars)
        }
        HirKind::Capture(capture) => beginnings(&capture.sub),
        HirKind::Concat(all) => beginnings_of_all(all),
        HirKind::Alternation(all) => Hir::alternation(all.iter().map(beginnings).collect()),
        HirKind::Repetition(Repetition { max: Some(0), .. }) => Hir::empty(),
        HirKind::Repetition(repetition) => {
            let max = repetition.max.map(|max| max - 1);
            let before = Repetition { min: 0, max, greedy: true, sub: repetition.sub.clone() };
            Hir::concat(vec![Hir::repetition(before), beginnings(&repetition.sub)])
        }
    }
}

/// The same of one after the other. By halves, so that the expression of a long literal is neither deep nor long.
fn beginnings_of_all(all: &[Hir]) -> Hir {
    match all {
        [] => Hir::empty(),
        [one] if matches!(one.kind(), HirKind::Literal(literal) if is_one_char(&literal.0)) => {
            optional(one.clone())
        }
        [one] => beginnings(one),
        _ => {
            let (first, second) = all.split_at(all.len() / 2);
            let mut both = first.to_vec();
            both.push(beginnings_of_all(second));
            Hir::alternation(vec![Hir::concat(both), beginnings_of_all(first)])
        }
    }
}

fn is_one_char(literal: &[u8]) -> bool {
    std::str::from_utf8(literal).is_ok_and(|text| text.chars().count() == 1)
}

fn optional(hir: Hir) -> Hir {
    Hir::repetition(Repetition { min: 0, max: Some(1), greedy: true, sub: Box::new(hir) })
}
