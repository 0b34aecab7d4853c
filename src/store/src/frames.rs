//! The event log of one response: the frames of its stream, byte for byte as its first reader gets them.
//!
//! What is appended at once is whole frames. Numbers have no gaps, and no frame has an empty line in it, so counting
//! frames is counting numbers.

use bytes::Bytes;
use memchr::memmem;
use or_protocol::DONE;

/// What ends a frame.
const END: &[u8] = b"\n\n";

/// Frames in a row, as they are sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frames {
    /// Sequence number of the first one.
    pub first: u64,
    /// Whole frames.
    pub bytes: Bytes,
}

impl Frames {
    /// Sequence number behind the last event.
    pub fn next(&self) -> u64 {
        let marks = u64::from(self.is_end());
        self.first + count(&self.bytes) - marks
    }

    /// Whether nothing comes behind them.
    pub fn is_end(&self) -> bool {
        self.bytes.ends_with(DONE.as_bytes())
    }

    /// The frames from number `from` on, which must not be before the first one.
    #[must_use]
    pub fn since(&self, from: u64) -> Self {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let at = match skip {
            0 => 0,
            _ => {
                let end = memmem::find_iter(&self.bytes, END).nth(skip - 1);
                end.map_or(self.bytes.len(), |end| end + END.len())
            }
        };
        // Behind the last event there is still the mark of the end.
        let at = if self.is_end() { at.min(self.bytes.len() - DONE.len()) } else { at };
        Self { first: from.max(self.first), bytes: self.bytes.slice(at..) }
    }

    /// The frames before number `to`.
    #[must_use]
    pub fn before(self, to: u64) -> Self {
        if self.next() <= to {
            return self;
        }
        let keep = usize::try_from(to.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let end = keep.checked_sub(1).and_then(|last| memmem::find_iter(&self.bytes, END).nth(last));
        Self { first: self.first, bytes: self.bytes.slice(..end.map_or(0, |end| end + END.len())) }
    }
}

fn count(bytes: &[u8]) -> u64 {
    memmem::find_iter(bytes, END).count() as u64
}

/// A place in the event log, also inside a frame: a long one is read in pieces.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogPlace {
    /// Sequence number of the frame. The mark of the end counts as one.
    pub frame: u64,
    /// Bytes of it that are behind.
    pub skip: usize,
}

impl LogPlace {
    /// The place behind these bytes, which begin here. They must not end between the two line breaks of a frame's end.
    #[must_use]
    pub fn behind(self, bytes: &[u8]) -> Self {
        let (mut ends, mut last) = (0, None);
        for at in memmem::find_iter(bytes, END) {
            (ends, last) = (ends + 1, Some(at + END.len()));
        }
        match last {
            Some(last) => Self { frame: self.frame + ends, skip: bytes.len() - last },
            None => Self { frame: self.frame, skip: self.skip + bytes.len() },
        }
    }
}

/// What a reader of the log gets at once; empty if there is nothing behind its place yet.
pub type LogPart = Frames;

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn frames(first: u64, text: &'static str) -> Frames {
        Frames { first, bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[track_caller]
    fn check(frames: &Frames, from: u64, want: &str) {
        let got = frames.since(from);
        assert_eq!((got.first, &got.bytes[..]), (from, want.as_bytes()));
    }

    #[test]
    fn frames_are_cut_at_a_sequence_number() {
        let open = frames(5, "a\n\nb\n\nc\n\n");
        assert_eq!((open.next(), open.is_end()), (8, false));
        check(&open, 5, "a\n\nb\n\nc\n\n");
        check(&open, 7, "c\n\n");
        check(&open, 8, "");
        check(&open, 9, "");
    }

    #[test]
    fn frames_are_cut_before_a_sequence_number() {
        let whole = || frames(5, "a\n\nb\n\ndata: [DONE]\n\n");
        for (to, want) in [(4, ""), (5, ""), (6, "a\n\n"), (7, "a\n\nb\n\ndata: [DONE]\n\n")] {
            assert_eq!(whole().before(to).bytes, want, "{to}");
        }
    }

    #[test]
    fn a_place_goes_on_with_the_bytes_that_are_read() {
        let place = |frame, skip| LogPlace { frame, skip };
        assert_eq!(place(5, 0).behind(b"a\nb"), place(5, 3));
        assert_eq!(place(5, 3).behind(b"c\n\n"), place(6, 0));
        assert_eq!(place(5, 3).behind(b"\n\nd\n\nef"), place(7, 2));
        assert_eq!(place(5, 3).behind(b""), place(5, 3));
    }

    #[test]
    fn behind_the_last_event_is_the_mark_of_the_end() {
        let whole = frames(0, "a\n\nb\n\ndata: [DONE]\n\n");
        assert_eq!((whole.next(), whole.is_end()), (2, true));
        check(&whole, 1, "b\n\ndata: [DONE]\n\n");
        check(&whole, 2, "data: [DONE]\n\n");
        check(&whole, 40, "data: [DONE]\n\n");
    }
}
