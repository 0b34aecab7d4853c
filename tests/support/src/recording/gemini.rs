//! Gemini `generateContent` and `streamGenerateContent`, on the Gemini API and on Vertex.

use serde_json::{Map, Value, json};

use super::{Body, End, Expected, Usage5, Written, count, entries, text};

/// A unary answer is a stream of one chunk.
pub(super) fn read(body: &Body) -> Expected {
    let mut expected = Expected::empty(End::Failed);
    let mut calls = Calls::default();
    let mut end = None;
    let mut failed = false;
    for chunk in &body.documents {
        failed |= !chunk["error"].is_null();
        if chunk["promptFeedback"]["blockReason"].is_string() {
            end = Some(End::CONTENT_FILTER);
        }
        for candidate in entries(&chunk["candidates"]).filter(|candidate| count(candidate, "index") == 0) {
            for part in entries(&candidate["content"]["parts"]) {
                add_part(&mut expected, &mut calls, part);
            }
            // With code execution a STOP can stand on a middle chunk, so reading goes on to the end.
            if let Some(reason) = candidate["finishReason"].as_str() {
                end = Some(end_of(reason));
            }
        }
        // Running values: the last counts. Early chunks on Vertex have none, only a traffic type.
        expected.usage = usage(&chunk["usageMetadata"]).or(expected.usage);
    }
    (expected.tool_calls, expected.written) = (calls.done, calls.written);
    expected.end = if failed { End::Failed } else { end.unwrap_or(End::Failed) };
    expected
}

/// Code execution and provider-side tool parts are not text and not the client's calls.
fn add_part(expected: &mut Expected, calls: &mut Calls, part: &Value) {
    if part["thought"] == true {
        expected.reasoning.push_str(text(part, "text"));
    } else if part["functionCall"].is_object() {
        calls.add(&part["functionCall"]);
    } else {
        expected.text.push_str(text(part, "text"));
    }
}

/// Function calls, whole ones and those that Vertex streams argument by argument.
#[derive(Default)]
struct Calls {
    done: Vec<(String, Value)>,
    written: Vec<Written>,
    /// Whether the last of `done` still takes arguments.
    open: bool,
}

impl Calls {
    fn add(&mut self, call: &Value) {
        if let Some(name) = call["name"].as_str() {
            let arguments = if call["args"].is_object() { call["args"].clone() } else { json!({}) };
            self.done.push((name.to_owned(), arguments));
            self.written.push(Written::new(&call["id"], &Value::Null));
            self.open = true;
        }
        if self.open
            && let Some((_, arguments)) = self.done.last_mut()
        {
            entries(&call["partialArgs"]).for_each(|piece| put(arguments, piece));
        }
        // The end mark is a call without `willContinue`, in streams an empty one; it can be missing.
        self.open &= call["willContinue"] == true;
    }
}

/// Puts one piece at its place; a string piece continues the string that is there.
fn put(arguments: &mut Value, piece: &Value) {
    let mut place = arguments;
    for step in steps(text(piece, "jsonPath")) {
        place = descend(place, step);
    }
    if let Some(more) = piece["stringValue"].as_str() {
        let before = place.as_str().unwrap_or_default();
        *place = Value::String(format!("{before}{more}"));
    } else if let Some(value) = ["numberValue", "boolValue"].iter().find_map(|key| piece.get(*key)) {
        *place = value.clone();
    } else {
        *place = Value::Null;
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Reads the paths that Vertex sends: `$.recipe.ingredients[0].amount`, also `$['a key']`.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut found = Vec::new();
    let mut rest = path.trim_start_matches('$');
    while !rest.is_empty() {
        if let Some((inside, behind)) = rest.strip_prefix('[').and_then(|tail| tail.split_once(']')) {
            let key = Step::Key(inside.trim_matches(['\'', '"']));
            found.push(inside.parse().map_or(key, Step::Index));
            rest = behind;
        } else {
            let tail = rest.strip_prefix('.').unwrap_or(rest);
            let (key, behind) = tail.split_at(tail.find(['.', '[']).unwrap_or(tail.len()));
            found.push(Step::Key(key));
            rest = behind;
        }
    }
    found
}

/// Goes one step down and makes what is missing on the way.
fn descend<'a>(place: &'a mut Value, step: Step<'_>) -> &'a mut Value {
    match step {
        Step::Key(key) => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            &mut place[key]
        }
        Step::Index(index) => {
            if !place.is_array() {
                *place = json!([]);
            }
            if let Some(list) = place.as_array_mut().filter(|list| list.len() <= index) {
                list.resize(index + 1, Value::Null);
            }
            &mut place[index]
        }
    }
}

fn end_of(reason: &str) -> End {
    match reason {
        "STOP" => End::Completed,
        "MAX_TOKENS" | "CONTINUATION" => End::MAX_OUTPUT_TOKENS,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR"
        | "ESCALATION" => End::CONTENT_FILTER,
        "IMAGE_SAFETY" | "IMAGE_PROHIBITED_CONTENT" | "IMAGE_RECITATION" => End::CONTENT_FILTER,
        _ => End::Failed,
    }
}

/// `promptTokenCount` includes cached tokens; thoughts and tool prompts are counted apart.
fn usage(counts: &Value) -> Option<Usage5> {
    let names = ["promptTokenCount", "candidatesTokenCount", "totalTokenCount"];
    if names.iter().all(|name| counts[*name].is_null()) {
        return None;
    }
    let reasoning = count(counts, "thoughtsTokenCount");
    let input = count(counts, "promptTokenCount") + count(counts, "toolUsePromptTokenCount");
    let output = count(counts, "candidatesTokenCount") + reasoning;
    Some(Usage5 {
        input,
        output,
        total: counts["totalTokenCount"].as_u64().unwrap_or(input + output),
        cached: count(counts, "cachedContentTokenCount"),
        reasoning,
    })
}
