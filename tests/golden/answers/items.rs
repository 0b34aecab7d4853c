//! The items of an answer beside the recorded ones, one by one, for the two wires that have items or blocks.

use or_protocol::Envelope;
use or_test_support::recording::{self, anthropic, openai_responses};
use or_test_support::shared::Case;
use serde_json::{Value, json};

/// What differs, if anything. `output` is what we store, with its sealed state.
pub(super) fn difference(case: &Case, output: &[Value]) -> Option<String> {
    let body = recording::documents(case.kind, &case.response);
    let (ours, theirs): (Vec<Value>, Vec<Value>) = match case.provider.as_str() {
        "anthropic" => {
            let blocks = anthropic::blocks(case.kind, &body);
            let served = output.iter().any(|item| server_blocks(item).is_some());
            (output.iter().flat_map(blocks_of_item).collect(), whole_texts(&blocks, served))
        }
        "openai-responses" => {
            let items = openai_responses::items(case.kind, &body);
            (output.iter().filter_map(meaning).collect(), items.iter().filter_map(meaning).collect())
        }
        _ => return None,
    };
    let at = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
    let show = |list: &[Value]| list.get(at).map_or("nothing".to_owned(), Value::to_string);
    (ours != theirs).then(|| format!("item {at} is {}, not {}", show(&ours), show(&theirs)))
}

/// The blocks of the provider's own tools that an item holds.
fn server_blocks(item: &Value) -> Option<Vec<Value>> {
    match serde_json::from_str(&sealed(item)?) {
        Ok(Value::Array(blocks)) => Some(blocks),
        _ => None,
    }
}

/// Whether an item is of a call that the provider ran.
fn is_served(item: &Value) -> bool {
    matches!(field(item, "type"), "web_search_call" | "code_interpreter_call")
}

/// Anthropic's blocks as far as they become items; a text and the texts right behind it are one. `served`: blocks of the
/// provider's own tools are in items.
fn whole_texts(blocks: &[Value], served: bool) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for block in blocks {
        match field(block, "type") {
            "text" => {
                let text = field(block, "text");
                let cited = entries(&block["citations"]).filter(|citation| citation["url"].is_string());
                let cited: Vec<Value> = cited.map(|citation| json!([citation["url"], text])).collect();
                match found.last_mut().filter(|last| last.get("text").is_some()) {
                    Some(last) => {
                        last["text"] = json!(format!("{}{text}", field(last, "text")));
                        last["cited"].as_array_mut().into_iter().for_each(|list| list.extend(cited.clone()));
                    }
                    None => found.push(json!({"text": text, "cited": cited})),
                }
            }
            "tool_use" => {
                found.push(json!({"call": block["id"], "name": block["name"], "input": block["input"]}));
            }
            "thinking" => {
                let (thinking, signature) = (&block["thinking"], &block["signature"]);
                found.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
            }
            "redacted_thinking" => found.push(json!({"type": "redacted_thinking", "data": block["data"]})),
            _ if served => found.push(block.clone()),
            _ => {}
        }
    }
    found.retain(|item| item.get("text").is_none_or(|text| text != ""));
    found
}

/// The blocks of an item, in the same form.
fn blocks_of_item(item: &Value) -> Vec<Value> {
    match server_blocks(item) {
        Some(blocks) => blocks,
        None if is_served(item) => Vec::new(),
        None => block_of_item(item).into_iter().collect(),
    }
}

/// One of our items in the same form; the state of reasoning is the block that it was. A refusal is no block.
fn block_of_item(item: &Value) -> Option<Value> {
    Some(match field(item, "type") {
        "message" if item["content"][0]["type"] == "refusal" => return None,
        "message" => {
            let part = &item["content"][0];
            let text = field(part, "text");
            let cited: Vec<Value> =
                entries(&part["annotations"]).map(|note| json!([note["url"], cited(text, note)])).collect();
            json!({"text": text, "cited": cited})
        }
        "function_call" => {
            let input = recording::parse_arguments(field(item, "arguments"));
            json!({"call": item["call_id"], "name": item["name"], "input": input})
        }
        "reasoning" => {
            let block: Value =
                sealed(item).and_then(|blob| serde_json::from_str(&blob).ok()).unwrap_or_default();
            let shown = texts(&item["summary"], "text");
            if field(&block, "thinking") == shown { block } else { json!({"shown": shown, "sealed": block}) }
        }
        _ => item.clone(),
    })
}

/// The words that an annotation is about.
pub(super) fn cited(text: &str, annotation: &Value) -> String {
    let at = |key: &str| annotation[key].as_u64().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
    let (start, end) = (at("start_index"), at("end_index"));
    text.chars().skip(start).take(end.saturating_sub(start)).collect()
}

/// What an item of OpenAI's or of ours means, apart from ids and states. `None` for reasoning that says nothing.
fn meaning(item: &Value) -> Option<Value> {
    Some(match field(item, "type") {
        "message" => {
            let notes = entries(&item["content"]).flat_map(|part| entries(&part["annotations"]));
            let targets: Vec<Option<&str>> =
                notes.map(|note| note["url"].as_str().or(note["file_id"].as_str())).collect();
            let (said, refused) = (texts(&item["content"], "text"), texts(&item["content"], "refusal"));
            json!(["message", said, refused, targets, item["phase"]])
        }
        "reasoning" => {
            let (summary, raw) = (texts(&item["summary"], "text"), texts(&item["content"], "text"));
            let sealed = sealed(item).map(|blob| match serde_json::from_str::<Value>(&blob) {
                Ok(Value::Object(state)) => {
                    state["encrypted_content"].as_str().unwrap_or_default().to_owned()
                }
                _ => blob,
            });
            if sealed.is_none() && summary.is_empty() && raw.is_empty() {
                return None;
            }
            json!(["reasoning", summary, raw, sealed])
        }
        "function_call" => {
            json!(["call", item["call_id"], item["name"], item["namespace"], item["arguments"]])
        }
        "custom_tool_call" => json!(["custom", item["call_id"], item["name"], item["input"]]),
        _ => {
            let mut item = item.clone();
            item.as_object_mut().into_iter().for_each(|item| drop(item.shift_remove("id")));
            // Some are told as done while their status says that they grow; ours says that they ended.
            if item["status"] == "generating" {
                item["status"] = json!("completed");
            }
            item
        }
    })
}

/// The provider's state of a reasoning item: what is in our envelope, or the text itself.
fn sealed(item: &Value) -> Option<String> {
    let text = item["encrypted_content"].as_str()?;
    Some(Envelope::open(text).map_or_else(|_| text.to_owned(), |envelope| envelope.blob))
}

fn texts(list: &Value, key: &str) -> String {
    entries(list).filter_map(|part| part[key].as_str()).collect()
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn field<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
