//! What each model name does.

/// What the model says, apart from how it fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Says {
    /// Text, calls or JSON after the input.
    Answer,
    /// The same, with raw thinking before it.
    Trace,
    /// A refusal.
    Refusal,
    /// Cut off by a filter.
    Filtered,
    /// This many words.
    Long(u64),
    /// A text with sources.
    Cited,
}

/// How the answer comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comes {
    /// Without a pause.
    AtOnce,
    /// Pause before each token, in milliseconds; five of them before the first.
    Slowly(u64),
    /// As this error status, with no answer.
    Status(u16),
    /// An error after some tokens.
    Fails,
    /// The connection drops after some tokens.
    Cut,
    /// Nothing comes after some tokens.
    Hangs,
    /// Not even a status.
    Silent,
}

/// A model, read from its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Model {
    /// What it says.
    pub says: Says,
    /// How that comes.
    pub comes: Comes,
    /// Log probabilities are sent unasked.
    pub logprobs: bool,
}

/// Every model, without the variants that have a number in their names.
pub(super) const NAMES: &[&str] = &[
    "demo",
    "demo-reasoning",
    "demo-citations",
    "demo-logprobs",
    "demo-long",
    "demo-refusal",
    "demo-filter",
    "demo-slow",
    "demo-error",
    "demo-fail",
    "demo-cut",
    "demo-hang",
    "demo-silent",
];

/// Most words of `demo-long-<n>`.
const MAX_WORDS: u64 = 100_000;
/// Longest pause of `demo-slow-<ms>`.
const MAX_PAUSE_MS: u64 = 60_000;

impl Model {
    /// None if there is no such model.
    pub fn named(name: &str) -> Option<Self> {
        let plain = Self { says: Says::Answer, comes: Comes::AtOnce, logprobs: false };
        let says = |says| Some(Self { says, ..plain });
        let comes = |comes| Some(Self { comes, ..plain });
        let Some(rest) = name.strip_prefix("demo-") else { return (name == "demo").then_some(plain) };
        let (word, number) = match rest.split_once('-') {
            Some((word, number)) => (word, Some(number.parse::<u64>().ok()?)),
            None => (rest, None),
        };
        match (word, number) {
            ("reasoning", None) => says(Says::Trace),
            ("refusal", None) => says(Says::Refusal),
            ("filter", None) => says(Says::Filtered),
            ("citations", None) => says(Says::Cited),
            ("long", None) => says(Says::Long(1000)),
            ("long", Some(words @ 1..=MAX_WORDS)) => says(Says::Long(words)),
            ("logprobs", None) => Some(Self { logprobs: true, ..plain }),
            ("slow", None) => comes(Comes::Slowly(100)),
            ("slow", Some(ms @ 0..=MAX_PAUSE_MS)) => comes(Comes::Slowly(ms)),
            ("error", None) => comes(Comes::Status(500)),
            ("error", Some(status @ 400..=599)) => comes(Comes::Status(u16::try_from(status).ok()?)),
            ("fail", None) => comes(Comes::Fails),
            ("cut", None) => comes(Comes::Cut),
            ("hang", None) => comes(Comes::Hangs),
            ("silent", None) => comes(Comes::Silent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_have_limits() {
        let known = |name: &str| Model::named(name).is_some();
        assert!(
            known("demo") && known("demo-long-100000") && known("demo-error-529") && known("demo-slow-0")
        );
        assert!(!known("demo-long-0") && !known("demo-error-200") && !known("demo-fail-3"));
        assert!(!known("demon") && !known("demo-") && !known("demo-slow-x") && !known("demo-nothing"));
    }

    #[test]
    fn the_documented_models_are_there() {
        let docs = include_str!("../../../../docs/providers/demo.md");
        let rows = docs.lines().filter(|line| line.starts_with("| `demo"));
        let names = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split(", "));
        let names: Vec<_> = names.map(|name| name.trim().trim_matches('`')).collect();
        assert_eq!(names.len(), 16);
        let plain: Vec<_> = names.iter().copied().filter(|name| !name.contains('<')).collect();
        assert_eq!(plain, NAMES);
        for name in names {
            let name = name.replace("<n>", "2").replace("<ms>", "20").replace("<status>", "429");
            assert!(Model::named(&name).is_some(), "{name}");
        }
    }
}
