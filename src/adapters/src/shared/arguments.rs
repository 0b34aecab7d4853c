//! Arguments of a call as they grow, whatever a host repeats of them, and whether they are whole.
//!
//! Hosts send arguments in pieces; some send each piece with all that came before it, some send the whole once more
//! at the end, and some begin with `{}` and send the arguments behind it. What was handed out cannot be taken back,
//! so what may be one of these waits until it is clear.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Longest text that is tried as a number or a word.
const MAX_WORD: usize = 64;
/// A text that is shorter than this part of the arguments is no repetition of them; so looking costs no more than
/// the text is long.
const LEAST_PART: usize = 8;

/// JSON that comes in pieces. Each byte is looked at a bounded number of times.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    text: String,
    /// How much of the text was handed out.
    told: usize,
    /// Its first byte that is no white space.
    first: Option<u8>,
    /// Brackets that are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The text is a JSON object, with nothing behind it.
    closed: bool,
    /// The empty one.
    blank: bool,
    /// It was balanced and no JSON, which no further text mends.
    spoilt: bool,
    /// A piece that begins with all that came before it: more of the text, or the text so far once more.
    echo: Option<String>,
    /// That piece is JSON by itself.
    echo_is_whole: bool,
    /// Such a piece was the text so far once more.
    cumulative: bool,
    /// What came behind the object.
    behind: String,
    settled: bool,
}

impl Arguments {
    /// Takes a piece in. What comes behind their end is looked at only to tell whether it is a repetition.
    pub(crate) fn push(&mut self, piece: &str) {
        if self.settled {
            return self.behind.push_str(piece);
        }
        if let Some(echo) = self.echo.take() {
            self.cumulative = piece.starts_with(&echo);
            let echo = if self.cumulative { self.beyond(&echo).to_owned() } else { echo };
            self.append(&echo);
        }
        if self.closed || !self.are_in(piece) {
            return self.append(piece);
        }
        if !self.cumulative && self.may_nest() {
            self.echo_is_whole = serde_json::from_str::<IgnoredAny>(piece).is_ok();
            self.echo = Some(piece.to_owned());
            return;
        }
        self.cumulative = true;
        let more = self.beyond(piece).to_owned();
        self.append(&more);
    }

    /// Takes in a piece of free text, which is never a repetition.
    pub(crate) fn push_free(&mut self, piece: &str) {
        match self.settled {
            true => self.behind.push_str(piece),
            false => self.text.push_str(piece),
        }
    }

    /// Takes in what they are as a whole, of which pieces may have come. False if it is something else than the pieces:
    /// these were handed out and stay. `is_free`: as free text.
    pub(crate) fn push_whole(&mut self, whole: &str, is_free: bool) -> bool {
        let begun = !self.text.is_empty() || self.echo.is_some();
        match whole.strip_prefix(&self.text) {
            Some(rest) if is_free => self.push_free(rest),
            Some(_) if !begun || self.first == Some(b'{') => self.push(whole),
            Some(rest) => self.push(rest),
            None if whole.is_empty() => {}
            None if !is_free && (self.are_blank() || self.is_repeated(whole)) => self.push(whole),
            None => return false,
        }
        true
    }

    /// Whether they are this text, or the same JSON.
    pub(crate) fn are(&self, whole: &str) -> bool {
        self.text.trim() == whole.trim() || (!whole.trim().is_empty() && self.is_repeated(whole))
    }

    /// Whether they can go on to be this text.
    pub(crate) fn are_begin_of(&self, whole: &str) -> bool {
        self.are_blank() || whole.starts_with(&self.text) || self.are(whole)
    }

    /// What can be handed out and was not; nothing while it may still turn out to be another text.
    pub(crate) fn fresh(&mut self) -> Option<String> {
        if self.are_blank() {
            return None;
        }
        let fresh = self.text.get(self.told..).filter(|fresh| !fresh.is_empty())?.to_owned();
        self.told = self.text.len();
        Some(fresh)
    }

    /// They are at their end: nothing waits any more.
    pub(crate) fn settle(&mut self) {
        if let Some(echo) = self.echo.take() {
            let repeats = self.echo_is_whole || echo == self.text;
            let more = if repeats { self.beyond(&echo).to_owned() } else { echo };
            self.append(&more);
        }
        self.settled = true;
    }

    /// Whether something came that is neither part of them nor a repetition of them.
    pub(crate) fn have_leftovers(&self) -> bool {
        !self.is_repeated(&self.behind)
    }

    /// Whether nothing of them came.
    pub(crate) fn are_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether they are the empty object, which may stand in for arguments that are to come.
    pub(crate) fn are_blank(&self) -> bool {
        self.closed && self.blank && self.told == 0 && !self.settled
    }

    /// Whether they are JSON as far as they have come.
    pub(crate) fn are_whole(&mut self) -> bool {
        if self.closed {
            return true;
        }
        if self.echo.is_some() {
            return self.echo_is_whole;
        }
        if self.spoilt || self.depth > 0 || self.in_string || self.first.is_none() {
            return false;
        }
        let bracketed = matches!(self.first, Some(b'{' | b'[' | b'"'));
        if !bracketed && self.text.len() > MAX_WORD {
            return false;
        }
        let whole = serde_json::from_str::<IgnoredAny>(&self.text).is_ok();
        self.spoilt = bracketed && !whole;
        whole
    }

    /// Whether they end in the middle of their JSON.
    pub(crate) fn are_cut(&mut self) -> bool {
        !self.are_whole() && !self.spoilt && (self.depth > 0 || self.in_string)
    }

    /// Whether more of them can come.
    pub(crate) fn can_grow(&self) -> bool {
        match self.first {
            Some(b'{') => (!self.closed || self.are_blank()) && !self.spoilt,
            Some(b'[' | b'"') => self.depth > 0 || self.in_string,
            Some(_) | None => true,
        }
    }

    /// Whether a piece begins with all of an object that came so far.
    pub(crate) fn are_in(&self, piece: &str) -> bool {
        self.first == Some(b'{') && piece.starts_with(&self.text)
    }

    /// Whether they have begun, and can only go on in the middle of their JSON.
    pub(crate) fn are_begun(&self) -> bool {
        !self.closed && (self.depth > 0 || self.in_string)
    }

    /// Whether a text is these whole arguments once more, any number of times, the last one perhaps cut off.
    pub(crate) fn is_repeated(&self, text: &str) -> bool {
        let text = text.trim();
        if text.is_empty() {
            return true;
        }
        let own = self.text.trim();
        if !self.closed || text.len() < own.len() / LEAST_PART {
            return false;
        }
        if text == own {
            return true;
        }
        let Ok(value) = serde_json::from_str::<Value>(own) else { return false };
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let mut end = 0;
        while let Some(Ok(next)) = values.next() {
            if next != value {
                return false;
            }
            end = values.byte_offset();
        }
        let rest = text.get(end..).unwrap_or_default().trim();
        own.starts_with(rest)
    }

    fn append(&mut self, mut piece: &str) {
        while !piece.is_empty() {
            if self.closed {
                // The empty object was a place holder if another object stands behind it.
                if !self.are_blank() || !piece.trim_start().starts_with('{') {
                    return self.behind.push_str(piece);
                }
                self.text.clear();
                (self.closed, self.blank) = (false, false);
            }
            let (text, rest) = piece.split_at(self.scan(piece));
            self.text.push_str(text);
            self.close();
            piece = rest;
        }
    }

    /// Looks whether the text is a whole object, once it is balanced.
    fn close(&mut self) {
        if self.first == Some(b'{') && self.depth == 0 && !self.spoilt {
            self.closed = serde_json::from_str::<IgnoredAny>(&self.text).is_ok();
            self.spoilt = !self.closed;
            let mark = |byte: u8| matches!(byte, b'{' | b'}') || byte.is_ascii_whitespace();
            self.blank = self.text.bytes().all(mark);
        }
    }

    /// Reads on to the end of the object, or of the piece; its place in the piece.
    fn scan(&mut self, piece: &str) -> usize {
        for (at, byte) in piece.bytes().enumerate() {
            if self.first.is_none() && !byte.is_ascii_whitespace() {
                self.first = Some(byte);
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 && self.first == Some(b'{') && !self.spoilt {
                        return at + 1;
                    }
                }
                _ => {}
            }
        }
        piece.len()
    }

    /// Whether the text can go on with an object inside it. Anywhere else a piece that begins like the text repeats it.
    fn may_nest(&self) -> bool {
        !self.in_string && self.text.trim_end().ends_with([':', '[', ','])
    }

    /// A piece that begins with the text, without it.
    fn beyond<'a>(&self, piece: &'a str) -> &'a str {
        piece.get(self.text.len()..).unwrap_or_default()
    }
}

/// Arguments of a call in the history as the text of a JSON object, which hosts and their templates count on: an object
/// byte for byte, nothing as the empty object. Any other text is wrapped, and the flag says so.
pub(crate) fn object_text(arguments: &str) -> (Cow<'_, str>, bool) {
    let text = arguments.trim();
    if text.is_empty() {
        return (Cow::Borrowed("{}"), false);
    }
    if text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return (Cow::Borrowed(arguments), false);
    }
    (Cow::Owned(json!({ "_raw": arguments }).to_string()), true)
}

/// Of calls of the history that were wrapped so.
pub(crate) const WRAPPED: &str = "arguments that are no JSON object are sent as {\"_raw\": text}";

#[cfg(test)]
mod tests;
