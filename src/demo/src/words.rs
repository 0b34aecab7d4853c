//! Tokens, and what the demo model understands of a text: names, lists of names, numbers.

use or_adapters::demo::one_line;

/// Longest token, in characters.
const LONGEST: usize = 16;
/// Most words of a text that are looked at for names and numbers.
const MAX_WORDS: usize = 2000;
/// Most bytes of a text that are looked at for words: each word costs more than it has.
const MAX_READ: usize = 16 * 1024;
/// Longest word and name, in characters and in bytes.
const MAX_WORD: usize = 80;
const MAX_NAME: usize = 200;
/// Longest list of names that is looked at.
const MAX_LIST: usize = 8;

/// Words that say nothing about what a text is about.
const FILLER: &[&str] = &[
    "a", "about", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "but", "by", "call",
    "can", "could", "current", "did", "do", "does", "first", "for", "from", "get", "give", "had", "has",
    "have", "hello", "help", "hey", "hi", "how", "i", "i'd", "i'll", "i'm", "if", "in", "into", "is", "it",
    "its", "let", "like", "make", "may", "me", "my", "near", "not", "now", "of", "ok", "okay", "on", "or",
    "our", "out", "please", "say", "should", "show", "so", "tell", "thank", "thanks", "that", "the", "their",
    "then", "there", "these", "they", "this", "to", "tool", "up", "us", "use", "used", "using", "was", "we",
    "what", "what's", "when", "where", "which", "who", "why", "will", "with", "would", "yes", "you", "your",
];
/// Words that say what to do, and so name nothing, however they are written.
const NOT_NAMES: &[&str] = &[
    "add", "ask", "check", "compare", "describe", "find", "list", "look", "search", "time", "weather",
    "write",
];
/// Words behind which the thing asked for often stands.
const BEFORE_NAME: &[&str] = &["about", "at", "for", "from", "in", "near", "of", "to"];

/// Cuts a text into tokens: a word with the white space before it, at most 16 characters. Joined they are
/// the text again.
pub(crate) fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

/// How many tokens a text has.
pub(crate) fn count(text: &str) -> u64 {
    tokens(text).count() as u64
}

/// See [`tokens`].
pub(crate) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let mut in_word = false;
        let end = self
            .rest
            .char_indices()
            .enumerate()
            .find(|(number, (_, c))| {
                let stop = *number == LONGEST || (in_word && c.is_whitespace());
                in_word |= !c.is_whitespace();
                stop
            })
            .map_or(self.rest.len(), |(_, (at, _))| at);
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }
}

/// The lower-case words of a text that tell something, without a plural `s`. Splits snake_case and camelCase.
pub(crate) fn keywords(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    let most = text.len().min(MAX_READ);
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let text = text.get(..end).unwrap_or_default();
    for c in text.chars() {
        if (!c.is_alphanumeric() || (lower_before && c.is_uppercase()))
            && words.last().is_some_and(|w| !w.is_empty())
        {
            words.push(String::new());
        }
        lower_before = c.is_lowercase();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|w| w.chars().count() > 2 && !FILLER.contains(&w.as_str()));
    for word in &mut words {
        if word.len() > 3 && word.ends_with('s') {
            word.pop();
        }
    }
    words
}

/// What a text is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Topic {
    /// The text on one line.
    pub(crate) text: String,
    /// Names given as a list: `Oslo and Rome`.
    pub(crate) list: Vec<String>,
    /// The most likely name or word.
    pub(crate) subject: Option<String>,
    /// Numbers in order.
    pub(crate) numbers: Vec<f64>,
    /// All words in lower case.
    pub(crate) words: Vec<String>,
}

struct Name {
    text: String,
    /// First word of its sentence, which may be a capital for that reason only.
    initial: bool,
    /// Joined to the name before by a comma or `and`.
    joined: bool,
    /// Stands behind `in`, `for` and the like.
    placed: bool,
}

impl Topic {
    /// Reads a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut reader = Reader { fresh: true, ..Reader::default() };
        for word in text.split_whitespace().take(MAX_WORDS) {
            let end = word.char_indices().nth(MAX_WORD).map_or(word.len(), |(at, _)| at);
            reader.word(word.get(..end).unwrap_or(word));
        }
        let Reader { names, words, numbers, placed_word, last_word, .. } = reader;
        let list = longest_list(&names);
        let name = names.iter().find(|n| n.placed).or_else(|| names.iter().rfind(|n| !n.initial));
        let subject = list.first().cloned().or_else(|| name.map(|n| n.text.clone())).or(placed_word);
        Self { text: one_line(text, 200), list, subject: subject.or(last_word), numbers, words }
    }
}

fn longest_list(names: &[Name]) -> Vec<String> {
    let mut best: &[Name] = &[];
    let mut start = 0;
    for (index, _) in names.iter().enumerate() {
        let goes_on = names.get(index + 1).is_some_and(|n| n.joined);
        if !goes_on {
            let list = names.get(start..=index).unwrap_or_default();
            if list.len() > 1 && list.len() > best.len() {
                best = list;
            }
            start = index + 1;
        }
    }
    best.iter().take(MAX_LIST).map(|n| n.text.clone()).collect()
}

#[derive(Default)]
struct Reader {
    names: Vec<Name>,
    words: Vec<String>,
    numbers: Vec<f64>,
    placed_word: Option<String>,
    last_word: Option<String>,
    /// The next word begins a sentence.
    fresh: bool,
    /// The last name may go on.
    open: bool,
    /// The last name was followed by a comma or `and`.
    joining: bool,
    placing: bool,
}

impl Reader {
    fn word(&mut self, word: &str) {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        if let Some(number) = number(word) {
            self.numbers.push(number);
        }
        let core = core.strip_suffix("'s").or_else(|| core.strip_suffix("’s")).unwrap_or(core);
        let lower = core.to_lowercase();
        if matches!(lower.as_str(), "and" | "or") || word == "&" {
            self.joining = self.joining || self.open;
            self.open = false;
            return;
        }
        let stop = core.is_empty() || FILLER.contains(&lower.as_str()) || NOT_NAMES.contains(&lower.as_str());
        let capital = core.chars().next().is_some_and(char::is_uppercase);
        if capital && !stop {
            match self.names.last_mut() {
                Some(name) if self.open && name.text.len() < MAX_NAME => {
                    name.text.push(' ');
                    name.text.push_str(core);
                }
                _ => self.names.push(Name {
                    text: core.to_owned(),
                    initial: self.fresh,
                    joined: self.joining,
                    placed: self.placing,
                }),
            }
            self.open = true;
        } else {
            self.open = false;
        }
        self.joining = self.open && word.ends_with(',');
        if !stop {
            if self.placing && self.placed_word.is_none() {
                self.placed_word = Some(core.to_owned());
            }
            self.last_word = Some(core.to_owned());
        }
        self.fresh = word.ends_with(['.', '!', '?', ':', ';']);
        self.open &= !self.fresh && !self.joining;
        // An article between the preposition and the name changes nothing.
        self.placing = BEFORE_NAME.contains(&lower.as_str())
            || (self.placing && matches!(lower.as_str(), "a" | "an" | "the"));
        if !lower.is_empty() {
            self.words.push(lower);
        }
    }
}

fn number(word: &str) -> Option<f64> {
    let core = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let core = core.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '-');
    if core.is_empty() || core.len() > 15 {
        return None;
    }
    core.parse().ok().filter(|n: &f64| n.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, list: &[&str], subject: Option<&str>) {
        let topic = Topic::of(text);
        assert_eq!(
            (topic.list, topic.subject.as_deref()),
            (list.iter().map(|s| (*s).to_owned()).collect(), subject)
        );
    }

    #[test]
    fn names_and_lists_are_found() {
        check("What's the weather like in San Francisco?", &[], Some("San Francisco"));
        check("weather in Oslo and Rome", &["Oslo", "Rome"], Some("Oslo"));
        check("Weather in Oslo, New York, and Rome please", &["Oslo", "New York", "Rome"], Some("Oslo"));
        check("Alice and Bob are going out.", &["Alice", "Bob"], Some("Alice"));
        check("Ask Ada about the time in Oslo.", &[], Some("Oslo"));
        check("what is the weather in paris today", &[], Some("paris"));
        check("Hello!", &[], None);
        check("", &[], None);
    }

    #[test]
    fn numbers_keep_their_order() {
        assert_eq!(Topic::of("add 2 and -3.5, then 10%.").numbers, [2.0, -3.5, 10.0]);
    }

    #[test]
    fn identifiers_are_split_into_words() {
        assert_eq!(keywords("getWeather_forCities"), ["weather", "citie"]);
    }

    proptest! {
        #[test]
        fn tokens_join_to_the_text(text in any::<String>()) {
            prop_assert_eq!(tokens(&text).collect::<String>(), text.clone());
            prop_assert!(tokens(&text).all(|t| !t.is_empty() && t.chars().count() <= LONGEST));
            Topic::of(&text);
        }
    }
}
