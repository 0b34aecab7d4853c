//! Cuts a byte stream into frames: server-sent events, or one JSON object a line.
//!
//! Any split of the bytes gives the same frames. Lines end in LF, CRLF or CR.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::AdapterError;

/// How a provider's stream is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// `text/event-stream`.
    Sse,
    /// One JSON object a line.
    Ndjson,
}

/// One event of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// The `event:` field, empty if there was none.
    pub event: &'a str,
    /// The data lines joined by LF. Broken UTF-8 was replaced by U+FFFD.
    pub data: &'a str,
}

impl<'a> Frame<'a> {
    /// Parses the data as JSON.
    pub fn parse<T: serde::Deserialize<'a>>(&self, provider: &'static str) -> Result<T, AdapterError> {
        serde_json::from_str(self.data).map_err(|e| AdapterError::BadFrame { provider, what: e.to_string() })
    }
}

/// Longest frame that is put together, in bytes: an image in base64 fits, an endless line does not.
const MAX_FRAME: usize = 64 * 1024 * 1024;
/// How much of bytes outside any frame is kept for error messages.
const MAX_STRAY: usize = 64 * 1024;

/// A larger buffer is given back when no more than this came twice in a row: streams begin with large frames
/// and then trickle.
const SMALL: usize = 1024;

/// Bytes of the buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// The data lines of a frame.
#[derive(Clone, Copy, Debug)]
enum Data {
    None,
    /// One line, still in the buffer. Nearly every frame is one of these, and is never copied.
    Line(Span),
    /// Several lines, in `joined`.
    Joined,
}

/// Incremental decoder: `feed` bytes, then take frames until `next` gives none; at the end `close`, and
/// take once more.
#[derive(Debug)]
pub struct FrameDecoder {
    framing: Framing,
    buffer: Vec<u8>,
    /// Start of the frame that is being read: what is before it is not needed any more.
    begin: usize,
    /// Start of the first line not yet read.
    at: usize,
    /// Up to here there is no line end: a long line that comes in small pieces is searched once.
    searched: usize,
    /// The last line ended in CR: a LF right behind belongs to it.
    skip_lf: bool,
    started: bool,
    closed: bool,
    event: Option<Span>,
    data: Data,
    /// Data of several lines, and data that had to be mended.
    joined: String,
    /// An event name that had to be mended.
    mended: String,
    stray: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder for one stream.
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            begin: 0,
            at: 0,
            searched: 0,
            skip_lf: false,
            started: false,
            closed: false,
            event: None,
            data: Data::None,
            joined: String::new(),
            mended: String::new(),
            stray: Vec::new(),
        }
    }

    /// Adds bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let read = std::mem::take(&mut self.begin);
        if read > 0 {
            self.forget(read);
            if self.buffer.is_empty() && self.buffer.capacity() > SMALL && read.max(bytes.len()) <= SMALL {
                self.buffer = Vec::new();
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Gives back what the buffer has beyond the bytes that are still to be read.
    pub fn shrink(&mut self) {
        let read = std::mem::take(&mut self.begin);
        self.forget(read);
        self.buffer.shrink_to_fit();
    }

    /// Lets go of the frames that were read.
    fn forget(&mut self, read: usize) {
        self.buffer.drain(..read);
        self.at = self.at.saturating_sub(read);
        self.searched = self.searched.saturating_sub(read);
        let moved =
            |span: Span| Span { start: span.start.saturating_sub(read), end: span.end.saturating_sub(read) };
        self.event = self.event.map(moved);
        if let Data::Line(span) = self.data {
            self.data = Data::Line(moved(span));
        }
    }

    /// No more bytes will come: what is left counts as ended by a line end and a blank line.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Bytes that were part of no frame, such as an error body after the last event.
    pub fn stray(&self) -> &[u8] {
        &self.stray
    }

    /// Whether a frame has begun that is not whole. Comments and blank lines are none.
    pub fn in_frame(&self) -> bool {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let line = rest.first().is_some_and(|byte| !matches!(byte, b':' | b'\n' | b'\r' | b' ' | b'\t'));
        line || self.event.is_some() || !matches!(self.data, Data::None)
    }

    /// The next whole frame. Fails when a frame grows beyond 64 MiB.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows from the decoder")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, AdapterError> {
        while let Some((start, end)) = self.line() {
            let whole = match self.framing {
                Framing::Sse => self.sse_line(start, end),
                Framing::Ndjson => self.json_line(start, end),
            };
            if whole {
                return Ok(Some(self.hand_out()));
            }
        }
        if self.buffer.len() - self.begin > MAX_FRAME {
            return Err(AdapterError::BadFrame {
                provider: "the provider",
                what: "a frame over 64 MiB".into(),
            });
        }
        if self.closed && !matches!(self.data, Data::None) {
            return Ok(Some(self.hand_out()));
        }
        Ok(None)
    }

    fn hand_out(&mut self) -> Frame<'_> {
        self.begin = self.at;
        let event = self.event.take().unwrap_or_default();
        let event = text(bytes(&self.buffer, event), &mut self.mended);
        let data = match std::mem::replace(&mut self.data, Data::None) {
            Data::None => "",
            Data::Line(line) => text(bytes(&self.buffer, line), &mut self.joined),
            Data::Joined => &self.joined,
        };
        Frame { event, data }
    }

    /// Bounds of the next line without its end, if it is whole.
    fn line(&mut self) -> Option<(usize, usize)> {
        if self.skip_lf && self.at < self.buffer.len() {
            self.skip_lf = false;
            if self.buffer.get(self.at) == Some(&b'\n') {
                self.at += 1;
            }
        }
        let from = self.searched.max(self.at);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let found = match self.framing {
            Framing::Sse => memchr2(b'\n', b'\r', rest),
            // A CR before the LF is white space to the JSON parser.
            Framing::Ndjson => memchr(b'\n', rest),
        };
        let start = self.at;
        let Some(offset) = found else {
            self.searched = self.buffer.len();
            if self.closed && start < self.buffer.len() {
                self.at = self.buffer.len();
                return Some((start, self.at));
            }
            return None;
        };
        let end = from + offset;
        self.skip_lf = self.buffer.get(end) == Some(&b'\r');
        self.at = end + 1;
        Some((start, end))
    }

    fn json_line(&mut self, start: usize, end: usize) -> bool {
        let line = bytes(&self.buffer, Span { start, end }).trim_ascii_start();
        let start = end - line.len();
        let line = line.trim_ascii_end();
        if line.is_empty() {
            self.begin = self.at;
            return false;
        }
        self.data = Data::Line(Span { start, end: start + line.len() });
        true
    }

    /// Takes one line in; true if it ended a frame.
    fn sse_line(&mut self, mut start: usize, end: usize) -> bool {
        if !self.started {
            self.started = true;
            let bom = "\u{feff}".as_bytes();
            if bytes(&self.buffer, Span { start, end }).starts_with(bom) {
                start += bom.len();
            }
        }
        if start == end {
            let whole = !matches!(self.data, Data::None);
            // An event without data is no event (WHATWG HTML 9.2.6).
            if !whole {
                self.event = None;
                self.begin = self.at;
            }
            return whole;
        }
        let line = bytes(&self.buffer, Span { start, end });
        let (name, value) = match memchr(b':', line) {
            Some(colon) => {
                let behind = start + colon + 1;
                let space = usize::from(line.get(colon + 1) == Some(&b' '));
                (line.get(..colon).unwrap_or_default(), Span { start: behind + space, end })
            }
            None => (line, Span { start: end, end }),
        };
        match name {
            b"data" => self.data_line(value),
            b"event" => self.event = Some(value),
            b"" | b"id" | b"retry" => {}
            _ if self.stray.len() + line.len() < MAX_STRAY => {
                self.stray.extend_from_slice(line);
                self.stray.push(b'\n');
            }
            _ => {}
        }
        if self.event.is_none() && matches!(self.data, Data::None) {
            self.begin = self.at;
        }
        false
    }

    fn data_line(&mut self, line: Span) {
        match self.data {
            Data::None => return self.data = Data::Line(line),
            Data::Line(first) => {
                self.joined.clear();
                self.joined.push_str(&String::from_utf8_lossy(bytes(&self.buffer, first)));
                self.data = Data::Joined;
            }
            Data::Joined => {}
        }
        self.joined.push('\n');
        self.joined.push_str(&String::from_utf8_lossy(bytes(&self.buffer, line)));
    }
}

fn bytes(buffer: &[u8], span: Span) -> &[u8] {
    buffer.get(span.start..span.end).unwrap_or_default()
}

/// The bytes as text, with U+FFFD in place of broken UTF-8. `from_utf8_lossy` alone reads byte by byte, which is
/// some ten times slower than this on whole text.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The bytes as text; broken UTF-8 is mended in a place of its own.
fn text<'a>(bytes: &'a [u8], mended: &'a mut String) -> &'a str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            *mended = String::from_utf8_lossy(bytes).into_owned();
            mended
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn decode(framing: Framing, chunks: &[&[u8]]) -> (Vec<(String, String)>, String) {
        let mut decoder = FrameDecoder::new(framing);
        let mut out = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(frame) = decoder.next().unwrap() {
                out.push((frame.event.to_owned(), frame.data.to_owned()));
            }
        }
        decoder.close();
        while let Some(frame) = decoder.next().unwrap() {
            out.push((frame.event.to_owned(), frame.data.to_owned()));
        }
        (out, String::from_utf8_lossy(decoder.stray()).into_owned())
    }

    #[track_caller]
    fn check(text: &str, want: &[(&str, &str)], stray: &str) {
        let want: Vec<_> = want.iter().map(|(e, d)| ((*e).to_owned(), (*d).to_owned())).collect();
        let want = (want, stray.to_owned());
        for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let (a, b) = bytes.split_at(cut);
                assert_eq!(decode(Framing::Sse, &[a, b]), want, "cut at {cut} of {text:?}");
            }
            let single: Vec<_> = bytes.chunks(1).collect();
            assert_eq!(decode(Framing::Sse, &single), want);
        }
    }

    #[test]
    fn events_data_and_comments_are_told_apart() {
        check(
            "\u{feff}: hi\nevent: a\ndata: {\"x\":1}\nid: 3\n\ndata:1\ndata: 2\n\nevent: lost\n\ndata: [DONE]\n\n",
            &[("a", "{\"x\":1}"), ("", "1\n2"), ("", "[DONE]")],
            "",
        );
    }

    #[test]
    fn the_last_frame_needs_no_blank_line() {
        check("data: a\n\ndata: ünï", &[("", "a"), ("", "ünï")], "");
    }

    #[test]
    fn an_error_body_behind_the_stream_is_kept() {
        check("data: a\n\n{\n  \"error\": {}\n}\n", &[("", "a")], "{\n  \"error\": {}\n}\n");
    }

    #[test]
    fn comments_are_no_part_of_a_frame() {
        for (text, want) in [
            ("", false),
            (": k", false),
            (": k\n\n", false),
            ("data: a\n\n", false),
            ("data: a\n\n: k", false),
            ("da", true),
            ("data: a\n", true),
            ("event: a\n: k", true),
        ] {
            let mut decoder = FrameDecoder::new(Framing::Sse);
            decoder.feed(text.as_bytes());
            while decoder.next().unwrap().is_some() {}
            assert_eq!(decoder.in_frame(), want, "{text:?}");
        }
    }

    #[test]
    fn lines_of_json_are_frames() {
        let want = vec![(String::new(), "{\"a\":1}".to_owned()), (String::new(), "{\"b\":2}".to_owned())];
        assert_eq!(decode(Framing::Ndjson, &[b"{\"a\":1}\r\n\n{\"b\"", b":2}"]).0, want);
    }

    #[test]
    fn broken_utf8_is_replaced() {
        assert_eq!(
            decode(Framing::Sse, &[b"data: a\xff\n\n"]).0,
            vec![(String::new(), "a\u{fffd}".to_owned())]
        );
    }
}
