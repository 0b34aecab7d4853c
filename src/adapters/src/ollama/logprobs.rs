//! Which of an answer's log probabilities belong to its visible text.

use or_protocol::LogProb;

/// The entries whose tokens make up `text`: the longest tail that is a tail of it, for what stands before
/// is thinking. All of them where the tokens do not fit the text (a token may be half a character).
pub(super) fn of_text(mut entries: Vec<LogProb>, text: &str) -> Vec<LogProb> {
    let mut rest = text.as_bytes();
    let mut start = entries.len();
    for (index, entry) in entries.iter().enumerate().rev() {
        let bytes = if entry.bytes.is_empty() { entry.token.as_bytes() } else { &entry.bytes };
        match rest.strip_suffix(bytes) {
            Some(before) if !rest.is_empty() => {
                rest = before;
                start = index;
            }
            _ => break,
        }
    }
    if start < entries.len() { entries.split_off(start) } else { entries }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(tokens: &[&str], text: &str, want: &[&str]) {
        let entries = tokens
            .iter()
            .map(|token| LogProb {
                token: (*token).into(),
                logprob: -0.5,
                bytes: Vec::new(),
                top_logprobs: Vec::new(),
            })
            .collect();
        let got: Vec<_> = of_text(entries, text).into_iter().map(|e| e.token).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn thinking_tokens_are_left_out() {
        check(&["Hm", "</think>", "\n\n", "Y", "es"], "Yes", &["Y", "es"]);
    }

    #[test]
    fn tokens_of_the_text_alone_stay_whole() {
        check(&["Y", "es"], "Yes", &["Y", "es"]);
        check(&[], "Yes", &[]);
    }

    #[test]
    fn tokens_that_do_not_fit_are_kept() {
        check(&["\u{fffd}", "\u{fffd}"], "é", &["\u{fffd}", "\u{fffd}"]);
    }
}
