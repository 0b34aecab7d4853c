//! Recorded answers of OpenAI and of hosts that speak its Responses API.
//!
//! The recordings are not part of the repository: their folder is named by `OPEN_RESPONSES_SHARED`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests may fail loudly"
)]

#[path = "openai_responses_recordings/assemble.rs"]
mod assemble;

use std::fs;
use std::path::{Path, PathBuf};

use or_adapters::openai_responses::OpenAiResponses;
use or_adapters::{
    Adapter, AdapterError, FinishReason, FrameDecoder, Framing, ModelEvent, ModelRequest, ProviderOptions,
    UpstreamErrorKind,
};
use or_protocol::{Envelope, Settings, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use assemble::assemble;

struct Case {
    name: String,
    meta: Value,
    body: Vec<u8>,
    request: Option<Value>,
}

impl Case {
    fn streamed(&self) -> bool {
        self.meta["stream_body"] == true
    }
}

/// All cases; empty where the recordings are absent, which CI does not accept.
fn cases() -> Vec<Case> {
    let shared = std::env::var_os("OPEN_RESPONSES_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(folder) = fs::read_dir(shared.join("fixtures/openai-responses")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the recordings are absent");
        println!("recordings are absent: left out");
        return Vec::new();
    };
    let read = |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut cases: Vec<Case> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let mut meta = read(path.join("meta.json"));
            let stream = path.join("response.sse").exists();
            meta["stream_body"] = stream.into();
            let body = fs::read(path.join(if stream { "response.sse" } else { "response.json" })).unwrap();
            let request = path.join("request.json");
            Case {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                meta,
                body,
                request: request.exists().then(|| read(request)),
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn adapter() -> OpenAiResponses {
    let options = ProviderOptions { base_url: "http://host/v1".into(), ..ProviderOptions::default() };
    OpenAiResponses::new(&options).unwrap()
}

const MODEL: &str = "m";

type Outcome = (Vec<ModelEvent>, Result<(), AdapterError>);

fn translate(case: &Case, pieces: &[&[u8]]) -> Outcome {
    let settings = Settings::default();
    let request = ModelRequest { model: MODEL, context: &[], settings: &settings, stream: case.streamed() };
    let mut translator = adapter().translator(&request);
    let mut out = Vec::new();
    if !case.streamed() {
        let end = translator.unary(&case.body, &mut out);
        return (out, end);
    }
    let mut decoder = FrameDecoder::new(Framing::Sse);
    for piece in pieces.iter().map(Some).chain([None]) {
        match piece {
            Some(piece) => decoder.feed(piece),
            None => decoder.close(),
        }
        while let Some(frame) = decoder.next().unwrap() {
            if let Err(error) = translator.push(frame, &mut out) {
                return (out, Err(error));
            }
        }
    }
    let end = translator.finish(decoder.stray(), &mut out);
    (out, end)
}

/// The data of all events of a stream, up to the first terminal one.
fn events(case: &Case) -> Vec<Value> {
    let text = String::from_utf8(case.body.clone()).unwrap();
    let mut all = Vec::new();
    for line in text.lines() {
        let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|d| *d != "[DONE]") else {
            continue;
        };
        let event: Value = serde_json::from_str(data).unwrap();
        let last =
            ["response.completed", "response.incomplete", "error"].contains(&event["type"].as_str().unwrap());
        all.push(event);
        if last {
            break;
        }
    }
    all
}

/// Final items and final response object, read by simple means.
fn expected(case: &Case) -> (Vec<Value>, Value) {
    if !case.streamed() {
        let body: Value = serde_json::from_slice(&case.body).unwrap();
        return (body["output"].as_array().cloned().unwrap_or_default(), body);
    }
    let events = events(case);
    let response = events.last().unwrap()["response"].clone();
    let mut items: Vec<(u64, Value)> = events
        .into_iter()
        .filter(|e| e["type"] == "response.output_item.done")
        .map(|e| (e["output_index"].as_u64().unwrap(), e["item"].clone()))
        .collect();
    items.sort_by_key(|(at, _)| *at);
    (items.into_iter().map(|(_, item)| item).collect(), response)
}

/// What an item means, apart from ids and states. `None` for a reasoning item that says nothing at all.
fn meaning(item: &Value) -> Option<Value> {
    let text = |list: &Value, key: &str| -> String {
        list.as_array().into_iter().flatten().filter_map(|p| p[key].as_str()).collect()
    };
    Some(match item["type"].as_str().unwrap() {
        "message" => json!([
            "message",
            text(&item["content"], "text"),
            text(&item["content"], "refusal"),
            item["content"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|p| p["annotations"].as_array().cloned().unwrap_or_default())
                .map(|a| a["url"].as_str().or(a["file_id"].as_str()).map(str::to_owned))
                .collect::<Vec<_>>(),
            item.get("phase")
        ]),
        "reasoning" => {
            let blob = item["encrypted_content"].as_str().map(|text| match Envelope::open(text) {
                Ok(state) => match serde_json::from_str::<Value>(&state.blob) {
                    Ok(Value::Object(map)) => map["encrypted_content"].as_str().unwrap().to_owned(),
                    _ => state.blob,
                },
                Err(_) => text.to_owned(),
            });
            let (summary, raw) = (text(&item["summary"], "text"), text(&item["content"], "text"));
            if blob.is_none() && summary.is_empty() && raw.is_empty() {
                return None;
            }
            json!(["reasoning", summary, raw, blob])
        }
        "function_call" => {
            json!(["call", item["call_id"], item["name"], item.get("namespace"), item["arguments"]])
        }
        "custom_tool_call" => json!(["custom", item["call_id"], item["name"], item["input"]]),
        _ => {
            let mut item = item.clone();
            item.as_object_mut().unwrap().shift_remove("id");
            item
        }
    })
}

fn meanings(items: &[Value]) -> Vec<Value> {
    items.iter().filter_map(meaning).collect()
}

/// Cases whose 200 is not an answer: an in-stream failure, and a background response that has only begun.
const FAILURES: &[(&str, UpstreamErrorKind)] = &[
    ("prism-openai-stream-rate-limited-1", UpstreamErrorKind::RateLimit),
    ("prism-openai-stream-unknown-error-responses-1", UpstreamErrorKind::Server),
    ("pydantic-openai-background-mode-reasoning-vcr", UpstreamErrorKind::Server),
];

/// Edited recordings: the deltas of the text do not add up to the whole text.
const CUT_DELTAS: &[&str] = &["vercel-openai-shell-container-1"];

fn answers() -> impl Iterator<Item = Case> {
    cases()
        .into_iter()
        .filter(|c| c.meta["status"] == 200 && FAILURES.iter().all(|(name, _)| *name != c.name))
}

#[test]
fn every_answer_keeps_its_items_usage_and_end() {
    for case in answers() {
        let (out, end) = translate(&case, &[&case.body]);
        assert_eq!(end, Ok(()), "{}", case.name);
        let (items, response) = expected(&case);
        let got: Vec<Value> = assemble(&out).iter().map(|i| serde_json::to_value(i).unwrap()).collect();
        let differs = out.iter().any(|e| matches!(e, ModelEvent::Note(n) if n.field == "output.content"));
        assert_eq!(differs, CUT_DELTAS.contains(&case.name.as_str()), "{}", case.name);
        if !differs {
            assert_eq!(meanings(&got), meanings(&items), "{}", case.name);
        }

        let usage = &response["usage"];
        let number = |path: &str| usage.pointer(path).and_then(Value::as_u64).unwrap_or_default();
        let want = Usage::new(
            number("/input_tokens"),
            number("/output_tokens"),
            Some(number("/total_tokens")),
            number("/input_tokens_details/cached_tokens"),
            number("/output_tokens_details/reasoning_tokens"),
        );
        let got = out.iter().rev().find_map(|e| if let ModelEvent::Usage(u) = e { Some(*u) } else { None });
        assert_eq!(got, Some(want), "{}", case.name);

        let want = match response["incomplete_details"]["reason"].as_str() {
            None => FinishReason::Stop,
            Some("max_output_tokens") => FinishReason::MaxOutputTokens,
            other => panic!("{}: {other:?}", case.name),
        };
        let ends = out.iter().filter(|e| matches!(e, ModelEvent::Finished { .. })).count();
        assert_eq!((out.last(), ends), (Some(&ModelEvent::Finished { reason: want }), 1), "{}", case.name);
    }
}

/// Every opened block ends once, and nothing comes of it afterwards.
#[test]
fn blocks_end_once_and_stay_ended() {
    for case in answers() {
        let (out, _) = translate(&case, &[&case.body]);
        let mut ended = Vec::new();
        let mut open = Vec::new();
        for event in &out {
            let (block, ends) = match event {
                ModelEvent::BlockDone { block, .. } => (*block, true),
                ModelEvent::HostedItem { block, done, .. } => (*block, *done),
                ModelEvent::MessageStart { block, .. }
                | ModelEvent::TextDelta { block, .. }
                | ModelEvent::RefusalDelta { block, .. }
                | ModelEvent::Annotation { block, .. }
                | ModelEvent::ReasoningDelta { block, .. }
                | ModelEvent::SummaryDelta { block, .. }
                | ModelEvent::ReasoningSealed { block, .. }
                | ModelEvent::ToolCallStart { block, .. }
                | ModelEvent::ToolArgsDelta { block, .. }
                | ModelEvent::HostedEvent { block, .. }
                | ModelEvent::PartDone { block } => (*block, false),
                _ => continue,
            };
            assert!(!ended.contains(&block), "{}: {event:?}", case.name);
            if ends {
                ended.push(block);
                open.retain(|b| *b != block);
            } else if !open.contains(&block) {
                open.push(block);
            }
        }
        assert_eq!(open, Vec::<u32>::new(), "{}", case.name);
    }
}

#[test]
fn any_cut_and_any_line_end_give_the_same_events() {
    for case in cases().into_iter().filter(Case::streamed) {
        let whole = translate(&case, &[&case.body]);
        let single: Vec<&[u8]> = case.body.chunks(1).collect();
        assert_eq!(translate(&case, &single), whole, "{}", case.name);
        let text = String::from_utf8(case.body.clone()).unwrap().replace("\r\n", "\n").replace('\n', "\r\n");
        let odd: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
        assert_eq!(translate(&case, &odd), whole, "{}", case.name);
    }
}

#[test]
fn every_error_has_its_kind() {
    for case in cases() {
        if let Some((_, want)) = FAILURES.iter().find(|(name, _)| *name == case.name) {
            match translate(&case, &[&case.body]).1 {
                Err(AdapterError::Upstream(error)) => {
                    assert_eq!((error.kind, error.status), (*want, None), "{}", case.name);
                }
                other => panic!("{}: {other:?}", case.name),
            }
        }
        let status = u16::try_from(case.meta["status"].as_u64().unwrap()).unwrap();
        if status == 200 {
            continue;
        }
        let body: Value = serde_json::from_slice(&case.body).unwrap();
        let message =
            ["/error/message", "/error", "/detail"].into_iter().find_map(|p| body.pointer(p)?.as_str());
        let want = match (status, body.pointer("/code").and_then(Value::as_str)) {
            (401, _) => UpstreamErrorKind::Auth,
            (400, Some("invalid-argument")) => UpstreamErrorKind::ModelNotFound,
            (400, None) => UpstreamErrorKind::InvalidRequest,
            other => panic!("{}: {other:?}", case.name),
        };
        let got = adapter().error(status, Some(3), &case.body);
        assert_eq!(
            (got.kind, Some(got.message.as_str()), got.status, got.retry_after_s),
            (want, message, Some(status), Some(3)),
            "{}",
            case.name
        );
    }
}

/// Groups whose calls are not an echo: the client renamed the ids, or the turns were recorded apart.
const OTHER_CALLS: &[&str] =
    &["pydantic-bedrock-mantle-reused-tool-call-ids-stream", "pydantic-openai-responses-stream"];

#[test]
fn the_next_request_says_what_the_client_of_the_recording_said() {
    let all = cases();
    let mut compared = 0;
    for case in &all {
        let Some((group, turn)) = case.name.rsplit_once("-t") else { continue };
        let Ok(turn) = turn.parse::<u32>() else { continue };
        let next = all.iter().find(|c| c.name == format!("{group}-t{}", turn + 1));
        let Some(recorded) = next.and_then(|c| c.request.as_ref()) else { continue };
        if case.meta["status"] != 200 {
            continue;
        }
        let (out, end) = translate(case, &[&case.body]);
        assert_eq!(end, Ok(()));
        let context = assemble(&out);
        let settings = Settings::default();
        let request = ModelRequest { model: MODEL, context: &context, settings: &settings, stream: true };
        let call = adapter().request(&request).unwrap();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let ours = body["input"].as_array().unwrap();
        let theirs = recorded["input"].as_array().unwrap();

        // Clients differ in what they echo of reasoning, so each item of theirs must be among ours.
        for item in theirs {
            let found = match item["type"].as_str() {
                Some("function_call") if OTHER_CALLS.contains(&group) => continue,
                Some("function_call") => {
                    let same = |o: &&Value| {
                        ["call_id", "name", "arguments"].iter().all(|k| o[*k] == item[*k])
                            && o["type"] == item["type"]
                    };
                    let earlier = recorded_before(&all, group, turn, item);
                    earlier || ours.iter().any(|o| same(&o))
                }
                Some("reasoning") => {
                    // A summary alone may belong to an earlier turn, which this group does not have.
                    let same = |o: &&Value| {
                        o["type"] == "reasoning"
                            && (item["encrypted_content"].is_null()
                                || o["encrypted_content"] == item["encrypted_content"])
                            && (item["content"].as_array().is_none_or(Vec::is_empty)
                                || o["content"] == item["content"])
                            && o["summary"] == item["summary"]
                    };
                    recorded_before(&all, group, turn, item) || ours.iter().any(|o| same(&o))
                }
                _ => continue,
            };
            assert!(found, "{}: {item} is not in {ours:?}", case.name);
            compared += 1;
        }
    }
    assert!(all.is_empty() || compared >= 8, "{compared}");
}

/// Whether the turn itself already sent this item, so that it is not of its answer.
fn recorded_before(all: &[Case], group: &str, turn: u32, item: &Value) -> bool {
    let request = all.iter().find(|c| c.name == format!("{group}-t{turn}")).and_then(|c| c.request.as_ref());
    request.and_then(|r| r["input"].as_array()).is_some_and(|list| list.contains(item))
}
