//! An answer goes back to its provider as it came, with results for its calls, and nothing of it needs a note.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use or_adapters::Note;
use or_protocol::{CreateResponseBody, Item, Tool};
use or_test_support::recording::End;
use or_test_support::recording::expected;
use or_test_support::shared::{self, Case};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::replay::{Answer, Replay, documents};

/// Answers that ended as the model wanted.
fn whole(provider: &str) -> impl Iterator<Item = &'static Case> + use<'_> {
    let cases = shared::cases_of(provider).into_iter().flatten();
    cases.filter(|case| case.status == 200 && expected(case).end == End::Completed)
}

/// Our answer, and the request that goes on from it without any setting: its body and its notes.
fn next(case: &Case) -> (Answer, Value, Vec<Note>) {
    let mut replay = Replay::of(case);
    let answer = replay.respond(&replay.translate(case), true);
    let output = answer.output();
    let mut input = vec![json!({"role": "user", "content": "Begin."})];
    let calls = output.iter().filter_map(|item| match item {
        Item::FunctionCall(call) => Some(&call.call_id),
        _ => None,
    });
    let mut results: Vec<Value> =
        calls.map(|id| json!({"type": "function_call_output", "call_id": id, "output": "done"})).collect();
    if results.is_empty() {
        results.push(json!({"role": "user", "content": "Go on."}));
    }
    input.extend(results);
    // What the provider's own tools did goes back beside them only.
    let tools: Vec<Value> =
        replay.request.settings.tools.iter().filter(is_hosted).map(|tool| json!(tool)).collect();
    let model = case.meta["model"].as_str().unwrap_or("model");
    let body = json!({"model": model, "input": input, "stream": true, "tools": tools});
    replay.request = CreateResponseBody::from_value(body).unwrap();
    replay.request.input.splice(1..1, output);
    let call = replay.adapter.request(&replay.model_request()).unwrap();
    (answer, serde_json::from_slice(&call.body).unwrap(), call.notes)
}

fn is_hosted(tool: &&Tool) -> bool {
    matches!(tool, Tool::Hosted(tool) if matches!(tool.kind(), "web_search" | "code_interpreter"))
}

/// Parts of Gemini's own tools, and the tool that they are carried beside.
const ITS_OWN: [(&str, &str); 4] = [
    ("executableCode", "code_interpreter"),
    ("codeExecutionResult", "code_interpreter"),
    ("toolCall", "web_search"),
    ("toolResponse", "web_search"),
];

/// What a part means: its data with the signature. Nothing of an empty text or of a summary of thoughts.
fn part(part: &Value) -> Option<Value> {
    let mut part = part.clone();
    if let Some(call) = part.get_mut("functionCall").and_then(Value::as_object_mut) {
        call.entry("args").or_insert_with(|| json!({}));
    }
    if part["thought"] == false {
        part.as_object_mut()?.shift_remove("thought");
    }
    let empty = part["text"] == "" && part["thoughtSignature"].is_null();
    (!empty && part["thought"] != true).then_some(part)
}

/// The parts of the answer's chunks. Unsigned text of several chunks is one part, unless a thought parts it.
fn parts(case: &Case) -> Vec<Value> {
    let chunks = documents(case);
    let lists = chunks.iter().filter_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array());
    let is_plain = |part: &Value| part["text"].is_string() && part["thoughtSignature"].is_null();
    let (mut found, mut behind_thought): (Vec<Value>, bool) = (Vec::new(), false);
    let settings = Replay::of(case).request.settings;
    let has =
        |tool: &str| settings.tools.iter().any(|one| matches!(one, Tool::Hosted(one) if one.kind() == tool));
    let is_carried = |part: &&Value| ITS_OWN.iter().all(|(key, tool)| part.get(key).is_none() || has(tool));
    for raw in lists.flatten().filter(is_carried) {
        let apart = std::mem::replace(&mut behind_thought, raw["thought"] == true);
        let Some(part) = part(raw) else { continue };
        match found.last_mut().filter(|last| is_plain(last) && is_plain(&part) && !apart) {
            Some(last) => {
                let text = |part: &Value| part["text"].as_str().unwrap_or_default().to_owned();
                last["text"] = json!(text(last) + &text(&part));
            }
            None => found.push(part),
        }
    }
    found
}

/// Ids, names, arguments, signatures and their places.
#[test]
fn geminis_parts_go_back_to_the_letter() {
    let mut seen = 0;
    for case in whole("gemini") {
        let want = parts(case);
        let is_streamed = |part: &Value| {
            part["functionCall"]["partialArgs"].is_array()
                || part["functionCall"]["willContinue"].is_boolean()
        };
        let (answer, body, notes) = next(case);
        if answer.output().is_empty() || want.iter().any(is_streamed) {
            continue;
        }
        assert_eq!(body["contents"][1]["role"], "model", "{}", case.id());
        let got = body["contents"][1]["parts"].as_array().unwrap();
        assert_eq!(got.iter().filter_map(part).collect::<Vec<_>>(), want, "{}", case.id());
        assert_eq!(notes, [], "{}", case.id());
        seen += 1;
    }
    assert!(seen >= 40 || shared::folder().is_none(), "{seen}");
}

#[test]
fn anthropics_blocks_go_back_without_a_note_and_every_call_has_its_result() {
    let mut seen = 0;
    for case in whole("anthropic") {
        let (answer, body, notes) = next(case);
        // Where the recording was made anonymous, results do not name their calls any more.
        if !String::from_utf8_lossy(&case.response).contains("toolu_REDACTED") {
            assert_eq!(notes, [], "{}", case.id());
        }
        let calls = answer.output().iter().filter(|item| matches!(item, Item::FunctionCall(_))).count();
        let last = body["messages"].as_array().and_then(|list| list.last()).unwrap();
        let blocks = last["content"].as_array().into_iter().flatten();
        assert_eq!(blocks.filter(|block| block["type"] == "tool_result").count(), calls, "{}", case.id());
        seen += 1;
    }
    assert!(seen >= 40 || shared::folder().is_none(), "{seen}");
}

#[test]
fn ollamas_calls_go_back_with_our_ids() {
    let mut seen = 0;
    for case in whole("ollama") {
        let (answer, body, _) = next(case);
        let messages = body["messages"].as_array().unwrap();
        let calls =
            messages.iter().flat_map(|message| message["tool_calls"].as_array().into_iter().flatten());
        let sent: Vec<_> = calls.map(|call| call["id"].clone()).collect();
        let ids: Vec<_> = answer
            .stored()
            .iter()
            .filter(|i| i["type"] == "function_call")
            .map(|i| i["call_id"].clone())
            .collect();
        assert_eq!(sent, ids, "{}", case.id());
        seen += ids.len();
    }
    assert!(seen >= 7 || shared::folder().is_none(), "{seen}");
}
