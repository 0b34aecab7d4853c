//! OpenAI Responses and the hosts that speak it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::shared::Kind;
use super::{Body, End, Expected, Usage5, Written, count, entries, parse_arguments, text};

pub(super) fn read(kind: Kind, body: &Body) -> Expected {
    if kind == Kind::Sse {
        return read_stream(&body.documents);
    }
    let Some(response) = body.documents.first() else { return Expected::empty(End::Failed) };
    whole(entries(&response["output"]), response)
}

fn read_stream(events: &[Value]) -> Expected {
    let (items, response) = stream(events);
    whole(items.into_iter(), response)
}

/// The items of the first response in the body, in their order.
pub fn items(kind: Kind, body: &Body) -> Vec<Value> {
    if kind == Kind::Sse {
        return stream(&body.documents).0.into_iter().cloned().collect();
    }
    body.documents.first().into_iter().flat_map(|response| entries(&response["output"])).cloned().collect()
}

/// Items are taken from their `done` events by `output_index`: ids may rotate, and the ChatGPT backend leaves
/// the `output` of the last event empty.
fn stream(events: &[Value]) -> (Vec<&Value>, &Value) {
    let mut items: BTreeMap<u64, &Value> = BTreeMap::new();
    for event in events {
        match text(event, "type") {
            "response.output_item.done" => {
                items.insert(count(event, "output_index"), &event["item"]);
            }
            // Nothing behind the first terminal event belongs to this response.
            "response.completed" | "response.incomplete" | "response.failed" => {
                return (items.into_values().collect(), &event["response"]);
            }
            _ => {}
        }
    }
    (items.into_values().collect(), &Value::Null)
}

fn whole<'a>(items: impl Iterator<Item = &'a Value>, response: &Value) -> Expected {
    let mut expected = Expected::empty(end(response));
    items.for_each(|item| add_item(&mut expected, item));
    expected.usage = usage(&response["usage"]);
    expected
}

/// Calls that the upstream ran itself (search, MCP, code) and their relatives are hosted items, not client
/// calls.
fn add_item(expected: &mut Expected, item: &Value) {
    match text(item, "type") {
        "message" => {
            for part in entries(&item["content"]) {
                expected.text.push_str(text(part, "text"));
                expected.refusal.push_str(text(part, "refusal"));
            }
        }
        "reasoning" => {
            for part in entries(&item["summary"]).chain(entries(&item["content"])) {
                expected.reasoning.push_str(text(part, "text"));
            }
        }
        "function_call" => {
            let arguments = parse_arguments(text(item, "arguments"));
            expected.tool_calls.push((text(item, "name").to_owned(), arguments));
            expected.written.push(Written::new(&item["call_id"], &item["arguments"]));
        }
        "custom_tool_call" => {
            expected.tool_calls.push((text(item, "name").to_owned(), item["input"].clone()));
            expected.written.push(Written::new(&item["call_id"], &item["input"]));
        }
        _ => {}
    }
}

fn end(response: &Value) -> End {
    match text(response, "status") {
        // One recording says `complete`.
        "completed" | "complete" => End::Completed,
        "incomplete" if response["incomplete_details"]["reason"] == "content_filter" => End::CONTENT_FILTER,
        "incomplete" => End::MAX_OUTPUT_TOKENS,
        // Failed, cancelled, cut off, or still `queued`: a background answer is no answer for us.
        _ => End::Failed,
    }
}

fn usage(counts: &Value) -> Option<Usage5> {
    counts.is_object().then(|| {
        let (input, output) = (count(counts, "input_tokens"), count(counts, "output_tokens"));
        Usage5 {
            input,
            output,
            total: counts["total_tokens"].as_u64().unwrap_or(input + output),
            cached: count(&counts["input_tokens_details"], "cached_tokens"),
            reasoning: count(&counts["output_tokens_details"], "reasoning_tokens"),
        }
    })
}
