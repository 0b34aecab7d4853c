//! Finds the end of a chunked body. The bytes themselves go on as they are: awc takes the chunks off.
//!
//! The grammar is the one that awc reads, so that both find the same end.

use super::fault::Fault;

/// Most bytes in a row that are not data: sizes, extensions, trailers.
const MAX_OVERHEAD: usize = 64 * 1024;

/// Where in a chunked body the next byte is.
#[derive(Debug)]
pub(crate) struct Chunks {
    state: State,
    /// Of the chunk: read so far of its size, or left of its data.
    size: u64,
    overhead: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    FirstDigit,
    Digits,
    Padding,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a trailer's line, or of the last line.
    LastCr,
    LastLf,
    Trailer,
    TrailerLf,
    Done,
}

impl Chunks {
    pub(crate) fn new() -> Self {
        Self { state: State::FirstDigit, size: 0, overhead: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Goes over the next bytes; says how many of them are the body's, which are all unless it ends among them, and
    /// what is wrong behind those.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> (usize, Option<Fault>) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at)
            && self.state != State::Done
        {
            if self.state == State::Data {
                let here = ((bytes.len() - at) as u64).min(self.size);
                self.size -= here;
                self.overhead = 0;
                at += here as usize;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = match self.step(*byte) {
                Ok(state) => state,
                Err(fault) => return (at, Some(fault)),
            };
            self.overhead += 1;
            if self.overhead > MAX_OVERHEAD {
                return (at, Some(Fault::Chunk("more than 64 KiB without data")));
            }
            at += 1;
        }
        (at, None)
    }

    fn step(&mut self, byte: u8) -> Result<State, Fault> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        Ok(match (self.state, byte) {
            (State::FirstDigit, _) => match digit {
                Some(digit) => {
                    self.size = digit;
                    State::Digits
                }
                None => return Err(Fault::Chunk("a chunk without a size")),
            },
            (State::Digits, _) if digit.is_some() => {
                let size =
                    self.size.checked_mul(16).zip(digit).and_then(|(size, digit)| size.checked_add(digit));
                self.size = size.ok_or(Fault::Chunk("a size over 64 bits"))?;
                State::Digits
            }
            (State::Digits | State::Padding, b'\t' | b' ') => State::Padding,
            (State::Digits | State::Padding, b';') => State::Extension,
            (State::Digits | State::Padding | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, 0x00..=0x08 | 0x0a..=0x1f | 0x7f) => {
                return Err(Fault::Chunk("a control character in an extension"));
            }
            (State::Extension, _) => State::Extension,
            (State::SizeLf, b'\n') if self.size == 0 => State::LastCr,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::FirstDigit,
            (State::LastCr, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            (State::LastCr | State::Trailer, byte) if byte != b'\r' => State::Trailer,
            (State::Trailer, _) => State::TrailerLf,
            (State::TrailerLf, b'\n') => State::LastCr,
            (State::Digits | State::Padding, _) => return Err(Fault::Chunk("a size that is no number")),
            (State::DataCr | State::DataLf, _) => return Err(Fault::Chunk("data longer than its size")),
            (state, _) => {
                debug_assert!(matches!(state, State::SizeLf | State::LastLf | State::TrailerLf));
                return Err(Fault::Chunk("a line that does not end in CR LF"));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// The end is found at any split of the bytes; `behind` does not belong to the body.
    #[track_caller]
    fn check(body: &str, behind: &str) {
        let text = format!("{body}{behind}");
        for cut in 0..=text.len() {
            let mut chunks = Chunks::new();
            let (first, second) = text.as_bytes().split_at(cut);
            let (passed, more) = (chunks.pass(first), chunks.pass(second));
            assert_eq!((passed.1, more.1), (None, None));
            assert_eq!((passed.0 + more.0, chunks.is_done()), (body.len(), true), "cut at {cut} of {text:?}");
        }
    }

    #[test]
    fn the_end_is_found() {
        check("0\r\n\r\n", "");
        check("0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n");
        check("5\r\nhello\r\n000a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", "\r\n");
        check("5 \r\nhello\r\n0\r\nx-trailer: 1\r\ny: 2\r\n\r\n", "z");
    }

    #[test]
    fn what_is_no_chunk_is_a_fault() {
        for bad in [
            "\r\n",
            "g\r\n",
            "5x\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5\r\nhello\n",
            "10000000000000000\r\n",
            "5;\0\r\n",
            "0\r\n\rx",
            "0\r\na: b\rx",
            "5 5\r\n",
        ] {
            assert!(matches!(Chunks::new().pass(bad.as_bytes()).1, Some(Fault::Chunk(_))), "{bad:?}");
        }
        let endless = format!("5;{}", "x".repeat(MAX_OVERHEAD));
        assert!(Chunks::new().pass(endless.as_bytes()).1.is_some());
    }
}
