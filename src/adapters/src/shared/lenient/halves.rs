//! Halves of surrogate pairs (`"\ud83d"`) that a host sent in two frames are joined.
//!
//! A frame with a string that ends in a first half is held back until a later frame goes on with the second half, or
//! with anything else, in the same text; all frames behind it wait too, so that their order stays. What finds no
//! other half becomes U+FFFD. Everything happens on the JSON text, before anybody reads it.

use std::collections::VecDeque;

use memchr::memmem;

use super::mend::{BROKEN, is_high, is_low, unit};

/// How many frames wait at most, and how many bytes.
const MAX_FRAMES: usize = 16;
const MAX_BYTES: usize = 256 * 1024;
/// Length of an escape.
const ESCAPE: usize = BROKEN.len();
/// Members that say which text a frame goes on with.
const PLACES: [&str; 6] = ["index", "output_index", "content_index", "summary_index", "item_id", "block"];
/// Tokens stand for themselves: joining them would make others of them.
const TOKENS: [&str; 2] = ["logprobs", "logprobsResult"];

/// An event that owns its text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    pub(crate) event: String,
    pub(crate) data: String,
}

/// Frames that wait for the other half of a character.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    queue: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    frame: Owned,
    /// Places of half pairs in the data, in order.
    marks: Vec<Mark>,
}

#[derive(Debug)]
struct Mark {
    at: usize,
    fate: Fate,
}

/// What becomes of a half.
#[derive(Debug)]
enum Fate {
    /// It waits for the other half in the text of this name.
    Waiting(String),
    /// It stands alone.
    Broken,
    /// The other half stands in a later string; this is its escape.
    Joined(String),
    /// It was joined to an earlier string.
    Moved,
}

/// A half of a pair in a frame.
struct Half {
    at: usize,
    is_high: bool,
    /// Nothing stands between it and the end of its string that looks for the other half, in a text that has a name.
    text: Option<String>,
}

/// What a frame has to do with halves.
#[derive(Default)]
struct Seen {
    halves: Vec<Half>,
    /// Names of the texts that something was added to, in any other way.
    texts: Vec<String>,
}

/// Whether there may be halves of pairs in JSON; quick, and never a wrong no.
pub(crate) fn suspicious(json: &[u8]) -> bool {
    memmem::find(json, b"\\ud").is_some() || memmem::find(json, b"\\uD").is_some()
}

impl Halves {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes a frame in; appends to `ready` what need not wait any more.
    pub(crate) fn push(&mut self, frame: Owned, ready: &mut VecDeque<Owned>) {
        let suspicious = suspicious(frame.data.as_bytes());
        if self.queue.is_empty() && !suspicious {
            return ready.push_back(frame);
        }
        if frame.data.len() > MAX_BYTES && !suspicious {
            self.give_up(ready);
            return ready.push_back(frame);
        }
        let seen = scan(&frame.data, !self.queue.is_empty());
        let mut held = Held { frame, marks: Vec::with_capacity(seen.halves.len()) };
        for half in seen.halves {
            let fate = match half.text {
                Some(text) if half.is_high => Fate::Waiting(text),
                Some(text) => {
                    let escape =
                        held.frame.data.get(half.at..half.at + ESCAPE).unwrap_or_default().to_owned();
                    self.join(&mut held.marks, &text, escape)
                }
                None => Fate::Broken,
            };
            held.marks.push(Mark { at: half.at, fate });
        }
        for text in seen.texts {
            self.end(|waiting| *waiting == text);
        }
        self.bytes += held.frame.data.len();
        self.queue.push_back(held);
        if self.queue.len() > MAX_FRAMES || self.bytes > MAX_BYTES {
            self.end(|_| true);
        }
        self.release(ready);
    }

    /// Nothing more comes that could be joined.
    pub(crate) fn give_up(&mut self, ready: &mut VecDeque<Owned>) {
        self.end(|_| true);
        self.release(ready);
    }

    /// Joins a second half to the last first half of the same text.
    fn join(&mut self, own: &mut [Mark], text: &str, escape: String) -> Fate {
        let earlier = self.queue.iter_mut().flat_map(|held| held.marks.iter_mut());
        let mut all = earlier.chain(own);
        match all.rfind(|mark| matches!(&mark.fate, Fate::Waiting(waiting) if waiting == text)) {
            Some(mark) => {
                mark.fate = Fate::Joined(escape);
                Fate::Moved
            }
            None => Fate::Broken,
        }
    }

    /// Halves that wait in such a text stand alone.
    fn end(&mut self, which: impl Fn(&String) -> bool) {
        for mark in self.queue.iter_mut().flat_map(|held| held.marks.iter_mut()) {
            if matches!(&mark.fate, Fate::Waiting(text) if which(text)) {
                mark.fate = Fate::Broken;
            }
        }
    }

    fn release(&mut self, ready: &mut VecDeque<Owned>) {
        let waits = |held: &Held| held.marks.iter().any(|mark| matches!(mark.fate, Fate::Waiting(_)));
        while self.queue.front().is_some_and(|held| !waits(held))
            && let Some(held) = self.queue.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(held.frame.data.len());
            ready.push_back(held.whole());
        }
    }
}

impl Held {
    /// The frame with its halves as they were decided.
    fn whole(self) -> Owned {
        let Owned { event, data } = self.frame;
        let mut out = String::with_capacity(data.len() + ESCAPE);
        let mut from = 0;
        for mark in &self.marks {
            out.push_str(data.get(from..mark.at).unwrap_or_default());
            from = mark.at + ESCAPE;
            match &mark.fate {
                Fate::Waiting(_) | Fate::Broken => out.push_str(BROKEN),
                Fate::Joined(low) => {
                    out.push_str(data.get(mark.at..from).unwrap_or_default());
                    out.push_str(low);
                }
                Fate::Moved => {}
            }
        }
        out.push_str(data.get(from..).unwrap_or_default());
        Owned { event, data: out }
    }
}

/// Finds the halves in a frame, and with `all` the texts that go on in another way.
fn scan(json: &str, all: bool) -> Seen {
    let mut scan =
        Scan { json, at: 0, open: Vec::new(), key: None, places: String::new(), seen: Seen::default() };
    scan.run(all);
    let Scan { places, mut seen, .. } = scan;
    // What says which text it is may stand behind it.
    let names = seen.halves.iter_mut().filter_map(|half| half.text.as_mut());
    names.chain(seen.texts.iter_mut()).for_each(|name| name.push_str(&places));
    seen
}

struct Scan<'a> {
    json: &'a str,
    at: usize,
    /// Keys of the objects that are open; lists have none.
    open: Vec<Option<&'a str>>,
    /// Key of the member whose value is due.
    key: Option<&'a str>,
    /// What the frame says of the place of its texts.
    places: String,
    seen: Seen,
}

impl<'a> Scan<'a> {
    fn run(&mut self, all: bool) {
        let json = self.json;
        while let Some(byte) = json.as_bytes().get(self.at).copied() {
            self.at += 1;
            match byte {
                b'{' | b'[' => self.open.push(self.key.take()),
                b'}' | b']' => {
                    self.open.pop();
                    self.key = None;
                }
                b',' => self.key = None,
                b'"' => self.string(all),
                b'0'..=b'9' | b'-' => {
                    let rest = json.get(self.at..).unwrap_or_default();
                    let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
                    let number = json.get(self.at - 1..self.at + end).unwrap_or_default();
                    self.at += end;
                    self.place(number.trim_end());
                }
                _ => {}
            }
        }
    }

    fn place(&mut self, value: &str) {
        if let Some(key) = self.key.filter(|key| PLACES.contains(key)) {
            self.places.push_str(&format!(" {key}={value}"));
        }
    }

    fn string(&mut self, all: bool) {
        let json = self.json;
        let begin = self.at;
        let known = self.seen.halves.len();
        let end = loop {
            let rest = json.as_bytes().get(self.at..).unwrap_or_default();
            let Some(step) = memchr::memchr2(b'"', b'\\', rest) else { return self.at = json.len() };
            self.at += step;
            if rest.get(step) == Some(&b'"') {
                self.at += 1;
                break self.at - 1;
            }
            self.escape();
        };
        let text = json.get(begin..end).unwrap_or_default();
        if json.get(self.at..).is_some_and(|rest| rest.trim_start().starts_with(':')) {
            self.key = Some(text);
            return;
        }
        self.place(text);
        let tokens = self.open.iter().flatten().chain(&self.key).any(|key| TOKENS.contains(key));
        let name = if tokens { None } else { Some(self.name()) };
        let mut goes_on = false;
        for half in self.seen.halves.iter_mut().skip(known) {
            let edge = if half.is_high { half.at + ESCAPE == end } else { half.at == begin };
            goes_on |= edge && !half.is_high;
            half.text = name.clone().filter(|_| edge);
        }
        if all && !goes_on && !text.is_empty() {
            self.seen.texts.extend(name);
        }
    }

    /// One escape at the current place.
    fn escape(&mut self) {
        let Some(unit) = unit(self.json, self.at) else { return self.at += 2 };
        if is_high(unit) && self::unit(self.json, self.at + ESCAPE).is_some_and(is_low) {
            return self.at += 2 * ESCAPE;
        }
        if is_high(unit) || is_low(unit) {
            self.seen.halves.push(Half { at: self.at, is_high: is_high(unit), text: None });
        }
        self.at += ESCAPE;
    }

    /// The keys that lead to the current value.
    fn name(&self) -> String {
        let keys: Vec<&str> = self.open.iter().flatten().chain(&self.key).copied().collect();
        keys.join(".")
    }
}
