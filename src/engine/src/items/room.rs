//! Room for output, in bytes of JSON.

/// What an item and a part of one take beside what is in them.
pub(crate) const ITEM: u64 = 160;
pub(crate) const PART: u64 = 80;

/// How much more output a response may have.
#[derive(Debug)]
pub(crate) struct Room {
    left: u64,
    full: bool,
}

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { left: bytes, full: false }
    }

    /// Takes some; `false`, and nothing is taken, if there is not so much.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.full = true,
        }
        !self.full
    }

    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether something had no room.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}

/// Length of a text in JSON, its quotes left out.
pub(crate) fn json_len(text: &str) -> u64 {
    text.bytes().map(escaped).sum()
}

/// How many bytes of a text have at most that length in JSON.
pub(crate) fn prefix(text: &str, len: u64) -> usize {
    let mut used = 0;
    let is_over = |(_, character): &(usize, char)| {
        used +=
            u8::try_from(*character).ok().filter(u8::is_ascii).map_or(character.len_utf8() as u64, escaped);
        used > len
    };
    text.char_indices().find(is_over).map_or(text.len(), |(at, _)| at)
}

fn escaped(byte: u8) -> u64 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_length_that_it_has_in_json() {
        for text in ["", "plain", "\u{e9}\u{1f600}", "\"\\\n\r\t\u{8}\u{c}", "\0\u{1f}\u{7f}"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(json_len(text), json.len() as u64 - 2, "{text:?}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(prefix("abc", 2), 2);
        assert_eq!(prefix("a\nb", 2), 1);
        assert_eq!(prefix("\u{1f600}", 3), 0);
        assert_eq!(prefix("\u{1f600}", 4), 4);
        assert_eq!(prefix("ab", 9), 2);
    }
}
