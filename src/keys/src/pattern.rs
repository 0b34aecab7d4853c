//! Names with stars.

use serde::{Deserialize, Serialize};

/// Longest pattern, in bytes.
const LONGEST: usize = 128;

/// A name in which `*` stands for any text, also for none: `gpt-*`. Upper and lower case differ.
///
/// Not a regular expression: one without its anchors lets in more than its author sees.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of every name.
    pub fn any() -> Self {
        Self("*".into())
    }

    /// Whether it is the pattern of this name. Takes time in proportion to the two.
    pub fn matches(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(first) else { return false };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            match name.find(part) {
                // The first place leaves the most to those behind it.
                Some(at) => name = &name[at + part.len()..],
                None => return false,
            }
        }
        name.ends_with(last)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits =
            (1..=LONGEST).contains(&text.len()) && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if fits {
            Ok(Self(text))
        } else {
            Err(format!("a pattern has 1 to {LONGEST} bytes and no white space"))
        }
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
        for name in matching {
            assert!(pattern.matches(name), "{pattern:?} {name}");
        }
        for name in others {
            assert!(!pattern.matches(name), "{pattern:?} {name}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        check("gpt-5", &["gpt-5"], &["gpt-5.1", "my-gpt-5", "GPT-5", ""]);
        check("gpt-*", &["gpt-", "gpt-5"], &["gpt", "xgpt-5"]);
        check("*-mini", &["o3-mini", "-mini"], &["o3-mini-2"]);
        check("a*b*c", &["abc", "a-b-c", "abbcbc"], &["ab", "acb", "abcd"]);
        check("a*a", &["aa", "aba"], &["a"]);
        check("*", &["", "anything"], &[]);
        check("**", &["", "x"], &[]);
    }

    #[test]
    fn a_pattern_has_an_end_and_no_white_space() {
        for bad in ["", "a b", "a\n", &"x".repeat(129)] {
            assert!(Pattern::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    /// The definition, at any cost.
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
            Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
            let got = Pattern::try_from(pattern.clone()).unwrap().matches(&name);
            prop_assert_eq!(got, matches(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
