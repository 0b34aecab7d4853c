//! Our own tokenizer, for providers that have no counter.
//!
//! The vocabulary is `o200k_base`. It is part of the binary and unpacked at first use, which takes some 0.1 s and
//! 50 MB for as long as the process lives.

use tiktoken_rs::o200k_base_singleton;

/// Texts are cut here: what the tokenizer needs for one word grows faster than the word. A cut costs a token at
/// most.
const PIECE: usize = 16 * 1024;

/// The number of tokens of a text. Slow for large texts: not for an arbiter. Ends early, with a number of no meaning, if
/// `gone` says that nobody waits for it.
pub(crate) fn count(text: &str, gone: impl Fn() -> bool) -> u64 {
    let mut rest = text;
    let mut tokens = 0;
    while !rest.is_empty() && !gone() {
        let mut end = PIECE.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, more) = rest.split_at(end);
        tokens += o200k_base_singleton().count_ordinary(piece) as u64;
        rest = more;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[track_caller]
    fn check(text: &str, want: u64) {
        assert_eq!(count(text, || false), want);
    }

    #[test]
    fn known_texts_have_their_known_counts() {
        check("", 0);
        check("Hello world, how are you?", 7);
        // Words that stand for something in a prompt are text here.
        check("<|endoftext|>", 7);
    }

    #[test]
    fn nothing_is_counted_for_nobody() {
        let pieces = Cell::new(0);
        let gone = || pieces.replace(pieces.get() + 1) == 2;
        assert_eq!(count(&"a".repeat(100 * PIECE), gone), 2 * PIECE as u64 / 8);
    }

    #[test]
    fn a_long_text_is_counted_in_pieces() {
        check(&"a".repeat(100_000), 12_500);
        // Seven cuts, of which four fall inside a token.
        check(&"日本".repeat(20_000), 20_004);
    }
}
