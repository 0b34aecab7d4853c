//! Reads a response object of ours, as plain JSON, into the form of the recordings' expectations.

use serde_json::Value;

use or_test_support::recording::{End, Expected, Usage5, Written, parse_arguments};

/// What a client finds in a response.
pub(crate) fn observed(response: &Value) -> Expected {
    let mut found = Expected::empty(end(response));
    for item in response["output"].as_array().into_iter().flatten() {
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                found.text.push_str(&join(&item["content"], "text"));
                found.refusal.push_str(&join(&item["content"], "refusal"));
            }
            "reasoning" => {
                found.reasoning.push_str(&join(&item["summary"], "text"));
                found.reasoning.push_str(&join(&item["content"], "text"));
            }
            "function_call" => {
                let arguments = parse_arguments(item["arguments"].as_str().unwrap_or_default());
                found.tool_calls.push((name(item), arguments));
                found.written.push(written(item, "arguments"));
            }
            "custom_tool_call" => {
                found.tool_calls.push((name(item), item["input"].clone()));
                found.written.push(written(item, "input"));
            }
            _ => {}
        }
    }
    found.usage = usage(&response["usage"]);
    found
}

fn join(parts: &Value, key: &str) -> String {
    parts.as_array().into_iter().flatten().filter_map(|part| part[key].as_str()).collect()
}

fn name(item: &Value) -> String {
    item["name"].as_str().unwrap_or_default().to_owned()
}

fn written(item: &Value, arguments: &str) -> Written {
    let text = |key: &str| item[key].as_str().map(str::to_owned);
    Written { id: text("call_id"), arguments: text(arguments) }
}

fn end(response: &Value) -> End {
    match (response["status"].as_str(), response["incomplete_details"]["reason"].as_str()) {
        (Some("completed"), _) => End::Completed,
        (Some("incomplete"), Some("max_output_tokens")) => End::MAX_OUTPUT_TOKENS,
        (Some("incomplete"), Some("content_filter")) => End::CONTENT_FILTER,
        (Some("incomplete"), _) => End::Incomplete("of another reason"),
        _ => End::Failed,
    }
}

fn usage(usage: &Value) -> Option<Usage5> {
    let count = |pointer: &str| usage.pointer(pointer).and_then(Value::as_u64).unwrap_or(u64::MAX);
    usage.is_object().then(|| Usage5 {
        input: count("/input_tokens"),
        output: count("/output_tokens"),
        total: count("/total_tokens"),
        cached: count("/input_tokens_details/cached_tokens"),
        reasoning: count("/output_tokens_details/reasoning_tokens"),
    })
}
