//! Thinking that a model wrote into its answer's text.
//!
//! Two forms are told apart from the answer itself:
//! - the text begins with `<think>`: what follows, up to `</think>`, is thinking, and is passed on as it
//!   comes;
//! - the text has a lone `</think>`: everything before it was thinking. This is known only at the tag, so
//!   for builds that do this (see [`super::models::holds_back`]) the text is held back until the tag, the
//!   end of the text, or [`MAX_HELD`]. Without the tag it is handed out as text: nothing is lost.
//!
//! The tags, and white space around them, are left out.

use std::mem::take;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Most text that is held back, in bytes.
const MAX_HELD: usize = 256 * 1024;

/// A piece of the text, and what it is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    Reasoning(String),
    Text(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// Nothing but white space and a beginning of `<think>` so far.
    Start,
    /// No tag so far; it may be thinking.
    Held,
    /// Behind `<think>`, white space after it skipped or not.
    Inside { begun: bool },
    /// Behind `</think>`: white space is skipped.
    Behind,
    /// The answer; no further tag is looked for.
    Answer,
}

/// Splits one answer's text, in whatever pieces it comes.
#[derive(Debug)]
pub(super) struct Splitter {
    mode: Mode,
    /// Hold text back for a lone `</think>`.
    hold: bool,
    kept: String,
}

impl Splitter {
    /// `look`: look for tags at all; `hold`: hold text back for a lone `</think>`.
    pub(super) fn new(look: bool, hold: bool) -> Self {
        Self { mode: if look { Mode::Start } else { Mode::Answer }, hold, kept: String::new() }
    }

    /// Whether all text from here on is the answer.
    pub(super) fn passes(&self) -> bool {
        self.mode == Mode::Answer
    }

    /// Takes text in; appends what is decided.
    pub(super) fn push(&mut self, text: &str, out: &mut Vec<Piece>) {
        let scanned = self.kept.len();
        self.kept.push_str(text);
        if self.mode == Mode::Start {
            let begun = self.kept.trim_start();
            if begun.is_empty() || OPEN.starts_with(begun) {
                return;
            }
            if let Some(rest) = begun.strip_prefix(OPEN) {
                self.kept = rest.to_owned();
                self.mode = Mode::Inside { begun: false };
            } else {
                self.mode = if self.hold { Mode::Held } else { Mode::Answer };
            }
        }
        match self.mode {
            Mode::Held => self.held(scanned, out),
            Mode::Inside { begun } => self.inside(begun, out),
            Mode::Start | Mode::Behind | Mode::Answer => {}
        }
        if self.mode == Mode::Behind {
            let rest = self.kept.trim_start();
            self.kept = rest.to_owned();
            if !self.kept.is_empty() {
                self.mode = Mode::Answer;
            }
        }
        if self.mode == Mode::Answer && !self.kept.is_empty() {
            out.push(Piece::Text(take(&mut self.kept)));
        }
    }

    /// The text is over, or something else comes between: what was held back is handed out.
    pub(super) fn end(&mut self, out: &mut Vec<Piece>) {
        let rest = take(&mut self.kept);
        if !rest.is_empty() {
            out.push(match self.mode {
                Mode::Inside { .. } => Piece::Reasoning(rest),
                Mode::Start | Mode::Held | Mode::Behind | Mode::Answer => Piece::Text(rest),
            });
        }
        self.mode = Mode::Answer;
    }

    fn held(&mut self, scanned: usize, out: &mut Vec<Piece>) {
        // The tag may have begun in what was looked at before.
        let mut from = scanned.saturating_sub(CLOSE.len());
        while !self.kept.is_char_boundary(from) {
            from -= 1;
        }
        let found = self.kept.get(from..).and_then(|tail| tail.find(CLOSE)).map(|at| at + from);
        if let Some(at) = found {
            self.close(at, out);
        } else if self.kept.len() > MAX_HELD {
            self.mode = Mode::Answer;
        }
    }

    fn inside(&mut self, begun: bool, out: &mut Vec<Piece>) {
        if !begun {
            self.kept = self.kept.trim_start().to_owned();
        }
        if let Some(at) = self.kept.find(CLOSE) {
            self.close(at, out);
            return;
        }
        // A beginning of the tag waits for the rest of it.
        let ready = (1..CLOSE.len())
            .rev()
            .find(|n| CLOSE.get(..*n).is_some_and(|start| self.kept.ends_with(start)))
            .map_or(self.kept.len(), |n| self.kept.len() - n);
        // So does white space, which is left out if the tag follows it.
        let ready = self.kept.get(..ready).map_or(ready, |text| text.trim_end().len());
        let rest = self.kept.split_off(ready);
        let text = std::mem::replace(&mut self.kept, rest);
        self.mode = Mode::Inside { begun: begun || !text.is_empty() };
        if !text.is_empty() {
            out.push(Piece::Reasoning(text));
        }
    }

    /// Everything before byte `at` was thinking; the tag stands there.
    fn close(&mut self, at: usize, out: &mut Vec<Piece>) {
        let rest = self.kept.split_off(at);
        let mut thinking = take(&mut self.kept);
        thinking.truncate(thinking.trim_end().len());
        if !thinking.is_empty() {
            out.push(Piece::Reasoning(thinking));
        }
        self.kept = rest.strip_prefix(CLOSE).unwrap_or(&rest).to_owned();
        self.mode = Mode::Behind;
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use proptest::prelude::*;

    use super::*;

    /// (thinking, answer) of the text, given whole and character by character.
    #[track_caller]
    fn check(hold: bool, text: &str, thinking: &str, answer: &str) {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        for pieces in [vec![text.to_owned()], chars] {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(split(hold, &pieces), (thinking.to_owned(), answer.to_owned()));
        }
    }

    #[test]
    fn plain_text_passes() {
        check(false, "Hi <think> there </think>", "", "Hi <think> there </think>");
        check(false, "\n <b>", "", "\n <b>");
        check(false, "<thin", "", "<thin");
    }

    #[test]
    fn a_leading_tag_opens_thinking() {
        for hold in [false, true] {
            check(hold, "\n<think>\nHm </thin ünï</think>\n\nYes </think>", "Hm </thin ünï", "Yes </think>");
            check(hold, "<think>\n\n</think>\n\nYes", "", "Yes");
            check(hold, "<think>Hm \n so\n\n</think>\n\nYes", "Hm \n so", "Yes");
            check(hold, "<think>cut off </thi", "cut off </thi", "");
            check(hold, "<think>cut off \n", "cut off \n", "");
        }
    }

    #[test]
    fn held_text_before_a_lone_close_is_thinking() {
        check(true, "Okay, ünï.\n</think>\n\nYes", "Okay, ünï.", "Yes");
        check(true, "</think>\n\nYes", "", "Yes");
        check(true, "Okay.</think>\n\n", "Okay.", "");
    }

    #[test]
    fn held_text_without_the_tag_is_the_answer() {
        check(true, " Okay </think", "", " Okay </think");
    }

    #[test]
    fn holding_back_has_an_end() {
        let mut splitter = Splitter::new(true, true);
        let mut out = Vec::new();
        splitter.push(&"x".repeat(MAX_HELD), &mut out);
        assert_eq!(out, []);
        splitter.push("y", &mut out);
        assert!(matches!(&out[..], [Piece::Text(text)] if text.len() == MAX_HELD + 1));
        assert!(splitter.passes());
    }

    /// (thinking, answer) of a text in pieces.
    fn split(hold: bool, pieces: &[&str]) -> (String, String) {
        let mut splitter = Splitter::new(true, hold);
        let mut out = Vec::new();
        for piece in pieces {
            splitter.push(piece, &mut out);
        }
        splitter.end(&mut out);
        let (mut thinking, mut answer) = (String::new(), String::new());
        for piece in out {
            match piece {
                Piece::Reasoning(text) => thinking.push_str(&text),
                Piece::Text(text) => answer.push_str(&text),
            }
        }
        (thinking, answer)
    }

    proptest! {
        #[test]
        fn cuts_change_nothing_and_only_tags_and_spaces_are_left_out(
            words in prop::collection::vec(
                prop::sample::select(vec!["<think>", "</think>", "<thi", "nk>", "<", "/", "a", "\u{fc}", " ", "\n"]),
                0..12,
            ),
            hold in any::<bool>(),
        ) {
            let text = words.concat();
            let (thinking, answer) = split(hold, &[&text]);
            prop_assert_eq!(&split(hold, &words), &(thinking.clone(), answer.clone()));
            let bare = |text: &str| -> String { text.split_whitespace().collect() };
            let kept = bare(&thinking) + &bare(&answer);
            let all = bare(&text);
            let ends = [
                all.clone(),
                all.replacen(OPEN, "", 1),
                all.replacen(CLOSE, "", 1),
                all.replacen(OPEN, "", 1).replacen(CLOSE, "", 1),
            ];
            prop_assert!(ends.contains(&kept), "{kept:?} of {text:?}");
        }
    }
}
