//! Follows an answer as it is read: passes interim answers over, and finds its end.

use memchr::memchr;

use super::chunks::Chunks;
use super::fault::Fault;
use super::head::{Extent, Head, read};

/// Most bytes of one head.
const MAX_HEAD: usize = 256 * 1024;
/// Most bytes of all heads of one answer, the interim ones with it.
const MAX_HEADS: usize = 1024 * 1024;

const PROTOCOL: &[u8] = b"HTTP/1.";

/// What was read of an answer.
#[derive(Debug)]
pub(crate) struct Incoming {
    state: State,
    /// What came of a head that is not whole.
    head: Vec<u8>,
    /// So much of `head` has no end in it.
    searched: usize,
    /// Bytes of all heads.
    taken: usize,
    keep: bool,
    /// More came than the answer.
    surplus: bool,
    /// What is wrong behind the bytes that were passed.
    fault: Option<Fault>,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    Rest,
    Whole,
}

impl Incoming {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            head: Vec::new(),
            searched: 0,
            taken: 0,
            keep: false,
            surplus: false,
            fault: None,
        }
    }

    /// Whether the answer has begun: its interim answers do not count.
    pub(crate) fn has_head(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Whether anything came of a head.
    pub(crate) fn is_begun(&self) -> bool {
        self.taken > 0
    }

    /// Whether all of it was read.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// Whether exactly this answer was read, and the connection is good for another.
    pub(crate) fn leaves_the_connection_clean(&self) -> bool {
        self.is_whole() && self.keep && !self.surplus
    }

    /// Whether more came than the answer.
    pub(crate) fn has_surplus(&self) -> bool {
        self.is_whole() && self.surplus
    }

    /// What is wrong behind the bytes that were passed: they come first.
    pub(crate) fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Takes in bytes before the answer has begun. When its head is whole, gives what awc is to read: a head, and what
    /// came of the body.
    pub(crate) fn take(&mut self, bytes: &[u8], bodiless: bool) -> Result<Option<Vec<u8>>, Fault> {
        self.taken += bytes.len();
        self.head.extend_from_slice(bytes);
        loop {
            // Some servers put a line end behind the body before.
            if self.searched == 0 {
                let blank = self.head.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
                self.head.drain(..blank);
            }
            let begins = self.head.len().min(PROTOCOL.len());
            if self.head[..begins] != PROTOCOL[..begins] {
                return Err(Fault::NotHttp);
            }
            let Some(end) = self.end_of_head() else {
                if self.head.len() > MAX_HEAD {
                    return Err(Fault::HeadTooLarge(MAX_HEAD));
                }
                // What has come of a body is no head.
                return if self.taken > MAX_HEADS { Err(Fault::HeadTooLarge(MAX_HEADS)) } else { Ok(None) };
            };
            if end > MAX_HEAD {
                return Err(Fault::HeadTooLarge(MAX_HEAD));
            }
            match read(&self.head[..end], bodiless)? {
                Head::Interim => {
                    self.head.drain(..end);
                    self.searched = 0;
                }
                Head::Final(head) => {
                    self.keep = head.keep;
                    self.state = match head.body {
                        Extent::Length(0) => State::Whole,
                        Extent::Length(length) => State::Length(length),
                        Extent::Chunked => State::Chunked(Chunks::new()),
                        Extent::Rest => State::Rest,
                    };
                    let body = std::mem::take(&mut self.head).split_off(end);
                    let mut out = head.wire;
                    let passed = self.pass(&body);
                    out.extend_from_slice(&body[..passed]);
                    return Ok(Some(out));
                }
            }
        }
    }

    /// Where the head ends that `head` begins with. Each byte is looked at once, however they come.
    fn end_of_head(&mut self) -> Option<usize> {
        let mut from = self.searched;
        while let Some(at) = memchr(b'\n', &self.head[from..]) {
            let next = from + at + 1;
            match &self.head[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                // What ends the head may come with the next bytes.
                [] | [b'\r'] => {
                    self.searched = next - 1;
                    return None;
                }
                _ => from = next,
            }
        }
        self.searched = self.head.len();
        None
    }

    /// Goes over bytes behind the head; says how many of them are the body's. Those behind it nobody had asked for.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let passed = match &mut self.state {
            State::Head | State::Whole => 0,
            State::Length(left) => {
                let here = (*left).min(bytes.len() as u64);
                *left -= here;
                if *left == 0 {
                    self.state = State::Whole;
                }
                here as usize
            }
            State::Chunked(chunks) => {
                let (passed, fault) = chunks.pass(bytes);
                self.fault = fault;
                if chunks.is_done() {
                    self.state = State::Whole;
                }
                passed
            }
            State::Rest => bytes.len(),
        };
        self.surplus |= passed < bytes.len();
        passed
    }

    /// The connection ended.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.state {
            State::Rest => {
                self.state = State::Whole;
                Ok(())
            }
            State::Whole => Ok(()),
            // In place of an answer: the caller says so better.
            State::Head if self.head.is_empty() => Ok(()),
            State::Head | State::Length(_) | State::Chunked(_) => Err(Fault::Cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// What awc reads of the bytes, and whether another request may follow; at any split in two, and byte by byte.
    #[track_caller]
    fn check(bytes: &str, want: &str, clean: bool) {
        let follow = |pieces: &[&[u8]]| {
            let (mut incoming, mut out) = (Incoming::new(), Vec::new());
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                if incoming.has_head() {
                    let passed = incoming.pass(piece);
                    out.extend_from_slice(&piece[..passed]);
                } else {
                    out.extend(incoming.take(piece, false).unwrap().unwrap_or_default());
                }
            }
            (String::from_utf8(out).unwrap(), incoming.leaves_the_connection_clean())
        };
        let bytes = bytes.as_bytes();
        let want = (want.to_owned(), clean);
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(follow(&[first, second]), want, "cut at {cut}");
        }
        assert_eq!(follow(&bytes.chunks(1).collect::<Vec<_>>()), want);
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let want = "HTTP/1.1 200 -\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        check(answer, want, true);
        check(&format!("HTTP/1.1 100 Continue\r\n\r\n{answer}"), want, true);
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(3);
        check(&format!("\r\n{hints}HTTP/1.1 102\n\n{answer}"), want, true);
    }

    #[test]
    fn the_answer_is_read_exactly() {
        let chunked =
            "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        check(answer, chunked, true);
        check(&format!("{answer}\r\n"), chunked, false);
        check(&format!("{answer}HTTP/1.1 200 OK\r\n\r\n"), chunked, false);
        let length = "HTTP/1.1 200 -\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi!", length, false);
        let none = "HTTP/1.1 204 -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        check("HTTP/1.1 204 No Content\r\n\r\n", none, true);
        check("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi", none, false);
    }

    #[test]
    fn a_body_without_a_length_goes_to_the_end_of_the_connection() {
        let rest = "HTTP/1.0 200 -\r\nconnection: close\r\n\r\nhi";
        check("HTTP/1.1 200 OK\r\n\r\nhi", rest, false);
        let mut incoming = Incoming::new();
        incoming.take(b"HTTP/1.1 200 OK\r\n\r\nhi", false).unwrap();
        assert!(!incoming.is_whole());
        assert_eq!(incoming.end(), Ok(()));
        assert!(incoming.is_whole());
    }

    #[test]
    fn an_early_end_is_a_fault() {
        for cut in [
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        ] {
            let mut incoming = Incoming::new();
            incoming.take(cut.as_bytes(), false).unwrap();
            assert_eq!(incoming.end(), Err(Fault::Cut), "{cut:?}");
        }
        assert_eq!(Incoming::new().end(), Ok(()));
    }

    #[test]
    fn heads_are_bounded() {
        let interim = "HTTP/1.1 103 X\r\nx: 12345678\r\n\r\n".repeat(1024);
        let mut incoming = Incoming::new();
        let found = (0..100).find_map(|_| incoming.take(interim.as_bytes(), false).err());
        assert_eq!(found, Some(Fault::HeadTooLarge(MAX_HEADS)));
        let line = format!("HTTP/1.1 200 {}", "x".repeat(MAX_HEAD));
        assert_eq!(Incoming::new().take(line.as_bytes(), false), Err(Fault::HeadTooLarge(MAX_HEAD)));
        assert_eq!(Incoming::new().take(b"SSH-2.0", false), Err(Fault::NotHttp));
        assert_eq!(Incoming::new().take(b"\x15\x03", false), Err(Fault::NotHttp));
    }
}
