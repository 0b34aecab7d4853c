//! Cuts a byte stream into frames: server-sent events, or one JSON object a line.
//!
//! Any split of the bytes gives the same frames. Lines end in LF, CRLF or CR. What hosts do wrong is mended where it
//! is known what they meant ([`odd`]); a frame that the end of the bytes tore is none.

mod odd;

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use self::odd::OddFrames;
use crate::shared::lenient;
use crate::{AdapterError, Note};

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
    /// Reads the data as JSON. What is nearly JSON, such as half a surrogate pair or a key that stands twice, is mended.
    pub fn parse<T: DeserializeOwned>(&self, provider: &'static str) -> Result<T, AdapterError> {
        lenient::read(provider, self.data, &mut String::new())
    }

    /// The same for what borrows from the frame. What has to be mended is kept in `mended`, an empty text of the
    /// caller's.
    pub(crate) fn parse_in<T: Deserialize<'a>>(
        &self,
        provider: &'static str,
        mended: &'a mut String,
    ) -> Result<T, AdapterError> {
        lenient::read(provider, self.data, mended)
    }
}

/// Longest frame that is put together, in bytes: an image in base64 fits, an endless line does not.
const MAX_FRAME: usize = 64 * 1024 * 1024;

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
    /// The last line had no end.
    unended: bool,
    event: Option<Span>,
    data: Data,
    /// Data of several lines, and data that had to be mended.
    joined: String,
    /// Where the lines begin in `joined`, each with the event named before it.
    lines: Vec<(usize, Option<Span>)>,
    /// The event that was named before the first data line.
    first_event: Option<Span>,
    /// An event name that had to be mended.
    mended: String,
    stray: Vec<u8>,
    odd: OddFrames,
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
            unended: false,
            event: None,
            data: Data::None,
            joined: String::new(),
            lines: Vec::new(),
            first_event: None,
            mended: String::new(),
            stray: Vec::new(),
            odd: OddFrames::default(),
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
        self.first_event = self.first_event.map(moved);
        self.lines.iter_mut().for_each(|(_, event)| *event = event.map(moved));
        if let Data::Line(span) = self.data {
            self.data = Data::Line(moved(span));
        }
    }

    /// Whether so much of a frame waits that reading it takes its time, and the frame may be whole by now: a line ended.
    pub fn has_long(&self, bytes: usize) -> bool {
        let new = self.buffer.get(self.searched.max(self.at)..).unwrap_or_default();
        self.buffer.len() - self.begin >= bytes && (self.closed || memchr2(b'\n', b'\r', new).is_some())
    }

    /// No more bytes will come, be it that the host was done or that the connection broke. What is left counts as a
    /// frame if it is whole JSON.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Bytes that were part of no frame, such as an error body after the last event, or a page in place of a stream.
    pub fn stray(&self) -> &[u8] {
        &self.stray
    }

    /// What is to be told of data that was passed over because it is no event of any provider, such as `ping`.
    pub fn note(&self) -> Option<Note> {
        let words = self.odd.words()?;
        Some(Note::dropped("output", format!("data of the stream that is no JSON: {words}")))
    }

    /// Whether a frame has begun that was not handed out. Comments and blank lines are none.
    pub fn in_frame(&self) -> bool {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let line = rest.first().is_some_and(|byte| !matches!(byte, b':' | b'\n' | b'\r' | b' ' | b'\t'));
        line || self.event.is_some() || !matches!(self.data, Data::None) || self.odd.waits()
    }

    /// The next whole frame. Fails when a frame grows beyond 64 MiB.
    #[expect(clippy::should_implement_trait, reason = "the frame borrows from the decoder")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, AdapterError> {
        loop {
            if self.odd.advance() {
                return Ok(Some(self.odd.frame()));
            }
            if self.cut()? {
                if self.is_plain() {
                    return Ok(Some(self.hand_out()));
                }
                self.sort(false);
            } else if self.closed && !matches!(self.data, Data::None) {
                self.sort(true);
            } else if !self.odd.settle(self.closed) {
                return Ok(None);
            }
        }
    }

    /// Reads lines up to the end of a frame; false if there are too few.
    fn cut(&mut self) -> Result<bool, AdapterError> {
        while let Some((start, end)) = self.line() {
            let is_whole = match self.framing {
                Framing::Sse => self.sse_line(start, end),
                Framing::Ndjson => self.json_line(start, end),
            };
            if is_whole {
                return Ok(true);
            }
        }
        if self.buffer.len() - self.begin > MAX_FRAME {
            return Err(AdapterError::BadFrame {
                provider: "the provider",
                what: "a frame over 64 MiB".into(),
            });
        }
        Ok(false)
    }

    /// Whether the frame is an object in one line, without anything to mend or to wait for.
    fn is_plain(&self) -> bool {
        let Data::Line(line) = self.data else { return false };
        let json = bytes(&self.buffer, line);
        json.first() == Some(&b'{') && !self.odd.waits() && !lenient::suspicious(json) && !self.is_last()
    }

    /// Whether nothing but the end of the bytes ended the line of JSON that was read last.
    fn is_last(&self) -> bool {
        self.closed && self.framing == Framing::Ndjson && self.unended
    }

    /// Takes a frame that is not plain out of the buffer. `is_torn`: the end of the bytes ended it.
    fn sort(&mut self, is_torn: bool) {
        let is_torn = is_torn || self.is_last();
        let names: Vec<(usize, String)> = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|(at, event)| (at, lossy(bytes(&self.buffer, event.unwrap_or_default())).into_owned()))
            .collect();
        let Frame { event, data } = self.hand_out();
        let (event, data) = (event.to_owned(), data.to_owned());
        self.odd.take(event, data, &names, is_torn, &mut self.stray);
    }

    fn hand_out(&mut self) -> Frame<'_> {
        self.begin = self.at;
        self.lines.clear();
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
                self.unended = true;
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
        let start = self.behind_mark(start, end);
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

    /// Where a line begins behind the byte order mark that the first one may have.
    fn behind_mark(&mut self, start: usize, end: usize) -> usize {
        let mark = "\u{feff}".as_bytes();
        let has_mark = !self.started && bytes(&self.buffer, Span { start, end }).starts_with(mark);
        self.started = true;
        if has_mark { start + mark.len() } else { start }
    }

    /// Takes one line in; true if it ended a frame.
    fn sse_line(&mut self, start: usize, end: usize) -> bool {
        let start = self.behind_mark(start, end);
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
            _ => odd::keep(&mut self.stray, line),
        }
        if self.event.is_none() && matches!(self.data, Data::None) {
            self.begin = self.at;
        }
        false
    }

    fn data_line(&mut self, line: Span) {
        match self.data {
            Data::None => {
                self.first_event = self.event;
                return self.data = Data::Line(line);
            }
            Data::Line(first) => {
                self.joined.clear();
                self.joined.push_str(&lossy(bytes(&self.buffer, first)));
                self.lines = vec![(0, self.first_event)];
                self.data = Data::Joined;
            }
            Data::Joined => {}
        }
        self.joined.push('\n');
        self.lines.push((self.joined.len(), self.event));
        self.joined.push_str(&lossy(bytes(&self.buffer, line)));
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
mod tests;
