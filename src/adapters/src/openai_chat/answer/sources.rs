//! Sources that a host lists beside the answer (Perplexity's `citations` and `search_results`, xAI's `citations`), as
//! annotations of the text. The text names a source by its number, `[1]`; one that it does not name is annotated at
//! the end.

use std::collections::{HashMap, HashSet};

use memchr::memchr;
use or_protocol::Annotation;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shared::lenient;

/// Most sources, and most places of one text.
const MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Sources {
    list: Vec<Source>,
    /// The lists as they came last: hosts send them again with every chunk.
    seen: [String; 2],
    /// Places in the current text.
    marks: Vec<Mark>,
    /// A mark that has begun: where, and its digits so far.
    begun: Option<(u64, u32)>,
    /// URLs that the host annotated, and those that were annotated here.
    by_host: HashSet<String>,
    told: HashSet<String>,
}

#[derive(Debug)]
struct Source {
    url: String,
    title: String,
}

/// A number in brackets, in code points of the text.
#[derive(Debug)]
struct Mark {
    number: u32,
    start: u64,
    end: u64,
}

impl Sources {
    /// Takes the host's lists in; a later one replaces an earlier one. False if one of them cannot be read.
    pub(super) fn learn(&mut self, citations: Option<&RawValue>, results: Option<&RawValue>) -> bool {
        let [was, had] = &self.seen;
        let nothing = |raw: &str| matches!(raw, "" | "[]" | "{}" | "false" | "true");
        let (citations, results) = (citations.map_or("", RawValue::get), results.map_or("", RawValue::get));
        if (nothing(citations) || citations == was) && (nothing(results) || results == had) {
            return true;
        }
        let known: HashMap<String, String> =
            sources(results).into_iter().flatten().map(|source| (source.url, source.title)).collect();
        let mut list = sources(if nothing(citations) { results } else { citations }).unwrap_or_default();
        for source in list.iter_mut().filter(|source| source.title.is_empty()) {
            source.title = known.get(&source.url).cloned().unwrap_or_default();
        }
        self.seen = [citations.to_owned(), results.to_owned()];
        let read = !list.is_empty();
        if read {
            self.list = list;
        }
        read
    }

    /// A source was annotated by the host itself.
    pub(super) fn annotated(&mut self, url: &str) {
        if self.by_host.len() < MAX {
            self.by_host.insert(url.to_owned());
        }
    }

    /// Looks for marks in more of a text; `at`: its code points so far.
    pub(super) fn read(&mut self, text: &str, at: u64) {
        if self.begun.is_none() && memchr(b'[', text.as_bytes()).is_none() {
            return;
        }
        for (place, char) in (at..).zip(text.chars()) {
            self.begun = match (char, self.begun) {
                ('[', _) => Some((place, 0)),
                (digit @ '0'..='9', Some((start, number))) if number < 1_000 => {
                    Some((start, number * 10 + digit.to_digit(10).unwrap_or_default()))
                }
                (']', Some((start, number))) => {
                    if number > 0 && self.marks.len() < MAX {
                        self.marks.push(Mark { number, start, end: place + 1 });
                    }
                    None
                }
                _ => None,
            };
        }
    }

    /// The annotations of the text that ends, `end` code points long. `last`: no other text will come.
    pub(super) fn of_text(&mut self, end: u64, last: bool) -> Vec<Annotation> {
        let mut annotations = Vec::new();
        self.begun = None;
        for Mark { number, start, end } in std::mem::take(&mut self.marks) {
            let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let Some(source) = place.and_then(|place| self.list.get(place)) else { continue };
            if source.is_new(&self.by_host) {
                annotations.push(source.cited(start, end));
                self.told.insert(source.url.clone());
            }
        }
        if last {
            for source in &self.list {
                if source.is_new(&self.by_host) && self.told.insert(source.url.clone()) {
                    annotations.push(source.cited(end, end));
                }
            }
        }
        annotations
    }

    /// Whether a source was not annotated.
    pub(super) fn any_left(&self) -> bool {
        self.list.iter().any(|source| source.is_new(&self.by_host) && source.is_new(&self.told))
    }
}

impl Source {
    fn is_new(&self, urls: &HashSet<String>) -> bool {
        !self.url.is_empty() && !urls.contains(&self.url)
    }

    fn cited(&self, start_index: u64, end_index: u64) -> Annotation {
        Annotation::UrlCitation { url: self.url.clone(), title: self.title.clone(), start_index, end_index }
    }
}

/// A list of URLs, or of objects with a `url`.
fn sources(json: &str) -> Option<Vec<Source>> {
    let Value::Array(list) = lenient::owned(json)? else { return None };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let read = |entry: &Value| match entry {
        Value::String(url) => Source { url: url.clone(), title: String::new() },
        // One that says nothing keeps its number.
        other => Source { url: text(other.get("url")), title: text(other.get("title")) },
    };
    Some(list.iter().take(MAX).map(read).collect())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    /// Places as `url title start..end`.
    #[track_caller]
    fn check(texts: &[&str], citations: &str, results: &str, want: &[&str]) {
        let mut sources = Sources::default();
        let mut at = 0;
        for text in texts {
            sources.learn(Some(&raw(citations)), Some(&raw(results)));
            sources.read(text, at);
            at += text.chars().count() as u64;
        }
        let places = sources.of_text(at, true).into_iter().map(|annotation| match annotation {
            Annotation::UrlCitation { url, title, start_index, end_index } => {
                format!("{url} {title} {start_index}..{end_index}")
            }
            Annotation::Other(_) => panic!(),
        });
        assert_eq!(places.collect::<Vec<_>>(), want);
        assert!(!sources.any_left());
    }

    #[test]
    fn a_number_in_brackets_is_the_place_of_a_source() {
        let citations = r#"["u1","u2","u3"]"#;
        let results = r#"[{"url":"u2","title":"Two"},{"url":"u1","title":"One"}]"#;
        let want = ["u1 One 2..5", "u2 Two 8..11", "u1 One 11..14", "u3  14..14"];
        check(&["é [1] b [2][1]"], citations, results, &want);
        check(&["é [", "1", "] b [2", "][1]"], citations, results, &want);
        check(&["[0] [4] [x] [1", " [12345678901]"], r#"["u1"]"#, "[]", &["u1  28..28"]);
        check(&["a[1]"], "[]", r#"[{"url":"u1","title":"One"}]"#, &["u1 One 1..4"]);
        check(&["a[1]"], r#"[{"url":"u1","title":"One"}]"#, "null", &["u1 One 1..4"]);
    }

    #[test]
    fn what_the_host_annotated_itself_is_not_told_again() {
        let mut sources = Sources::default();
        sources.annotated("u1");
        sources.learn(Some(&raw(r#"["u1"]"#)), None);
        sources.read("a[1]", 0);
        assert_eq!(sources.of_text(4, true), []);
    }

    #[test]
    fn a_list_that_cannot_be_read_is_told() {
        let mut sources = Sources::default();
        assert!(sources.learn(Some(&raw("[]")), None) && sources.learn(None, None));
        assert!(!sources.learn(Some(&raw("\"u\"")), None));
    }
}
