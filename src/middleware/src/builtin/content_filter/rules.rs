//! The rules of a filter, and what they make of a text.

use std::ops::Range;

use regex_syntax::hir::Hir;
use serde::{Deserialize, Serialize};

use super::scanner::{Next, Scanner};

/// Longest match of a rule for output, in bytes: as much text may be held back.
pub const MAX_MATCH_BYTES: usize = 1024;

/// One rule.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FilterRule {
    /// For notes, errors and metrics.
    pub name: String,
    /// A regular expression, without look-around and references back.
    pub pattern: String,
    /// What becomes of a match.
    pub action: FilterAction,
    /// In place of a match that is redacted.
    #[serde(default = "redacted")]
    pub replacement: String,
    /// Where it is looked for. Default: everywhere.
    #[serde(default = "everywhere")]
    pub on: Vec<FilterPlace>,
}

fn redacted() -> String {
    "[redacted]".into()
}

fn everywhere() -> Vec<FilterPlace> {
    vec![FilterPlace::Input, FilterPlace::ToolResults, FilterPlace::Output]
}

/// What becomes of a match.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterAction {
    /// The response is refused or ends.
    Deny,
    /// It is replaced.
    Redact,
}

/// Where a rule is looked for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterPlace {
    /// What the model is asked: instructions and the whole context.
    Input,
    /// Results of tools that this server runs or calls.
    ToolResults,
    /// What the model answers.
    Output,
}

/// Rules of one place and one action.
struct Set {
    scanner: Scanner,
    /// By the number of the pattern: its rule's name and replacement.
    rules: Vec<(String, String)>,
}

/// The rules of one place.
pub(super) struct Rules {
    deny: Option<Set>,
    redact: Option<Set>,
}

/// What came of a text, or of a piece of one.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Filtered {
    /// What may be shown.
    pub(super) text: String,
    /// What was replaced in it: its rule's name, and where, in characters of the whole text: from, to, and how many the
    /// replacement has.
    pub(super) redacted: Vec<(String, [u64; 3])>,
    /// Name of the rule that denies the rest.
    pub(super) denied: Option<String>,
}

impl Rules {
    /// Those of a place; `None` if there are none.
    ///
    /// # Errors
    /// What is wrong with a rule, by its name.
    pub(super) fn of(rules: &[FilterRule], place: FilterPlace) -> Result<Option<Self>, String> {
        let set = |action| {
            let rules: Vec<_> =
                rules.iter().filter(|rule| rule.action == action && rule.on.contains(&place)).collect();
            if rules.is_empty() {
                return Ok(None);
            }
            let patterns: Vec<_> = rules.iter().map(|rule| parsed(rule, place)).collect::<Result<_, _>>()?;
            let scanner = Scanner::new(&patterns, place == FilterPlace::Output)
                .map_err(|error| format!("the patterns of `rules` are too much: {error}"))?;
            let rules = rules.iter().map(|rule| (rule.name.clone(), rule.replacement.clone())).collect();
            Ok::<_, String>(Some(Set { scanner, rules }))
        };
        let (deny, redact) = (set(FilterAction::Deny)?, set(FilterAction::Redact)?);
        Ok((deny.is_some() || redact.is_some()).then_some(Self { deny, redact }))
    }

    /// What becomes of a whole text.
    pub(super) fn whole(&self, text: &str) -> Filtered {
        let mut growing = GrowingText::default();
        growing.push(text);
        growing.take(self, true)
    }
}

fn parsed(rule: &FilterRule, place: FilterPlace) -> Result<Hir, String> {
    let wrong = |why: String| format!("the pattern of the rule `{}` {why}", rule.name);
    let hir = regex_syntax::parse(&rule.pattern)
        .map_err(|error| wrong(format!("is no regular expression: {error}")))?;
    // In the arguments of a call it stands in JSON.
    if rule.replacement.contains(|c: char| matches!(c, '"' | '\\') || c.is_control()) {
        let name = &rule.name;
        return Err(format!(
            "the replacement of the rule `{name}` has a quote, a backslash or a control character"
        ));
    }
    if hir.properties().minimum_len().is_none_or(|least| least == 0) {
        return Err(wrong("matches the empty text".into()));
    }
    match hir.properties().maximum_len() {
        Some(most) if most <= MAX_MATCH_BYTES => Ok(hir),
        _ if place != FilterPlace::Output => Ok(hir),
        most => {
            let how = most.map_or("any number of".to_owned(), |most| format!("up to {most}"));
            let most = MAX_MATCH_BYTES;
            let text = "bytes; a rule on `output` may match no more than";
            Err(wrong(format!(
                "matches {how} {text} {most}, because so much text is held back: write `{{1,64}}` for `+`"
            )))
        }
    }
}

/// A text in the making. Whatever may still become part of a match is held back.
#[derive(Debug, Default)]
pub(super) struct GrowingText {
    /// Its end: what is held back, and a character before that to look back at.
    text: String,
    /// What of that was shown, or replaced.
    shown: usize,
    /// Up to here nothing is denied.
    allowed: usize,
    /// Characters of the whole text before `text`.
    before: u64,
    denied: bool,
}

impl GrowingText {
    pub(super) fn push(&mut self, more: &str) {
        self.text.push_str(more);
    }

    /// Whether nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.shown == self.text.len()
    }

    /// What may be shown by now. `whole`: no more will come.
    pub(super) fn take(&mut self, rules: &Rules, whole: bool) -> Filtered {
        let mut out = Filtered::default();
        if self.denied {
            return out;
        }
        let mut limit = self.text.len();
        if let Some(deny) = &rules.deny {
            limit = match deny.scanner.next(&self.text, self.allowed, whole) {
                Next::Match(pattern, at) => {
                    out.denied = deny.rules.get(pattern).map(|(name, _)| name.clone());
                    self.denied = true;
                    at.start
                }
                Next::Open(at) => at,
            };
        }
        self.allowed = limit;
        self.redact(rules, whole, limit, &mut out);
        self.forget();
        out
    }

    /// Shows what is before `limit`, redacted. A match that goes beyond it waits.
    fn redact(&mut self, rules: &Rules, whole: bool, limit: usize, out: &mut Filtered) {
        // Bytes, and how many characters they are.
        let mut counted = (0, self.before);
        while let Some(redact) = &rules.redact {
            match redact.scanner.next(&self.text, self.shown, whole) {
                Next::Match(pattern, at) if at.end <= limit => {
                    let Some((name, replacement)) = redact.rules.get(pattern) else { return };
                    out.text.push_str(&self.text[self.shown..at.start]);
                    out.text.push_str(replacement);
                    let from = counted.1 + chars(&self.text[counted.0..at.start]);
                    counted = (at.end, from + chars(&self.text[at.clone()]));
                    out.redacted.push((name.clone(), [from, counted.1, chars(replacement)]));
                    self.shown = at.end;
                }
                Next::Match(_, Range { start, .. }) | Next::Open(start) => {
                    return self.show(start.min(limit), out);
                }
            }
        }
        self.show(limit, out);
    }

    fn show(&mut self, end: usize, out: &mut Filtered) {
        if end > self.shown {
            out.text.push_str(&self.text[self.shown..end]);
            self.shown = end;
        }
    }

    /// Keeps one character before what is still looked at, so that borders and anchors are what they are in the whole.
    fn forget(&mut self) {
        let least = self.shown.min(self.allowed);
        let Some(last) = self.text[..least].chars().next_back() else { return };
        let gone = least - last.len_utf8();
        self.before += chars(&self.text[..gone]);
        self.text.drain(..gone);
        self.shown -= gone;
        self.allowed -= gone;
    }
}

fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}
