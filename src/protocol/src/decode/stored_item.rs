//! Items of our own records and event logs, straight into their types.
//!
//! What a request may hold was checked when it came in, and what a model made is kept as it is, so nothing is
//! refused here for its contents. Our own writer puts `type` first, which lets one pass do: no tree of values
//! in between, about five times as fast as the decoder of requests.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::decode::item::decode_raw_item;
use crate::decode::stored_part::{StoredPart, closed, push};
use crate::json::Word;
use crate::json::extra::Extra;
use crate::{
    Compaction, ContentPart, CustomToolCall, FunctionCall, FunctionCallOutput, Item, ItemReference,
    ItemStatus, Message, Output, Path, Phase, RawJson, Reasoning, ReasoningPart, Role, SummaryPart,
};

/// An item as it was stored or logged. What was written comes back equal.
#[derive(Debug, PartialEq)]
pub struct StoredItem(pub Item);

impl<'de> Deserialize<'de> for StoredItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor).map(Self)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let Some(Word(first)) = map.next_key()? else { return Err(A::Error::custom("an empty item")) };
        if first != "type" {
            // Only an item that we keep as it came can begin otherwise.
            let mut text = String::new();
            let first_value: Box<RawValue> = map.next_value()?;
            push(&mut text, &first, first_value.get())?;
            return unusual(&collect(map, text)?);
        }
        let Word(kind) = map.next_value()?;
        if !is_typed(&kind) {
            let mut text = String::new();
            push(&mut text, &first, &serde_json::to_string(&kind).map_err(A::Error::custom)?)?;
            return collect(map, text).map(Item::foreign);
        }
        let mut fields = ItemFields::read(&kind, map)?;
        let extra = fields.extra()?;
        fields.into_item(&kind, extra).map_err(A::Error::missing_field)
    }
}

/// The whole item as text.
fn collect<'de, A: MapAccess<'de>>(mut map: A, mut text: String) -> Result<RawJson, A::Error> {
    while let Some(Word(key)) = map.next_key()? {
        let value: Box<RawValue> = map.next_value()?;
        push(&mut text, &key, value.get())?;
    }
    text.push('}');
    let raw = RawValue::from_string(text).map_err(A::Error::custom)?;
    RawJson::keep(&raw).map_err(A::Error::custom)
}

/// Whether items of this type are more to us than their members.
fn is_typed(kind: &str) -> bool {
    matches!(kind, "message" | "function_call" | "function_call_output" | "custom_tool_call" | "reasoning")
        || matches!(kind, "custom_tool_call_output" | "compaction" | "item_reference")
}

fn unusual<E: Error>(item: &RawJson) -> Result<Item, E> {
    if item.text("type").is_some_and(|kind| !is_typed(&kind)) {
        return Ok(Item::foreign(item.clone()));
    }
    decode_raw_item(item.as_raw(), Path::Root).map_err(|e| E::custom(e.message))
}

/// The members of every known type of item. Absent and null are the same.
#[derive(Default)]
struct ItemFields {
    id: Option<String>,
    status: Option<ItemStatus>,
    role: Option<Role>,
    content: Vec<StoredPart>,
    phase: Option<Phase>,
    call_id: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    arguments: Option<String>,
    input: Option<String>,
    output: Option<Output>,
    summary: Vec<StoredPart>,
    encrypted_content: Option<String>,
    /// All others, as the text of an object that is not closed yet.
    others: String,
}

impl ItemFields {
    /// Reads all members but the type, which was the first.
    fn read<'de, A: MapAccess<'de>>(kind: &str, mut map: A) -> Result<Self, A::Error> {
        let mut fields = Self::default();
        while let Some(Word(key)) = map.next_key()? {
            match (&*key, kind) {
                ("id", _) => fields.id = map.next_value()?,
                ("status", "message" | "reasoning" | "function_call" | "custom_tool_call") => {
                    fields.status = map.next_value()?;
                }
                ("call_id", kind) if kind.contains("call") => fields.call_id = map.next_value()?,
                ("encrypted_content", "reasoning" | "compaction") => {
                    fields.encrypted_content = map.next_value()?
                }
                ("role", "message") => fields.role = map.next_value()?,
                ("content", "message" | "reasoning") => {
                    fields.content = map.next_value::<Option<_>>()?.unwrap_or_default();
                }
                ("phase", "message") => fields.phase = map.next_value()?,
                ("name" | "namespace", "function_call" | "custom_tool_call") => {
                    let place = if key == "name" { &mut fields.name } else { &mut fields.namespace };
                    *place = map.next_value()?;
                }
                ("arguments", "function_call") => fields.arguments = map.next_value()?,
                ("input", "custom_tool_call") => fields.input = map.next_value()?,
                ("output" | "status", "function_call_output" | "custom_tool_call_output") => match &*key {
                    "output" => fields.output = map.next_value()?,
                    _ => fields.status = map.next_value()?,
                },
                ("summary", "reasoning") => {
                    fields.summary = map.next_value::<Option<_>>()?.unwrap_or_default();
                }
                _ => {
                    let value: Box<RawValue> = map.next_value()?;
                    push(&mut fields.others, &key, value.get())?;
                }
            }
        }
        Ok(fields)
    }

    /// The members that have no form.
    fn extra<E: Error>(&mut self) -> Result<Extra, E> {
        closed(std::mem::take(&mut self.others))
    }
}

impl ItemFields {
    /// The item, or the name of the member that it lacks.
    fn into_item(self, kind: &str, extra: Extra) -> Result<Item, &'static str> {
        let Self { id, status, .. } = self;
        Ok(match kind {
            "message" => Item::Message(Message {
                id,
                status,
                role: self.role.ok_or("role")?,
                content: parts(self.content)?,
                phase: self.phase,
                extra,
            }),
            "function_call" => Item::FunctionCall(FunctionCall {
                id,
                call_id: self.call_id.ok_or("call_id")?,
                name: self.name.ok_or("name")?,
                namespace: self.namespace,
                arguments: self.arguments.ok_or("arguments")?,
                status,
                extra,
            }),
            "custom_tool_call" => Item::CustomToolCall(CustomToolCall {
                id,
                call_id: self.call_id.ok_or("call_id")?,
                name: self.name.ok_or("name")?,
                namespace: self.namespace,
                input: self.input.ok_or("input")?,
                status,
                extra,
            }),
            "function_call_output" | "custom_tool_call_output" => {
                let output = FunctionCallOutput {
                    id,
                    call_id: self.call_id.unwrap_or_default(),
                    output: self.output.ok_or("output")?,
                    status,
                    extra,
                };
                if kind == "function_call_output" {
                    Item::FunctionCallOutput(output)
                } else {
                    Item::CustomToolCallOutput(output)
                }
            }
            "reasoning" => Item::Reasoning(Reasoning {
                id,
                status,
                summary: texts(self.summary, |text| SummaryPart { text })?,
                content: texts(self.content, |text| ReasoningPart { text })?,
                encrypted_content: self.encrypted_content,
                extra,
            }),
            "compaction" => Item::Compaction(Compaction {
                id,
                encrypted_content: self.encrypted_content.ok_or("encrypted_content")?,
                extra,
            }),
            _ => Item::ItemReference(ItemReference { id: id.ok_or("id")? }),
        })
    }
}

fn parts(list: Vec<StoredPart>) -> Result<Vec<ContentPart>, &'static str> {
    list.into_iter().map(StoredPart::into_content).collect()
}

fn texts<T>(list: Vec<StoredPart>, make: impl Fn(String) -> T) -> Result<Vec<T>, &'static str> {
    list.into_iter().map(|part| part.text.ok_or("text").map(&make)).collect()
}

/// As a [`StoredItem`]: of our own records, not of a request.
impl<'de> Deserialize<'de> for Output {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutputVisitor)
    }
}

struct OutputVisitor;

impl<'de> Visitor<'de> for OutputVisitor {
    type Value = Output;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or content parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Output, E> {
        Ok(Output::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Output, A::Error> {
        let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        parts(list).map(Output::Parts).map_err(A::Error::missing_field)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;
    use crate::{decode_item, decode_stored_items};

    /// Whatever is accepted in a request comes back from its stored form as the same item.
    #[track_caller]
    fn check(item: Value) {
        let item = decode_item(item, Path::Root).unwrap();
        let stored = serde_json::to_string(&[&item]).unwrap();
        let got: Vec<StoredItem> = serde_json::from_str(&stored).unwrap();
        assert_eq!(got, [StoredItem(item.clone())]);
        assert_eq!(decode_stored_items(&stored).unwrap(), [item]);
    }

    #[test]
    fn messages_of_every_part_come_back() {
        check(json!({"role": "user", "content": "plain \"text\" \u{1F600}"}));
        check(json!({"type": "message", "id": "msg_1", "role": "developer", "content": []}));
        check(json!({"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "a"},
            {"type": "input_image", "image_url": "https://a.example/b.png", "detail": "low"},
            {"type": "input_image", "file_id": "file_1"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "AAAA"},
            {"type": "input_video", "video_url": "https://a.example/v"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ]}));
        check(json!({"type": "message", "id": "msg_2", "status": "incomplete", "role": "assistant",
            "phase": "commentary", "content": [
            {"type": "output_text", "text": "b", "annotations": [
                {"type": "url_citation", "url": "u", "title": "t", "start_index": 1, "end_index": 2},
                {"type": "file_citation", "file_id": "f", "index": 3}],
             "logprobs": [{"token": "b", "logprob": -0.5, "bytes": [98], "top_logprobs": []}]},
            {"type": "refusal", "refusal": "no"},
        ]}));
    }

    #[test]
    fn calls_and_outputs_come_back() {
        check(json!({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "namespace": "n",
            "arguments": "{\"a\":1}", "status": "completed"}));
        check(json!({"type": "function_call_output", "call_id": "c", "output": "text"}));
        check(json!({"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_text", "text": "a"}, {"type": "input_image", "file_id": "file_1"}]}));
        check(json!({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "free"}));
        check(json!({"type": "custom_tool_call_output", "call_id": "c", "output": "text"}));
    }

    #[test]
    fn members_without_a_form_come_back() {
        let breakpoint = json!({"mode": "explicit", "ttl": "12h"});
        check(json!({"role": "user", "x": [1, 2], "content": [
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": breakpoint},
            {"type": "input_image", "file_id": "file_1", "prompt_cache_breakpoint": breakpoint, "n": 1e15},
            {"type": "input_file", "file_id": "file_2", "y": null, "z": {"w": "\u{1F600}"}},
        ]}));
        check(json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "async": true,
            "caller": {"type": "program", "caller_id": "p"}}));
        check(json!({"type": "function_call_output", "output": "text", "name": "f", "namespace": "n"}));
        check(
            json!({"type": "custom_tool_call", "call_id": "c", "name": "f", "namespace": "n", "input": "i", "role": "x"}),
        );
        check(
            json!({"type": "compaction", "encrypted_content": "x", "created_by": "y", "status": "completed"}),
        );
        check(json!({"type": "reasoning", "summary": [], "encrypted_content": "x", "call_id": "odd"}));
    }

    #[test]
    fn reasoning_and_opaque_items_come_back() {
        check(json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}],
            "content": [{"type": "reasoning_text", "text": "r"}], "encrypted_content": "or1.x"}));
        check(json!({"type": "reasoning", "summary": []}));
        check(json!({"type": "compaction", "encrypted_content": "x"}));
        check(json!({"type": "item_reference", "id": "msg_1"}));
        check(
            json!({"type": "web_search_call", "status": "searching", "action": {"q": [1, 2]}, "output": 7}),
        );
        check(json!({"status": 3, "type": "acme:thing", "id": "x"}));
        // A provider's new hosted tool, its members in the provider's order.
        let stored = r#"[{"id":"x_1","type":"new_tool_call","status":"completed"}]"#;
        let got: Vec<StoredItem> = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&[&got[0].0]).unwrap(), stored);
    }

    /// A model may call a tool by a name that no request could declare; its record must still read.
    #[test]
    fn a_call_by_an_impossible_name_is_read() {
        let stored = r#"[{"type":"function_call","call_id":"","name":"a.b c","arguments":"{"}]"#;
        let got: Vec<StoredItem> = serde_json::from_str(stored).unwrap();
        let Item::FunctionCall(call) = &got[0].0 else { panic!("{got:?}") };
        assert_eq!((call.name.as_str(), call.arguments.as_str()), ("a.b c", "{"));
    }

    #[test]
    fn an_item_that_lacks_something_is_an_error() {
        for stored in
            ["[{}]", "[3]", r#"[{"type":"message","content":[]}]"#, r#"[{"type":"item_reference"}]"#]
        {
            assert!(serde_json::from_str::<Vec<StoredItem>>(stored).is_err(), "{stored}");
        }
    }
}
