//! Arguments of a call as they grow, and whether they are whole.

use serde::de::IgnoredAny;

/// Longest text that is tried as a number or a word.
const MAX_WORD: usize = 64;

/// JSON that comes in pieces. Whether it is whole is asked at every other call, so it is parsed only where it can be,
/// and each byte is looked at once.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    text: String,
    /// Brackets that are open.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// It was balanced and no JSON, which no further text mends.
    spoilt: bool,
}

impl Arguments {
    pub(super) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.text.push_str(piece);
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether they are JSON as far as they have come.
    pub(super) fn are_whole(&mut self) -> bool {
        if self.spoilt || self.depth > 0 || self.in_string {
            return false;
        }
        let text = self.text.trim_start();
        let bracketed = text.starts_with(['{', '[', '"']);
        if !bracketed && text.len() > MAX_WORD {
            return false;
        }
        let whole = serde_json::from_str::<IgnoredAny>(text).is_ok();
        self.spoilt = bracketed && !whole;
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str]) {
        let mut arguments = Arguments::default();
        let mut text = String::new();
        for piece in pieces {
            arguments.push(piece);
            text.push_str(piece);
            let want = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            assert_eq!((arguments.are_whole(), arguments.text()), (want, text.as_str()));
        }
    }

    #[test]
    fn they_are_whole_when_they_are_json() {
        check(&["", " ", "{", "\"a\\", "\"}\":", "[1,", "2]", "}", " ", "x"]);
        check(&["\"", "a{", "\\", "\\", "\"", "\""]);
        check(&["1", "2", "e", "5", " "]);
        check(&["tru", "e"]);
        check(&["{}", "}"]);
        check(&["[", "}", "]"]);
        check(&["}", "{", "}"]);
    }
}
