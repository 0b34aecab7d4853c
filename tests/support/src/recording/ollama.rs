//! Ollama `/api/chat`.

use serde_json::Value;

use super::super::shared::Case;
use super::{Body, End, Expected, Usage5, Written, count, entries, parse_arguments, text};

/// Closes leaked thinking; some builds send it in `content`, without an opening tag, when thinking is off.
const LEAK_END: &str = "</think>";

/// Whether the answer has thinking in its content.
///
/// A stream cannot know this before the tag comes, so a test of streamed text may have to treat these apart:
/// [`expected`](super::expected) gives the text behind the tag as text and all before it as reasoning.
pub fn leaks_thinking(case: &Case) -> bool {
    let body = super::documents(case.kind, &case.response);
    content(&body).contains(LEAK_END)
}

pub(super) fn read(body: &Body) -> Expected {
    let mut expected = Expected::empty(End::Failed);
    let content = content(body);
    for line in &body.documents {
        let message = &line["message"];
        expected.reasoning.push_str(text(message, "thinking"));
        expected.tool_calls.extend(entries(&message["tool_calls"]).map(call));
        expected
            .written
            .extend(entries(&message["tool_calls"]).map(|call| Written::new(&call["id"], &Value::Null)));
        if line["done"] == true {
            expected.usage = usage(line);
            expected.end = end(line);
        }
        if line["error"].is_string() {
            expected.end = End::Failed;
        }
    }
    match content.split_once(LEAK_END) {
        Some((thinking, answer)) => {
            let thinking = thinking.strip_prefix("<think>").unwrap_or(thinking);
            expected.reasoning.push_str(thinking.trim());
            // The template puts blank lines behind the tag; they are not part of the answer.
            answer.trim_start().clone_into(&mut expected.text);
        }
        None => expected.text = content,
    }
    expected
}

fn content(body: &Body) -> String {
    body.documents.iter().map(|line| text(&line["message"], "content")).collect()
}

fn call(call: &Value) -> (String, Value) {
    let function = &call["function"];
    let arguments = match &function["arguments"] {
        Value::String(text) => parse_arguments(text),
        Value::Null => parse_arguments(""),
        object => object.clone(),
    };
    (text(function, "name").to_owned(), arguments)
}

/// Thinking is inside `eval_count` and never counted apart. Zero counters are left out by the server.
fn usage(last: &Value) -> Option<Usage5> {
    if last["prompt_eval_count"].is_null() && last["eval_count"].is_null() {
        return None;
    }
    let (input, output) = (count(last, "prompt_eval_count"), count(last, "eval_count"));
    Some(Usage5 { input, output, total: input + output, cached: 0, reasoning: 0 })
}

fn end(last: &Value) -> End {
    match text(last, "done_reason") {
        "length" => End::MAX_OUTPUT_TOKENS,
        // The field is absent when the server lost its runner.
        "" => End::Failed,
        _ => End::Completed,
    }
}
