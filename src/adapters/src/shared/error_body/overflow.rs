//! How providers say that an input is too long.

/// Messages that say that the input does not fit the model's context: a word for what is too small, and one for why.
const ROOM: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "context limit",
    "maximum context",
    "max context",
    "prompt length",
    "input length",
    "token count",
    "model token limit",
    "number of input tokens",
];
const TOO_SMALL: &[&str] = &[
    "exceed",
    "maximum",
    "max ",
    "only",
    "longer",
    "larger",
    "greater",
    "too ",
    "not fit",
    "beyond",
    "more than",
    "should be",
    "overflow",
    "not enough",
];
/// The same in one phrase.
const TOO_LONG: &[&str] = &[
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input too long",
    "too many input tokens",
    "too many tokens",
    "context overflow",
    "tokens + `max_new_tokens` must be",
];

/// Whether a message, in lower case, says that the input does not fit the model's context. Hosts change their
/// sentences with each version, but hardly the words.
pub(super) fn overflows(lower: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    has(TOO_LONG) || has(ROOM) && has(TOO_SMALL)
}

#[cfg(test)]
mod tests {
    use super::overflows;

    #[test]
    fn an_input_that_is_too_long_is_known_by_the_words() {
        for message in [
            "You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is only 131072 tokens, resulting in a maximum input length of 99072 tokens.",
            "Trying to keep the first 9000 tokens. However, the model is loaded with context length of only 4096 tokens, which is not enough.",
            "Input is too long for requested model.",
            "This model's maximum context length is 8192 tokens.",
            "the request exceeds the available context size, try increasing it",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt token count of 5 exceeds the limit of 4",
            "input length and `max_tokens` exceed context limit: 3 + 2 > 4",
            "Range of input length should be [1, 30720]",
            "context window exceeds limit (2013)",
            "Your request exceeded model token limit: 8192",
        ] {
            assert!(overflows(&message.to_lowercase()), "{message}");
        }
        for message in
            ["The context is missing.", "max_tokens must be an integer", "Unknown field context_length."]
        {
            assert!(!overflows(&message.to_lowercase()), "{message}");
        }
    }
}
