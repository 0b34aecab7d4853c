//! Mends text that is nearly JSON, in one pass.
//!
//! Mended are: a byte order mark, `NaN`, `Infinity` and numbers beyond a double (`null`), halves of surrogate pairs
//! that stand alone (U+FFFD), control characters and unknown escapes in strings, and keys that stand twice in an
//! object: the last value that is neither null nor empty counts. Whether the result is JSON, its reader finds out.

use std::collections::HashMap;
use std::ops::Range;

/// Deepest nesting; the JSON reader takes no more either.
const MAX_DEPTH: usize = 128;

/// What stands for a half of a surrogate pair without the other.
pub(super) const BROKEN: &str = "\\ufffd";

/// The text as JSON; `None` if it is nested too deeply.
pub(crate) fn mend(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut mender = Mender { text, at: 0, out: String::with_capacity(text.len()), ..Mender::default() };
    mender.run()?;
    Some(without(mender.out, mender.removed))
}

#[derive(Default)]
struct Mender<'a> {
    text: &'a str,
    at: usize,
    out: String,
    open: Vec<Option<Members>>,
    /// Members that a later one of the same name replaces, in `out`.
    removed: Vec<Range<usize>>,
}

/// The members of an object that is open.
#[derive(Default)]
struct Members {
    seen: HashMap<String, Member>,
    /// Name of the member that is being read, where it begins, and where its value does once it was reached.
    current: Option<(String, usize, usize)>,
    /// The last member that was read whole.
    last: Option<String>,
    /// Where the comma behind it stands.
    comma: usize,
}

struct Member {
    /// With the comma behind it, once that was read.
    place: Range<usize>,
    is_empty: bool,
}

impl Mender<'_> {
    fn run(&mut self) -> Option<()> {
        while let Some(byte) = self.text.as_bytes().get(self.at).copied() {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    if self.open.len() == MAX_DEPTH {
                        return None;
                    }
                    self.open.push((byte == b'{').then(Members::default));
                    self.copy(1);
                }
                b'}' | b']' => {
                    self.end_member();
                    self.open.pop();
                    self.copy(1);
                }
                b',' => self.comma(),
                b':' => {
                    self.copy(1);
                    let at = self.out.len();
                    if let Some((.., value)) = self.members().and_then(|m| m.current.as_mut()) {
                        *value = at;
                    }
                }
                b' ' | b'\t' | b'\n' | b'\r' => self.copy(1),
                _ => self.word(),
            }
        }
        Some(())
    }

    fn members(&mut self) -> Option<&mut Members> {
        self.open.last_mut()?.as_mut()
    }

    /// Takes bytes over as they are.
    fn copy(&mut self, count: usize) {
        let end = self.at + count;
        self.out.push_str(self.text.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    fn comma(&mut self) {
        self.end_member();
        let comma = self.out.len();
        self.copy(1);
        if let Some(members) = self.members() {
            members.comma = comma;
            if let Some(last) = members.last.take().and_then(|name| members.seen.get_mut(&name)) {
                last.place.end = comma + 1;
            }
        }
    }

    /// A member was read whole: one of two of a name goes.
    fn end_member(&mut self) {
        let Some(Some(members)) = self.open.last_mut() else { return };
        let Some((name, begin, value)) = members.current.take() else { return };
        let text = self.out.get(value..).unwrap_or_default().trim();
        let is_empty = matches!(text, "" | "null" | "\"\"" | "[]" | "{}");
        let place = begin..self.out.len();
        match members.seen.get(&name) {
            Some(old) if is_empty && !old.is_empty => {
                let comma = members.comma;
                self.out.truncate(comma);
                while self.removed.last().is_some_and(|range| range.start >= comma) {
                    self.removed.pop();
                }
                return;
            }
            Some(old) => self.removed.push(old.place.clone()),
            None => {}
        }
        members.seen.insert(name.clone(), Member { place, is_empty });
        members.last = Some(name);
    }

    /// A number, a literal, or something that is none.
    fn word(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end =
            rest.find(|c: char| matches!(c, ',' | ':' | ']' | '}' | '[' | '{' | '"') || c.is_whitespace());
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let is_number = word.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit());
        let is_none = match word.trim_start_matches(['-', '+']) {
            "NaN" | "nan" | "Infinity" | "infinity" | "inf" | "undefined" => true,
            _ => is_number && word.parse::<f64>().is_ok_and(|number| !number.is_finite()),
        };
        if is_none {
            self.out.push_str("null");
            self.at += word.len();
        } else {
            // What stands here may be no word at all, but it has at least one character.
            self.copy(word.len().max(rest.chars().next().map_or(1, char::len_utf8)));
        }
    }

    /// A string; the name of a member where one is due.
    fn string(&mut self) {
        let begin = self.out.len();
        self.copy(1);
        while let Some(byte) = self.text.as_bytes().get(self.at).copied() {
            match byte {
                b'"' => {
                    self.copy(1);
                    break;
                }
                b'\\' => self.escape(),
                0..0x20 => {
                    self.out.push_str(&format!("\\u{byte:04x}"));
                    self.at += 1;
                }
                _ => {
                    let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                    let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20));
                    self.copy(plain.unwrap_or(rest.len()));
                }
            }
        }
        let string = self.out.get(begin..).unwrap_or_default();
        let Some(Some(members)) = self.open.last_mut() else { return };
        if members.current.is_none() {
            let name = serde_json::from_str(string).unwrap_or_else(|_| string.to_owned());
            members.current = Some((name, begin, self.out.len()));
        }
    }

    fn escape(&mut self) {
        match self.text.as_bytes().get(self.at + 1).copied() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.copy(2),
            Some(b'u') => match unit(self.text, self.at) {
                Some(unit) if is_high(unit) && self::unit(self.text, self.at + 6).is_some_and(is_low) => {
                    self.copy(12);
                }
                Some(unit) if is_high(unit) || is_low(unit) => {
                    self.out.push_str(BROKEN);
                    self.at += 6;
                }
                Some(_) => self.copy(6),
                None => self.backslash(),
            },
            _ => self.backslash(),
        }
    }

    /// A backslash that escapes nothing stands for itself.
    fn backslash(&mut self) {
        self.out.push_str("\\\\");
        self.at += 1;
    }
}

/// The code unit of the escape `\uXXXX` at this place.
pub(super) fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u16::from_str_radix(digits, 16).ok() } else { None }
}

pub(super) fn is_high(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

pub(super) fn is_low(unit: u16) -> bool {
    (0xDC00..0xE000).contains(&unit)
}

/// The text without these ranges, some of which may lie within others.
fn without(text: String, mut ranges: Vec<Range<usize>>) -> String {
    if ranges.is_empty() {
        return text;
    }
    ranges.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        if range.start >= from {
            out.push_str(text.get(from..range.start).unwrap_or_default());
        }
        from = from.max(range.end);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}
