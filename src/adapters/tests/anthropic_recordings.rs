//! The Anthropic adapter against recorded traffic of the real provider.
//!
//! The recordings are in the folder that `OPEN_RESPONSES_SHARED` names, or beside the repository.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests stand outside of test functions"
)]

#[path = "anthropic_recordings/assemble.rs"]
mod assemble;

use std::fs;
use std::path::{Path, PathBuf};

use or_adapters::anthropic::Anthropic;
use or_adapters::{
    Adapter, AdapterError, FinishReason, FrameDecoder, Framing, ModelEvent, ModelRequest, ProviderOptions,
    UpstreamErrorKind,
};
use or_protocol::{
    Annotation, ContentPart, Envelope, FunctionCallOutput, Item, Message, Output, Role, Settings, Usage,
};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use assemble::assemble;

struct Case {
    name: String,
    status: u16,
    model: String,
    group: Option<String>,
    request: Option<Value>,
    body: Vec<u8>,
    stream: bool,
}

fn cases() -> Option<Vec<Case>> {
    let shared = std::env::var_os("OPEN_RESPONSES_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("fixtures/anthropic");
    if !folder.is_dir() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the recordings are missing");
        println!("left out: no recordings");
        return None;
    }
    let mut all: Vec<Case> =
        fs::read_dir(folder).unwrap().map(|entry| load(&entry.unwrap().path())).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(all.len() >= 70, "only {} recordings", all.len());
    Some(all)
}

fn load(folder: &Path) -> Case {
    let read = |name: &str| fs::read(folder.join(name)).ok();
    let meta: Value = serde_json::from_slice(&read("meta.json").unwrap()).unwrap();
    let sse = read("response.sse");
    Case {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        status: u16::try_from(meta["status"].as_u64().unwrap()).unwrap(),
        model: meta["model"].as_str().unwrap_or_default().to_owned(),
        group: meta["group"].as_str().map(str::to_owned),
        request: read("request.json").map(|body| serde_json::from_slice(&body).unwrap()),
        stream: sse.is_some(),
        body: sse.unwrap_or_else(|| read("response.json").unwrap()),
    }
}

fn adapter() -> Anthropic {
    Anthropic::new(&ProviderOptions { base_url: "https://api.anthropic.com/v1".into(), ..Default::default() })
        .unwrap()
}

fn translate(case: &Case, chunks: &[&[u8]]) -> Result<Vec<ModelEvent>, AdapterError> {
    let settings = Settings::default();
    let request = ModelRequest { model: &case.model, context: &[], settings: &settings, stream: case.stream };
    let mut translator = adapter().translator(&request);
    let mut out = Vec::new();
    if !case.stream {
        translator.unary(&case.body, &mut out)?;
        return Ok(out);
    }
    let mut decoder = FrameDecoder::new(Framing::Sse);
    for chunk in chunks {
        decoder.feed(chunk);
        while let Some(frame) = decoder.next()? {
            translator.push(frame, &mut out)?;
        }
    }
    decoder.close();
    while let Some(frame) = decoder.next()? {
        translator.push(frame, &mut out)?;
    }
    translator.finish(decoder.stray(), &mut out)?;
    Ok(out)
}

/// Content blocks, usage and stop reason as the provider meant them, by code that shares nothing with ours.
fn meant(case: &Case) -> (Vec<Value>, Value, Value) {
    if !case.stream {
        let body: Value = serde_json::from_slice(&case.body).unwrap();
        return (
            body["content"].as_array().unwrap().clone(),
            body["usage"].clone(),
            body["stop_reason"].clone(),
        );
    }
    let (mut blocks, mut usage, mut stop) = (Vec::<Value>::new(), json!({}), Value::Null);
    let text = String::from_utf8(case.body.clone()).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let mut merge = |new: &Value| {
            for (key, value) in new.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
                usage[key] = value.clone();
            }
        };
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => merge(&event["message"]["usage"]),
            "content_block_start" => {
                let mut block = event["content_block"].clone();
                block["json"] = json!("");
                blocks.push(block);
            }
            "content_block_delta" => {
                let block = blocks.last_mut().unwrap();
                let delta = &event["delta"];
                for (from, to) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                    ("partial_json", "json"),
                ] {
                    if let Some(piece) = delta[from].as_str() {
                        block[to] = json!(format!("{}{piece}", block[to].as_str().unwrap_or_default()));
                    }
                }
                if delta["type"] == "citations_delta" {
                    match &mut block["citations"] {
                        Value::Array(list) => list.push(delta["citation"].clone()),
                        other => *other = json!([delta["citation"]]),
                    }
                }
            }
            "message_delta" => {
                merge(&event["usage"]);
                stop = event["delta"]["stop_reason"].clone();
            }
            _ => {}
        }
    }
    for block in &mut blocks {
        if let Some(json) = block["json"].as_str().filter(|json| !json.is_empty()) {
            block["input"] = serde_json::from_str(json).unwrap();
        }
    }
    (blocks, usage, stop)
}

/// What an answer comes to: one entry per item.
fn digest_of_blocks(blocks: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "text" => {
                let text = block["text"].as_str().unwrap();
                let urls: Vec<Value> = block["citations"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(|c| c["url"].is_string())
                    .map(|c| json!([c["url"], text]))
                    .collect();
                match out.last_mut() {
                    Some(last) if last.get("text").is_some() => {
                        last["text"] = json!(format!("{}{text}", last["text"].as_str().unwrap()));
                        last["cited"].as_array_mut().unwrap().extend(urls);
                    }
                    _ => out.push(json!({"text": text, "cited": urls})),
                }
            }
            "tool_use" => {
                out.push(json!({"call": block["id"], "name": block["name"], "input": block["input"]}))
            }
            "thinking" => {
                let (thinking, signature) = (&block["thinking"], &block["signature"]);
                out.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
            }
            "redacted_thinking" => out.push(json!({"type": "redacted_thinking", "data": block["data"]})),
            _ => {}
        }
    }
    out.retain(|item| item.get("text").is_none_or(|text| text != ""));
    out
}

fn digest_of_items(items: &[Item]) -> Vec<Value> {
    let digest = |item: &Item| match item {
        Item::Message(message) => {
            let ContentPart::OutputText { text, annotations, .. } = &message.content[0] else { panic!() };
            let cut = |from: u64, to: u64| -> String {
                text.chars().skip(from as usize).take((to - from) as usize).collect()
            };
            let cited: Vec<Value> = annotations
                .iter()
                .map(|annotation| match annotation {
                    Annotation::UrlCitation { url, start_index, end_index, .. } => {
                        json!([url, cut(*start_index, *end_index)])
                    }
                    Annotation::Other(_) => panic!(),
                })
                .collect();
            json!({"text": text, "cited": cited})
        }
        Item::FunctionCall(call) => {
            let input: Value = serde_json::from_str(&call.arguments).unwrap();
            json!({"call": call.call_id, "name": call.name, "input": input})
        }
        Item::Reasoning(reasoning) => {
            let blob = Envelope::open(reasoning.encrypted_content.as_ref().unwrap()).unwrap().blob;
            let block: Value = serde_json::from_str(&blob).unwrap();
            let shown: String = reasoning.summary.iter().map(|part| part.text.as_str()).collect();
            assert_eq!(block["thinking"].as_str().unwrap_or_default(), shown);
            block
        }
        other => panic!("{other:?}"),
    };
    items.iter().map(digest).collect()
}

#[test]
fn every_recorded_answer_means_what_the_provider_meant() {
    for case in cases().into_iter().flatten().filter(|case| case.status == 200) {
        let events = translate(&case, &[&case.body]).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let (blocks, usage, stop) = meant(&case);
        let want = match stop.as_str() {
            Some("max_tokens") => FinishReason::MaxOutputTokens,
            Some("refusal") => FinishReason::ContentFilter,
            Some("pause_turn") => FinishReason::Pause,
            _ => FinishReason::Stop,
        };
        assert_eq!(events.last(), Some(&ModelEvent::Finished { reason: want }), "{}", case.name);
        let number = |key: &str| usage[key].as_u64().unwrap_or(0);
        let input = number("input_tokens")
            + number("cache_read_input_tokens")
            + number("cache_creation_input_tokens");
        let thinking = usage["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0);
        let want =
            Usage::new(input, number("output_tokens"), None, number("cache_read_input_tokens"), thinking);
        let got =
            events.iter().rev().find_map(|e| if let ModelEvent::Usage(u) = e { Some(*u) } else { None });
        assert_eq!(got, Some(want), "{}", case.name);
        if stop != "refusal" {
            let items = assemble(&events);
            assert_eq!(digest_of_items(&items), digest_of_blocks(&blocks), "{}", case.name);
        }
    }
}

/// The same answer as a stream of whole blocks.
fn streamed(body: &[u8]) -> Vec<u8> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let mut events = vec![json!({"type": "message_start", "message": {"usage": body["usage"]}})];
    for (index, block) in body["content"].as_array().unwrap().iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": body["stop_reason"], "stop_details": body["stop_details"]});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": body["usage"]}));
    events.push(json!({"type": "message_stop"}));
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

#[test]
fn a_unary_answer_means_the_same_as_its_stream() {
    for case in cases().into_iter().flatten().filter(|case| case.status == 200 && !case.stream) {
        let whole = translate(&case, &[]).unwrap();
        let body = streamed(&case.body);
        let case = Case { stream: true, body, ..case };
        let stream = translate(&case, &[&case.body]).unwrap();
        let digest = |events: &[ModelEvent]| digest_of_items(&assemble(events));
        assert_eq!(digest(&stream), digest(&whole), "{}", case.name);
        assert_eq!(stream.last(), whole.last(), "{}", case.name);
    }
}

#[test]
fn the_same_bytes_cut_elsewhere_give_the_same_events() {
    for case in cases().into_iter().flatten().filter(|case| case.stream) {
        let want = translate(&case, &[&case.body]).unwrap();
        let single: Vec<&[u8]> = case.body.chunks(1).collect();
        assert_eq!(translate(&case, &single).unwrap(), want, "{}", case.name);
        let crlf = String::from_utf8(case.body.clone()).unwrap().replace('\n', "\r\n");
        let odd: Vec<&[u8]> = crlf.as_bytes().chunks(7).collect();
        assert_eq!(translate(&case, &odd).unwrap(), want, "{} with CRLF", case.name);
    }
}

#[test]
fn every_recorded_error_gets_its_kind() {
    let known = [
        (400, "prompt is too long", UpstreamErrorKind::ContextLength),
        (401, "API key is invalid", UpstreamErrorKind::Auth),
        (404, "model: ", UpstreamErrorKind::ModelNotFound),
    ];
    for case in cases().into_iter().flatten().filter(|case| case.status != 200) {
        let got = adapter().error(case.status, None, &case.body);
        let want =
            known.iter().find(|(status, text, _)| *status == case.status && got.message.contains(text));
        assert_eq!(Some(got.kind), want.map(|(.., kind)| *kind), "{}: {}", case.name, got.message);
    }
}

fn user(text: &str) -> Item {
    let content = vec![ContentPart::InputText { text: text.into() }];
    Item::Message(Message { id: None, status: None, role: Role::User, content, phase: None })
}

/// The blocks of an assistant turn that we echo, texts joined.
fn echoed(message: &Value) -> Vec<Value> {
    let mut out = digest_of_blocks(message["content"].as_array().unwrap());
    out.retain(|item| item.get("text").is_none_or(|text| !text.as_str().unwrap().trim().is_empty()));
    out
}

#[test]
fn the_next_turn_echoes_what_a_real_client_echoed() {
    let all = cases().unwrap_or_default();
    let mut checked = 0;
    for case in all.iter().filter(|case| case.status == 200 && case.group.is_some()) {
        let (stem, turn) = case.name.rsplit_once("-t").unwrap();
        let next = format!("{stem}-t{}", turn.parse::<u32>().unwrap() + 1);
        let Some(next) = all.iter().find(|case| case.name == next) else { continue };
        let answer = assemble(&translate(case, &[&case.body]).unwrap());
        let recorded = next.request.as_ref().unwrap()["messages"].as_array().unwrap();
        let digest = digest_of_items(&answer);
        let Some(theirs) = recorded
            .iter()
            .filter(|m| m["role"] == "assistant")
            .find(|m| m["content"].is_array() && echoed(m).last().map(key) == digest.last().map(key))
        else {
            // The client began a new conversation with the same prompt.
            assert!(recorded.iter().all(|m| m["role"] == "user"), "{}", case.name);
            continue;
        };
        let mut context = vec![user("Hi")];
        context.extend(answer.iter().cloned());
        for item in &answer {
            let Item::FunctionCall(call) = item else { continue };
            context.push(Item::FunctionCallOutput(FunctionCallOutput {
                id: None,
                call_id: call.call_id.clone(),
                output: Output::Text("done".into()),
                status: None,
            }));
        }
        context.push(user("Go on"));
        let settings = Settings::default();
        let request =
            ModelRequest { model: &next.model, context: &context, settings: &settings, stream: true };
        let call = adapter().request(&request).unwrap();
        assert_eq!(call.notes, [], "{}", case.name);
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let ours = body["messages"].as_array().unwrap().iter().find(|m| m["role"] == "assistant").unwrap();
        assert_eq!(echoed(ours), echoed(theirs), "{}", case.name);
        let results = body["messages"][2]["content"].as_array().unwrap();
        let calls = answer.iter().filter(|item| matches!(item, Item::FunctionCall(_))).count();
        assert_eq!(results.iter().filter(|b| b["type"] == "tool_result").count(), calls, "{}", case.name);
        checked += 1;
    }
    assert!(all.is_empty() || checked >= 13, "only {checked} turns were compared");
}

fn key(item: &Value) -> Value {
    item.get("call").or_else(|| item.get("text")).cloned().unwrap_or(Value::Null)
}
