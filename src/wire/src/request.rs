//! Follows a request as it is written, to know when it was sent whole.

use httparse::EMPTY_HEADER;
use memchr::memmem;

/// Heads of requests are ours and small.
const MAX_HEAD: usize = 1024 * 1024;

/// What was written of a request.
#[derive(Debug)]
pub(crate) struct Outgoing {
    state: State,
    begun: bool,
    asks_for_head: bool,
}

#[derive(Debug)]
enum State {
    /// What was written of the head.
    Head(Vec<u8>),
    /// So much of the body is still to come.
    Body(u64),
    Whole,
    /// Its end cannot be told.
    Endless,
}

impl Outgoing {
    pub(crate) fn new() -> Self {
        Self { state: State::Head(Vec::new()), begun: false, asks_for_head: false }
    }

    /// Takes note of bytes that the connection has accepted.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        self.begun |= !bytes.is_empty();
        match &mut self.state {
            State::Head(seen) if seen.is_empty() => match memmem::find(bytes, b"\r\n\r\n") {
                Some(at) => self.head_ends(&bytes[..at + 4], bytes.len() - at - 4),
                None => seen.extend_from_slice(bytes),
            },
            State::Head(seen) => {
                // The end may have begun in what was there before.
                let from = seen.len().saturating_sub(3);
                seen.extend_from_slice(bytes);
                match memmem::find(&seen[from..], b"\r\n\r\n") {
                    Some(at) => {
                        let head = std::mem::take(seen);
                        self.head_ends(&head[..from + at + 4], head.len() - from - at - 4);
                    }
                    None if seen.len() > MAX_HEAD => self.state = State::Endless,
                    None => {}
                }
            }
            State::Body(left) => self.state = Self::body(*left, bytes.len()),
            State::Whole | State::Endless => self.state = State::Endless,
        }
    }

    /// `behind`: bytes that were written behind the head.
    fn head_ends(&mut self, head: &[u8], behind: usize) {
        let mut headers = vec![EMPTY_HEADER; head.iter().filter(|b| **b == b'\n').count()];
        let mut request = httparse::Request::new(&mut headers);
        if !matches!(request.parse(head), Ok(httparse::Status::Complete(_))) {
            return self.state = State::Endless;
        }
        self.asks_for_head = request.method == Some("HEAD");
        let value = |name: &str| {
            let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
        };
        self.state = match (value("transfer-encoding"), value("content-length").map(str::parse)) {
            (None, None) => Self::body(0, behind),
            (None, Some(Ok(length))) => Self::body(length, behind),
            (Some(_), _) | (None, Some(Err(_))) => State::Endless,
        };
    }

    fn body(left: u64, written: usize) -> State {
        match left.checked_sub(written as u64) {
            Some(0) => State::Whole,
            Some(left) => State::Body(left),
            None => State::Endless,
        }
    }

    /// Whether anything was written.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether more of it is to come.
    pub(crate) fn is_unfinished(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Body(_))
    }

    /// Whether all of it was written.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.state, State::Whole)
    }

    /// Whether the answer to it has no body, whatever its head says.
    pub(crate) fn asks_for_head(&self) -> bool {
        self.asks_for_head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, whole: bool) {
        for cut in 0..=request.len() {
            let mut outgoing = Outgoing::new();
            outgoing.wrote(&request.as_bytes()[..cut]);
            assert!(!outgoing.is_whole() || cut == request.len() || !whole, "cut at {cut}");
            if cut < request.len() {
                outgoing.wrote(&request.as_bytes()[cut..]);
            }
            assert_eq!(outgoing.is_whole(), whole, "{request:?} cut at {cut}");
            assert_eq!(outgoing.asks_for_head(), request.starts_with("HEAD"));
        }
    }

    #[test]
    fn the_end_of_a_request_is_found_at_any_split() {
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true);
        check("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n", true);
        check("POST / HTTP/1.1\r\nContent-Length: 5\r\nhost: a\r\n\r\nhello", true);
        check("POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n", true);
    }

    #[test]
    fn a_request_that_is_not_whole_is_not_taken_for_whole() {
        check("POST / HTTP/1.1\r\ncontent-length: 6\r\n\r\nhello", false);
        check("POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nhello", false);
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", false);
        check("POST / HTTP/1.1\r\ncontent-le", false);
    }
}
