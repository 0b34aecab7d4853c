//! The Ollama adapter against recorded traffic, which lies outside this repository.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use or_adapters::ollama::Ollama;
use or_adapters::{Adapter, FinishReason, ModelEvent, UpstreamErrorKind};
use or_protocol::{CreateResponseBody, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

#[path = "ollama/support.rs"]
mod support;

use support::{adapter, decode, joined, sent, stream, unary};

/// One recorded exchange.
struct Case {
    name: String,
    /// Absent where only the answer was kept.
    request: Option<Value>,
    /// The answer's bytes, and its objects.
    bytes: Vec<u8>,
    lines: Vec<Value>,
    streamed: bool,
    status: u16,
}

/// All recordings; `None` where they are not there, which CI does not allow.
fn cases() -> Option<Vec<Case>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared =
        std::env::var_os("OPEN_RESPONSES_SHARED").map_or_else(|| here.join("../../../shared"), PathBuf::from);
    let Ok(dir) = std::fs::read_dir(shared.join("fixtures/ollama")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no recordings in {}", shared.display());
        println!("left out: no recordings");
        return None;
    };
    let mut folders: Vec<PathBuf> = dir.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    Some(folders.iter().map(|folder| case(folder)).collect())
}

fn case(folder: &Path) -> Case {
    let json = |name: &str| {
        let text = std::fs::read(folder.join(name)).ok()?;
        Some(serde_json::from_slice::<Value>(&text).unwrap())
    };
    let streamed = folder.join("response.ndjson").exists();
    let bytes =
        std::fs::read(folder.join(if streamed { "response.ndjson" } else { "response.json" })).unwrap();
    let lines =
        serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>().map(Result::unwrap).collect();
    let meta = json("meta.json").unwrap();
    Case {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        request: json("request.json"),
        bytes,
        lines,
        streamed,
        status: u16::try_from(meta["status"].as_u64().unwrap()).unwrap(),
    }
}

/// A recorded request in Open Responses form. Calls are numbered, and results take their numbers in order.
fn translated(case: &Case) -> CreateResponseBody {
    let Some(request) = &case.request else {
        return decode(json!({"model": case.lines[0]["model"], "input": "?", "stream": case.streamed}));
    };
    let mut body = json!({
        "model": request["model"],
        "stream": request["stream"],
        "input": items(request["messages"].as_array().unwrap(), 0),
    });
    if let Some(think) = request["think"].as_bool() {
        body["reasoning"] = json!({"effort": if think { "high" } else { "none" }});
    }
    if let Some(tools) = request["tools"].as_array() {
        body["tools"] = tools
            .iter()
            .map(|tool| {
                let mut function = tool["function"].clone();
                function["type"] = json!("function");
                function
            })
            .collect();
    }
    if request["format"].is_object() {
        let format = json!({"type": "json_schema", "name": "answer", "schema": request["format"]});
        body["text"] = json!({ "format": format });
    }
    decode(body)
}

fn items(messages: &[Value], first_call: usize) -> Vec<Value> {
    let mut out = Vec::new();
    let (mut calls, mut results) = (first_call, first_call);
    for message in messages {
        let content = message["content"].as_str().unwrap();
        if message["role"] == "tool" {
            out.push(
                json!({"type": "function_call_output", "call_id": format!("c{results}"), "output": content}),
            );
            results += 1;
            continue;
        }
        if let Some(thinking) = message["thinking"].as_str() {
            let part = json!({"type": "reasoning_text", "text": thinking});
            out.push(json!({"type": "reasoning", "summary": [], "content": [part]}));
        }
        if !content.is_empty() {
            out.push(json!({"role": message["role"], "content": content}));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            out.push(json!({
                "type": "function_call", "call_id": format!("c{calls}"), "name": function["name"],
                "arguments": function["arguments"].to_string()
            }));
            calls += 1;
        }
    }
    out
}

/// What the events say, or what the recording says, by different code.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    reasoning: String,
    text: String,
    calls: Vec<(String, Value)>,
    usage: Option<Usage>,
    finished: Option<FinishReason>,
}

fn told(events: &[ModelEvent]) -> Answer {
    let mut answer = Answer::default();
    let mut arguments: Vec<String> = Vec::new();
    let mut ended: Vec<u32> = Vec::new();
    for event in events {
        assert_eq!(answer.finished, None, "an event behind the end");
        match event {
            ModelEvent::ReasoningDelta { text, block } => {
                assert!(!text.is_empty() && !ended.contains(block));
                answer.reasoning.push_str(text);
            }
            ModelEvent::TextDelta { text, block, .. } => {
                assert!(!text.is_empty() && !ended.contains(block));
                answer.text.push_str(text);
            }
            ModelEvent::ToolCallStart { name, .. } => {
                answer.calls.push((name.clone(), Value::Null));
                arguments.push(String::new());
            }
            ModelEvent::ToolArgsDelta { delta, .. } => arguments.last_mut().unwrap().push_str(delta),
            ModelEvent::BlockDone { block, .. } => ended.push(*block),
            ModelEvent::Usage(usage) => answer.usage = Some(*usage),
            ModelEvent::Finished { reason } => answer.finished = Some(*reason),
            other => panic!("unexpected {other:?}"),
        }
    }
    for (call, arguments) in answer.calls.iter_mut().zip(arguments) {
        call.1 = serde_json::from_str(&arguments).unwrap();
    }
    answer
}

/// Thinking that leaked into the text, and the text without it.
fn split(text: &str) -> (&str, &str) {
    match text.split_once("</think>") {
        Some((thinking, answer)) => (thinking.trim_end(), answer.trim_start()),
        None => ("", text),
    }
}

fn recorded(case: &Case) -> Answer {
    let all = |key: &str| -> String {
        case.lines.iter().filter_map(|line| line["message"][key].as_str()).collect()
    };
    let (leaked, text) = {
        let content = all("content");
        let (leaked, text) = split(&content);
        (leaked.to_owned(), text.to_owned())
    };
    let calls =
        case.lines.iter().flat_map(|line| line["message"]["tool_calls"].as_array().into_iter().flatten());
    let last = case.lines.last().unwrap();
    let count = |key: &str| last[key].as_u64().unwrap_or(0);
    Answer {
        reasoning: all("thinking") + &leaked,
        text,
        calls: calls
            .map(|call| {
                let function = &call["function"];
                (function["name"].as_str().unwrap().to_owned(), function["arguments"].clone())
            })
            .collect(),
        usage: Some(Usage::new(count("prompt_eval_count"), count("eval_count"), None, 0, 0)),
        finished: Some(match last["done_reason"].as_str().unwrap() {
            "length" => FinishReason::MaxOutputTokens,
            _ => FinishReason::Stop,
        }),
    }
}

fn events(adapter: &Ollama, case: &Case, body: &CreateResponseBody) -> Vec<ModelEvent> {
    if case.streamed {
        stream(adapter, body, [&case.bytes[..]]).unwrap()
    } else {
        unary(adapter, body, &case.bytes).unwrap()
    }
}

#[test]
fn every_answer_says_what_was_recorded() {
    let adapter = adapter(&Value::Null);
    let (mut good, mut bad) = (0, 0);
    for case in cases().unwrap_or_default() {
        let body = translated(&case);
        if case.status != 200 {
            let error = adapter.error(case.status, None, &case.bytes);
            assert!(error.kind != UpstreamErrorKind::Server || case.status >= 500, "{}", case.name);
            bad += 1;
            continue;
        }
        assert_eq!(told(&events(&adapter, &case, &body)), recorded(&case), "{}", case.name);
        good += 1;
    }
    println!("{good} answers and {bad} errors");
}

#[test]
fn bytes_cut_elsewhere_give_the_same_events() {
    let adapter = adapter(&Value::Null);
    for case in cases().unwrap_or_default().iter().filter(|case| case.streamed) {
        let body = translated(case);
        let want = events(&adapter, case, &body);
        assert_eq!(stream(&adapter, &body, case.bytes.chunks(1)).unwrap(), want, "{}", case.name);
        let text = String::from_utf8(case.bytes.clone()).unwrap().replace('\n', "\r\n");
        assert_eq!(stream(&adapter, &body, text.as_bytes().chunks(7)).unwrap(), want, "{}", case.name);
    }
}

#[test]
fn a_stream_put_together_means_the_same() {
    let adapter = adapter(&Value::Null);
    for case in cases().unwrap_or_default().iter().filter(|case| case.streamed) {
        let body = translated(case);
        let mut whole = case.lines.last().unwrap().clone();
        let mut message = Map::new();
        for key in ["content", "thinking"] {
            let text: String = case.lines.iter().filter_map(|line| line["message"][key].as_str()).collect();
            message.insert(key.into(), text.into());
        }
        let calls: Vec<Value> = case
            .lines
            .iter()
            .flat_map(|line| line["message"]["tool_calls"].as_array().cloned().unwrap_or_default())
            .collect();
        message.insert("tool_calls".into(), calls.into());
        whole["message"] = Value::Object(message);
        let got = unary(&adapter, &body, whole.to_string().as_bytes()).unwrap();
        assert_eq!(joined(got), joined(events(&adapter, case, &body)), "{}", case.name);
    }
}

/// A message by its meaning: thinking told apart, no ids, no empty members, no space at the ends.
fn meaning(message: &Value) -> Value {
    let content = message["content"].as_str().unwrap();
    let (leaked, text) = split(content);
    let thinking = format!("{}{leaked}", message["thinking"].as_str().unwrap_or_default());
    let calls: Vec<Value> = message["tool_calls"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|call| json!([call["function"]["name"], call["function"]["arguments"]]))
        .collect();
    json!({
        "role": message["role"], "thinking": thinking.trim(), "content": text.trim(), "calls": calls,
        "images": message["images"], "tool_name": message["tool_name"]
    })
}

fn meanings(messages: &Value) -> Vec<Value> {
    messages.as_array().unwrap().iter().map(meaning).collect()
}

#[test]
fn every_recorded_request_is_built_again() {
    let adapter = adapter(&Value::Null);
    for case in cases().unwrap_or_default() {
        let Some(request) = &case.request else { continue };
        let got = sent(&adapter, &translated(&case));
        for key in ["model", "stream", "think"] {
            assert_eq!(got[key], request[key], "{key} of {}", case.name);
        }
        let tools = |value: &Value| -> Vec<Value> {
            value["tools"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|tool| {
                    let parameters = &tool["function"]["parameters"];
                    json!([
                        tool["function"]["name"],
                        tool["function"]["description"],
                        parameters["properties"],
                        parameters["required"]
                    ])
                })
                .collect()
        };
        assert_eq!(tools(&got), tools(request), "{}", case.name);
        let mut messages = meanings(&got["messages"]);
        if request["format"].is_object() {
            // The hint about the schema; beside tools it stands in for the format.
            assert_eq!(messages.remove(0)["role"], "system");
            if tools(request).is_empty() {
                assert_eq!(got["format"], request["format"], "{}", case.name);
            }
        }
        assert_eq!(messages, meanings(&request["messages"]), "{}", case.name);
    }
}

/// Items of an answer as a client would send them back, and the ids of its calls.
fn assembled(events: &[ModelEvent]) -> (Vec<Value>, Vec<String>) {
    let mut items: Vec<Value> = Vec::new();
    let mut ids = Vec::new();
    for event in joined(events.to_vec()) {
        match event {
            ModelEvent::ReasoningDelta { text, .. } => {
                let part = json!({"type": "reasoning_text", "text": text});
                items.push(json!({"type": "reasoning", "summary": [], "content": [part]}));
            }
            ModelEvent::TextDelta { text, .. } => items.push(json!({"role": "assistant", "content": text})),
            ModelEvent::ToolCallStart { block, call_id, name, .. } => {
                let call_id = call_id.unwrap_or_else(|| format!("call_{block}"));
                ids.push(call_id.clone());
                items.push(
                    json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": ""}),
                );
            }
            ModelEvent::ToolArgsDelta { delta, .. } => items.last_mut().unwrap()["arguments"] = delta.into(),
            _ => {}
        }
    }
    (items, ids)
}

#[test]
fn the_next_turn_is_built_from_our_own_answer() {
    let adapter = adapter(&Value::Null);
    let all = cases().unwrap_or_default();
    let mut pairs = 0;
    for case in &all {
        let Some((group, number)) = case.name.rsplit_once("-t") else { continue };
        let Ok(number) = number.parse::<u32>() else { continue };
        let next = format!("{group}-t{}", number + 1);
        let Some(next) = all.iter().find(|other| other.name == next) else { continue };
        let before = case.request.as_ref().unwrap()["messages"].as_array().unwrap();
        let after = next.request.as_ref().unwrap()["messages"].as_array().unwrap();
        let (answer, ids) = assembled(&events(&adapter, case, &translated(case)));

        let mut input = items(before, 0);
        input.extend(answer);
        let mut results = ids.iter();
        for message in &after[before.len() + 1..] {
            input.push(match message["role"].as_str().unwrap() {
                "tool" => json!({
                    "type": "function_call_output", "call_id": results.next().unwrap(), "output": message["content"]
                }),
                role => json!({"role": role, "content": message["content"]}),
            });
        }
        let body = decode(json!({"model": case.lines[0]["model"], "input": input}));
        let got = sent(&adapter, &body);
        assert_eq!(meanings(&got["messages"]), meanings(&json!(after)), "{}", next.name);
        let echoed: Vec<&str> = got["messages"][before.len()]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|call| call["id"].as_str().unwrap())
            .collect();
        assert_eq!(echoed, ids, "{}", next.name);
        pairs += 1;
    }
    assert!(all.is_empty() || pairs >= 7, "{pairs} pairs");
}
