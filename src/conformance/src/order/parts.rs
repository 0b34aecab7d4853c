//! Content and summary parts inside an item (rules 12.5, 12.8, 12.13).

use serde_json::Value;

use super::Notes;

/// Which list of an item a part is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum List {
    Content,
    Summary,
}

impl List {
    /// The name of the event field that says the place in the list.
    pub(super) fn index_key(self) -> &'static str {
        match self {
            Self::Content => "content_index",
            Self::Summary => "summary_index",
        }
    }
}

/// A text event: which part type it writes to and whether it closes the text.
pub(super) struct TextEvent {
    pub(super) list: List,
    pub(super) part_type: &'static str,
    pub(super) done: bool,
}

impl TextEvent {
    pub(super) fn of(kind: &str) -> Option<Self> {
        let (stem, last) = kind.strip_prefix("response.")?.rsplit_once('.')?;
        let done = match last {
            "delta" => false,
            "done" => true,
            _ => return None,
        };
        let (list, part_type) = match stem {
            "output_text" => (List::Content, "output_text"),
            "refusal" => (List::Content, "refusal"),
            "reasoning" | "reasoning_text" => (List::Content, "reasoning_text"),
            "reasoning_summary_text" => (List::Summary, "summary_text"),
            _ => return None,
        };
        Some(Self { list, part_type, done })
    }
}

/// One part, put together from its events.
pub(super) struct Part {
    kind: String,
    text: String,
    text_done: bool,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
    /// The part as its `done` event gave it.
    pub(super) closed: Option<Value>,
}

impl Part {
    /// Opens a part from its `added` event: right type for the item, and empty.
    pub(super) fn added(part: &Value, allowed: &[&str], notes: &mut Notes) -> Self {
        let kind = part["type"].as_str().unwrap_or_default();
        notes.require(allowed.contains(&kind), format!("a `{kind}` part cannot be in this item"));
        notes.require(part[text_key(kind)] == "", "the added part is not empty");
        check_shape(part, notes);
        for list in ["annotations", "logprobs"] {
            let empty = part.get(list).is_none_or(|list| list.as_array().is_some_and(Vec::is_empty));
            notes.require(empty, format!("the added part has {list} already"));
        }
        Self {
            kind: kind.to_owned(),
            text: String::new(),
            text_done: false,
            annotations: Vec::new(),
            logprobs: Vec::new(),
            closed: None,
        }
    }

    /// The text so far, for an item that failed while open.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn text_event(&mut self, event: &TextEvent, data: &Value, notes: &mut Notes) {
        notes.require(self.kind == event.part_type, format!("the part is a `{}`", self.kind));
        notes.require(self.closed.is_none() && !self.text_done, "the text of the part is done already");
        let logprobs = data["logprobs"].as_array().cloned().unwrap_or_default();
        if event.done {
            let text = &data[text_key(event.part_type)];
            notes.require(
                *text == self.text.as_str(),
                format!("the whole text {text} is not the sum of its deltas {:?}", self.text),
            );
            let same = data.get("logprobs").is_none() || logprobs == self.logprobs;
            notes.require(same, "the logprobs are not the sum of those of the deltas");
            self.text_done = true;
        } else {
            let Some(delta) = data["delta"].as_str() else { return notes.add("has no `delta` string") };
            self.text.push_str(delta);
            self.logprobs.extend(logprobs);
        }
    }

    /// Takes an annotation; they come before the part is closed and count from 0.
    pub(super) fn annotation(&mut self, data: &Value, notes: &mut Notes) {
        notes.require(self.kind == "output_text", format!("a `{}` part has no annotations", self.kind));
        notes.require(self.closed.is_none(), "the part is closed already");
        let index = data["annotation_index"].as_u64();
        let next = u64::try_from(self.annotations.len()).ok();
        notes.require(index == next, format!("annotation_index is {}", data["annotation_index"]));
        notes.require(data["annotation"].is_object(), "the annotation is not an object");
        self.annotations.push(data["annotation"].clone());
    }

    /// Closes the part; it must say what was put together.
    pub(super) fn done(&mut self, part: &Value, notes: &mut Notes) {
        notes.require(self.closed.is_none(), "the part is closed already");
        notes.require(self.text_done, "the text of the part has no done event");
        check_shape(part, notes);
        notes.require(part["type"] == self.kind.as_str(), "the type of the part changed");
        let text = &part[text_key(&self.kind)];
        notes.require(*text == self.text.as_str(), format!("the part says {text}, its text {:?}", self.text));
        if self.kind == "output_text" {
            let same = part["annotations"].as_array() == Some(&self.annotations);
            notes.require(same, "the annotations are not those of the events");
            let logprobs = part.get("logprobs");
            let same = logprobs.is_none_or(|list| list.as_array() == Some(&self.logprobs));
            notes.require(same, "the logprobs of the part are not those of the deltas");
        }
        self.closed = Some(part.clone());
    }
}

/// The field that holds the text of a part, and of the `done` event of its text.
fn text_key(part_type: &str) -> &'static str {
    if part_type == "refusal" { "refusal" } else { "text" }
}

/// Optional fields are left out, never null; `annotations` is required on output_text (4.6, 5.1).
fn check_shape(part: &Value, notes: &mut Notes) {
    if part["type"] == "output_text" {
        notes.require(part["annotations"].is_array(), "the part has no `annotations` list");
    }
    let set = part.get("logprobs").is_none_or(Value::is_array);
    notes.require(set, "`logprobs` of the part is null; it must be left out");
}
