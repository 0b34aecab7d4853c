//! Output items and their state machine (rules, sections 4 and 12).

use serde_json::Value;

use super::parts::{List, Part, TextEvent};
use super::{Ending, Notes, Options};

/// Optional fields of standard items. They are left out, never null (4.6).
const NOT_NULL: [&str; 6] = ["phase", "encrypted_content", "content", "summary", "status", "created_by"];

const STANDARD: [&str; 5] = ["message", "function_call", "function_call_output", "reasoning", "compaction"];

/// All items of a stream, by `output_index`.
pub(super) struct Items {
    options: Options,
    list: Vec<Item>,
    /// Which of the two names of raw reasoning events this stream uses; never both (12.9).
    reasoning_name: Option<String>,
}

/// One item, put together from its events.
struct Item {
    kind: String,
    id: String,
    added: Value,
    content: Vec<Part>,
    summary: Vec<Part>,
    arguments: String,
    arguments_done: bool,
    /// The item as its `done` event gave it.
    done: Option<Value>,
}

impl Items {
    pub(super) fn new(options: Options) -> Self {
        Self { options, list: Vec::new(), reasoning_name: None }
    }

    /// Any event that is not about the response itself.
    pub(super) fn event(&mut self, kind: &str, data: &Value, notes: &mut Notes) {
        if kind == "response.output_item.added" {
            return self.added(data, notes);
        }
        if !is_item_event(kind) {
            return self.hosted_event(kind, data, notes);
        }
        if kind.starts_with("response.reasoning.") || kind.starts_with("response.reasoning_text.") {
            let name = kind.rsplit_once('.').map_or(kind, |(stem, _)| stem);
            let known = self.reasoning_name.get_or_insert_with(|| name.to_owned());
            notes.require(known == name, format!("`{known}` events were used before; never both names"));
        }
        let by_id = kind != "response.output_item.done";
        let Some(item) = self.open_item(data, by_id, notes) else { return };
        match kind {
            "response.output_item.done" => item.finish(&data["item"], notes),
            "response.content_part.added" => item.part_added(List::Content, data, notes),
            "response.reasoning_summary_part.added" => item.part_added(List::Summary, data, notes),
            "response.function_call_arguments.delta" => item.arguments_delta(data, notes),
            "response.function_call_arguments.done" => item.arguments_whole(data, notes),
            _ => item.part_event(kind, data, notes),
        }
    }

    fn added(&mut self, data: &Value, notes: &mut Notes) {
        let next = u64::try_from(self.list.len()).ok();
        notes.require(
            data["output_index"].as_u64() == next,
            format!("output_index is {}", data["output_index"]),
        );
        let added = &data["item"];
        let id = added["id"].as_str().unwrap_or_default();
        notes.require(!id.is_empty(), "the item has no id");
        notes.require(self.list.iter().all(|item| item.id != id), format!("the item id `{id}` is taken"));
        let item = Item {
            kind: added["type"].as_str().unwrap_or_default().to_owned(),
            id: id.to_owned(),
            added: added.clone(),
            content: Vec::new(),
            summary: Vec::new(),
            arguments: String::new(),
            arguments_done: false,
            done: None,
        };
        let known = self.options.allow_hosted || STANDARD.contains(&item.kind.as_str());
        notes.require(known, format!("`{}` is not a standard item", item.kind));
        item.check_added(notes);
        self.list.push(item);
    }

    /// The item that an event speaks of; it must be open, and the event must name it rightly.
    fn open_item(&mut self, data: &Value, by_id: bool, notes: &mut Notes) -> Option<&mut Item> {
        let index = data["output_index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let Some(item) = index.and_then(|index| self.list.get_mut(index)) else {
            notes.add(format!("no item was added at output_index {}", data["output_index"]));
            return None;
        };
        if by_id {
            let named = data["item_id"] == item.id.as_str();
            notes.require(named, format!("item_id is {}, the item has `{}`", data["item_id"], item.id));
        }
        if item.done.is_some() {
            notes.add("the item is done already");
            return None;
        }
        Some(item)
    }

    /// Events outside the catalogue: extensions, and the events of OpenAI's hosted tools (12.15, 14.3).
    fn hosted_event(&mut self, kind: &str, data: &Value, notes: &mut Notes) {
        if !self.options.allow_hosted || !is_hosted_event(kind) {
            return notes.add("is not in the event catalogue");
        }
        if data.get("output_index").is_some() {
            self.open_item(data, data.get("item_id").is_some(), notes);
        }
    }

    /// The last snapshot lists the done items in order, and nothing is open any more (12.10). Only a failed
    /// response may show an open item as incomplete, or leave it out (11.9).
    pub(super) fn end(&self, response: &Value, ending: Ending, notes: &mut Notes) {
        let output = response["output"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut shown = output.iter().peekable();
        for (at, item) in self.list.iter().enumerate() {
            let last = at + 1 == self.list.len();
            item.check_status_at_end(ending, last, notes);
            match &item.done {
                Some(done) => {
                    let same = shown.next() == Some(done);
                    notes.require(same, format!("output[{at}] is not the item that was done"));
                }
                None if ending == Ending::Failed => {
                    if let Some(partial) = shown.next_if(|shown| shown["id"] == item.id.as_str()) {
                        item.check_partial(partial, notes);
                    }
                }
                None => notes.add(format!("item `{}` is still open", item.id)),
            }
        }
        notes.require(shown.next().is_none(), "output has items that the stream did not bring");
    }
}

impl Item {
    /// Zero values, and all that is known from the start (12.4).
    fn check_added(&self, notes: &mut Notes) {
        let item = &self.added;
        check_nulls(item, notes);
        let empty_list = |key: &str| item[key].as_array().is_some_and(Vec::is_empty);
        let filled = |key: &str| item[key].as_str().is_some_and(|text| !text.is_empty());
        match self.kind.as_str() {
            "message" => {
                notes.require(item["role"] == "assistant", "the role of the message is not `assistant`");
                notes.require(empty_list("content"), "the added message is not empty");
            }
            "function_call" => {
                notes.require(filled("name") && filled("call_id"), "the call lacks name or call_id");
                notes.require(item["arguments"] == "", "the added call has arguments already");
            }
            "function_call_output" => {
                notes.require(filled("call_id"), "the call output lacks call_id");
                notes.require(item["output"] == "" || empty_list("output"), "the added output is not empty");
            }
            "reasoning" => {
                notes.require(empty_list("summary"), "the added reasoning has no empty summary");
                let empty = item.get("content").is_none() || empty_list("content");
                notes.require(empty, "the added reasoning has content already");
            }
            "compaction" => {
                notes.require(item["encrypted_content"].is_string(), "the compaction lacks its content");
            }
            hosted => {
                let id = item["status"].is_string() || !hosted.contains(':');
                notes.require(id, "an extension item lacks its status");
            }
        }
        self.check_status(item, &["in_progress"], notes);
    }

    /// Standard items have one of the given states; the schema has no status on reasoning and compaction
    /// (4.1).
    fn check_status(&self, item: &Value, allowed: &[&str], notes: &mut Notes) {
        let free = matches!(self.kind.as_str(), "reasoning" | "compaction") && item.get("status").is_none();
        let hosted = !STANDARD.contains(&self.kind.as_str());
        let fits = item["status"].as_str().is_some_and(|status| allowed.contains(&status));
        notes.require(free || hosted || fits, format!("the status of the item is {}", item["status"]));
    }

    fn part_added(&mut self, list: List, data: &Value, notes: &mut Notes) {
        let allowed: &[&str] = match (list, self.kind.as_str()) {
            (List::Content, "message") => &["output_text", "refusal"],
            (List::Content, "reasoning") => &["reasoning_text"],
            (List::Summary, "reasoning") => &["summary_text"],
            _ => &[],
        };
        let key = list.index_key();
        let parts = self.parts(list);
        let next = u64::try_from(parts.len()).ok();
        notes.require(data[key].as_u64() == next, format!("{key} is {}", data[key]));
        let one_by_one = parts.last().is_none_or(|part| part.closed.is_some());
        notes.require(one_by_one, "the part before is still open");
        let part = Part::added(&data["part"], allowed, notes);
        parts.push(part);
    }

    fn part_event(&mut self, kind: &str, data: &Value, notes: &mut Notes) {
        let text = TextEvent::of(kind);
        let summary = kind == "response.reasoning_summary_part.done";
        let list =
            text.as_ref().map_or(if summary { List::Summary } else { List::Content }, |text| text.list);
        let key = list.index_key();
        let index = data[key].as_u64().and_then(|index| usize::try_from(index).ok());
        let Some(part) = index.and_then(|index| self.parts(list).get_mut(index)) else {
            return notes.add(format!("no part was added at {key} {}", data[key]));
        };
        match text {
            Some(event) => part.text_event(&event, data, notes),
            None if kind == "response.output_text.annotation.added" => part.annotation(data, notes),
            None => part.done(&data["part"], notes),
        }
    }

    fn parts(&mut self, list: List) -> &mut Vec<Part> {
        match list {
            List::Content => &mut self.content,
            List::Summary => &mut self.summary,
        }
    }

    fn arguments_delta(&mut self, data: &Value, notes: &mut Notes) {
        notes.require(self.kind == "function_call", "the item takes no arguments");
        notes.require(!self.arguments_done, "the arguments are done already");
        let Some(delta) = data["delta"].as_str() else { return notes.add("has no `delta` string") };
        self.arguments.push_str(delta);
    }

    fn arguments_whole(&mut self, data: &Value, notes: &mut Notes) {
        notes.require(self.kind == "function_call", "the item takes no arguments");
        notes.require(!self.arguments_done, "the arguments are done already");
        let same = data["arguments"] == self.arguments.as_str();
        notes.require(same, format!("the arguments are not the sum of their deltas {:?}", self.arguments));
        self.arguments_done = true;
    }

    /// `output_item.done`: every part is closed and the item says what was put together (12.6, 12.7).
    fn finish(&mut self, done: &Value, notes: &mut Notes) {
        check_nulls(done, notes);
        for key in ["type", "id", "role", "call_id", "name"] {
            notes.require(done[key] == self.added[key], format!("`{key}` of the item changed"));
        }
        self.check_status(done, &["completed", "incomplete"], notes);
        let parts = self.content.iter().chain(&self.summary);
        notes
            .require(parts.into_iter().all(|part| part.closed.is_some()), "a part of the item is still open");
        match self.kind.as_str() {
            "message" => notes.require(says(&done["content"], &self.content), "the content is not its parts"),
            "reasoning" => {
                notes.require(says(&done["summary"], &self.summary), "the summary is not its parts");
                let silent = self.content.is_empty() && done.get("content").is_none();
                notes
                    .require(silent || says(&done["content"], &self.content), "the content is not its parts");
            }
            "function_call" => {
                notes.require(self.arguments_done, "the arguments have no done event");
                let same = done["arguments"] == self.arguments.as_str();
                notes.require(same, "the arguments of the item are not those of the events");
            }
            _ => {}
        }
        self.done = Some(done.clone());
    }

    /// An incomplete item is the last one of a response that is incomplete (4.3); a response that failed or
    /// was cancelled closes as incomplete whatever was open.
    fn check_status_at_end(&self, ending: Ending, last: bool, notes: &mut Notes) {
        if self.done.as_ref().is_none_or(|done| done["status"] != "incomplete") {
            return;
        }
        match ending {
            Ending::Completed => {
                notes.add(format!("item `{}` of a completed response is incomplete", self.id))
            }
            Ending::Incomplete => {
                notes.require(last, format!("item `{}` is incomplete and not the last one", self.id));
            }
            Ending::Cancelled | Ending::Failed => {}
        }
    }

    /// An item that was open at a failure, as the last snapshot shows it.
    fn check_partial(&self, shown: &Value, notes: &mut Notes) {
        notes.require(shown["type"] == self.kind.as_str(), "the open item changed its type");
        self.check_status(shown, &["incomplete"], notes);
        let texts = |list: &Value| -> String {
            let parts = list.as_array().into_iter().flatten();
            parts.filter_map(|part| part["text"].as_str().or_else(|| part["refusal"].as_str())).collect()
        };
        for (key, parts) in [("content", &self.content), ("summary", &self.summary)] {
            let told: String = parts.iter().map(Part::text).collect();
            notes
                .require(texts(&shown[key]) == told, format!("the {key} of the open item is not its deltas"));
        }
        if self.kind == "function_call" {
            let same = shown["arguments"] == self.arguments.as_str();
            notes.require(same, "the arguments of the open item are not its deltas");
        }
    }
}

/// Whether a list of the item holds exactly its closed parts.
fn says(list: &Value, parts: &[Part]) -> bool {
    let Some(list) = list.as_array() else { return false };
    list.len() == parts.len()
        && list.iter().zip(parts).all(|(shown, part)| Some(shown) == part.closed.as_ref())
}

fn check_nulls(item: &Value, notes: &mut Notes) {
    if !STANDARD.iter().any(|kind| item["type"] == *kind) {
        return;
    }
    for key in NOT_NULL {
        let set = item.get(key).is_none_or(|value| !value.is_null());
        notes.require(set, format!("`{key}` of the item is null; it must be left out"));
    }
}

/// The item and part events of the catalogue, and the second name of raw reasoning events.
fn is_item_event(kind: &str) -> bool {
    let plain = matches!(
        kind,
        "response.output_item.done"
            | "response.content_part.added"
            | "response.content_part.done"
            | "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done"
            | "response.output_text.annotation.added"
            | "response.function_call_arguments.delta"
            | "response.function_call_arguments.done"
    );
    plain || TextEvent::of(kind).is_some()
}

/// `slug:…`, or an event of one of OpenAI's hosted tools, such as `response.web_search_call.searching`.
fn is_hosted_event(kind: &str) -> bool {
    let slug = kind.split_once(':').is_some_and(|(slug, name)| !slug.is_empty() && !name.is_empty());
    let tool = kind.strip_prefix("response.").and_then(|rest| rest.split_once('.')).map(|(tool, _)| tool);
    slug || tool.is_some_and(|tool| tool.contains("_call") || tool.starts_with("mcp_"))
}
