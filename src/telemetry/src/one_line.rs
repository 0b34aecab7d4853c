//! Keeps an event on the one line that is its own, whatever others wrote into it.

use std::fmt::Write as _;
use std::io;

use tracing_subscriber::fmt::MakeWriter;

/// Hands on each write without what a terminal, a pager or a log collector may take for the end of a line, or obey.
///
/// The formats write an event at once and end it with a line break of their own. The colours that they use themselves are
/// let through, whoever wrote them: they neither hide nor move anything.
#[derive(Clone, Debug)]
pub(crate) struct OneLine<W>(pub(crate) W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for OneLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match escaped(bytes) {
            Some(line) => self.0.write_all(line.as_bytes())?,
            None => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What the formats begin and end a colour or a weight with.
const COLOURS: [&str; 9] = [
    "\u{1b}[0m",
    "\u{1b}[1m",
    "\u{1b}[2m",
    "\u{1b}[3m",
    "\u{1b}[31m",
    "\u{1b}[32m",
    "\u{1b}[33m",
    "\u{1b}[34m",
    "\u{1b}[35m",
];

/// `None`: as it is.
fn escaped(bytes: &[u8]) -> Option<String> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    // What is escaped begins with one of these.
    let suspect = |byte: &u8| *byte < b' ' || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2);
    if !body.iter().any(suspect) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let mut line = String::with_capacity(text.len() + 32);
    for (at, c) in text.char_indices() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\u{1b}' if COLOURS.iter().any(|colour| text[at..].starts_with(colour)) => line.push(c),
            // All of them are below 0x10000. As JSON writes them, so that a line of JSON stays one. Writing into memory does
            // not fail.
            c if is_unsafe(c) => drop(write!(line, "\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    if body.len() < bytes.len() {
        line.push('\n');
    }
    Some(line)
}

/// Controls, line breaks of Unicode, and what turns the direction of the text that follows.
fn is_unsafe(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\t') || breaks || turns
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(written: &str, want: &str) {
        let mut lines = OneLine(Vec::new());
        lines.write_all(written.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(lines.0).unwrap(), want);
    }

    #[test]
    fn an_event_is_one_line() {
        check("a\nb\r\nc\n", "a\\nb\\r\\nc\n");
        check("a\u{85}b\u{2028}c\u{2029}d\u{b}e\u{c}f\n", "a\\u0085b\\u2028c\\u2029d\\u000be\\u000cf\n");
        check("\n\n", "\\n\n");
    }

    #[test]
    fn nothing_is_obeyed() {
        check("a\u{9b}31mb\u{9d}c\u{7f}\u{8}\n", "a\\u009b31mb\\u009dc\\u007f\\u0008\n");
        check("a\u{1b}[2Kb\u{1b}[8mc\u{1b}]0;d\u{7}\n", "a\\u001b[2Kb\\u001b[8mc\\u001b]0;d\\u0007\n");
        check("a\u{202e}b\u{2066}c\u{200f}\u{61c}\n", "a\\u202eb\\u2066c\\u200f\\u061c\n");
    }

    #[test]
    fn words_and_colours_stay() {
        for line in
            ["\u{1b}[32mINFO\u{1b}[0m plain\tword\n", "ünï — \u{1f600} “q” ©\n", "{\"a\":\"b\\n\"}\n", ""]
        {
            check(line, line);
        }
    }
}
