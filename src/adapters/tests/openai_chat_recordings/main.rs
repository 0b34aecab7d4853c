//! Every recorded answer of Chat Completions hosts, against a second, simple reading of the same bytes.
//!
//! The recordings lie outside the repository: `OPEN_RESPONSES_SHARED`, else `shared` beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod assemble;
mod odd_bytes;
mod simple;

use std::path::{Path, PathBuf};

use assemble::{Assembled, assemble};
use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{
    Adapter, AdapterError, FinishReason, FrameDecoder, Framing, ModelEvent, ModelRequest, ProviderOptions,
    UpstreamErrorKind as Kind,
};
use or_protocol::{ContentPart, FunctionCallOutput, Include, Item, Message, Output, Role, Settings};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use simple::{Sums, expected};

struct Case {
    name: String,
    dir: PathBuf,
    status: u16,
}

impl Case {
    fn messages(&self) -> Vec<Value> {
        let bytes = std::fs::read(self.dir.join("request.json")).unwrap();
        let request: Value = serde_json::from_slice(&bytes).unwrap();
        request["messages"].as_array().unwrap().clone()
    }

    /// The bytes, and whether they are a stream.
    fn body(&self) -> (Vec<u8>, bool) {
        match std::fs::read(self.dir.join("response.sse")) {
            Ok(bytes) => (bytes, true),
            Err(_) => (std::fs::read(self.dir.join("response.json")).unwrap(), false),
        }
    }
}

/// All cases, or none where the recordings are not at hand.
fn cases() -> Vec<Case> {
    let root = std::env::var("OPEN_RESPONSES_SHARED")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let Ok(list) = std::fs::read_dir(root.join("fixtures/openai-chat")) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no recordings at {}", root.display());
        eprintln!("recordings left out: none at {}", root.display());
        return Vec::new();
    };
    let mut cases: Vec<Case> = list
        .map(|entry| {
            let dir = entry.unwrap().path();
            let meta: Value = serde_json::from_slice(&std::fs::read(dir.join("meta.json")).unwrap()).unwrap();
            let name = dir.file_name().unwrap().to_string_lossy().into_owned();
            Case { name, dir, status: u16::try_from(meta["status"].as_u64().unwrap()).unwrap() }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn adapter(quirks: Value) -> OpenAiChat {
    let Value::Object(quirks) = quirks else { panic!("quirks are an object") };
    let base_url = "http://localhost:9/v1".to_owned();
    OpenAiChat::new(&ProviderOptions { name: "x".into(), base_url, quirks }).unwrap()
}

fn settings() -> Settings {
    Settings { include: vec![Include::OutputTextLogprobs], ..Settings::default() }
}

type Outcome = (Vec<ModelEvent>, Result<(), AdapterError>);

fn run(body: &[u8], stream: bool, chunk: usize) -> Outcome {
    let settings = settings();
    let request = ModelRequest { model: "m", context: &[], settings: &settings, stream };
    let mut translator = adapter(json!({})).translator(&request);
    let mut out = Vec::new();
    if !stream {
        let result = translator.unary(body, &mut out);
        return (out, result);
    }
    let mut decoder = FrameDecoder::new(Framing::Sse);
    let mut pieces = body.chunks(chunk);
    loop {
        let piece = pieces.next();
        match piece {
            Some(piece) => decoder.feed(piece),
            None => decoder.close(),
        }
        while let Some(frame) = decoder.next().unwrap() {
            if let Err(e) = translator.push(frame, &mut out) {
                return (out, Err(e));
            }
        }
        if piece.is_none() {
            let result = translator.finish(decoder.stray(), &mut out);
            return (out, result);
        }
    }
}

const FAILS_IN_STREAM: &[(&str, Kind)] = &[
    ("pydantic-groq-tool-use-failed-error-streaming-t1", Kind::Server),
    ("pydantic-openrouter-stream-error", Kind::InvalidRequest),
];

#[test]
fn every_answer_is_read_as_the_simple_reading_has_it() {
    for case in cases().iter().filter(|c| c.status == 200) {
        let (body, stream) = case.body();
        let (events, result) = run(&body, stream, usize::MAX);
        if let Some((_, kind)) = FAILS_IN_STREAM.iter().find(|(name, _)| *name == case.name) {
            let Err(AdapterError::Upstream(error)) = result else { panic!("{}: {result:?}", case.name) };
            assert_eq!((error.kind, error.status), (*kind, None), "{}", case.name);
            continue;
        }
        assert_eq!(result, Ok(()), "{}", case.name);
        let want = expected(&body, stream);
        let Assembled { text, refusal, reasoning, summary, calls, usage, finished, .. } = assemble(&events);
        // xAI counts its thinking apart: only the total says so.
        let usage = usage.map(|u| {
            let thought = u.output_tokens_details.reasoning_tokens;
            let apart = want.usage.is_some_and(|w| thought > 0 && w.1 + thought == u.output_tokens);
            (u.input_tokens, u.output_tokens - if apart { thought } else { 0 }, u.total_tokens)
        });
        let reasoning = reasoning + &summary;
        let got = Sums { text, refusal, reasoning, calls, usage, reason: want.reason.clone() };
        assert_eq!(got, want, "{}", case.name);
        let reason = match want.reason.as_str() {
            "length" => FinishReason::MaxOutputTokens,
            _ => FinishReason::Stop,
        };
        assert_eq!(finished, vec![reason], "{}", case.name);
    }
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_events() {
    for case in cases().iter().filter(|c| c.status == 200) {
        let (body, stream) = case.body();
        if !stream {
            continue;
        }
        let want = run(&body, true, usize::MAX);
        for size in [1, 7, 61] {
            assert_eq!(run(&body, true, size), want, "{} in pieces of {size}", case.name);
        }
        let unix = String::from_utf8(body).unwrap().replace("\r\n", "\n");
        for end in ["\n", "\r\n", "\r"] {
            let bytes = unix.replace('\n', end);
            assert_eq!(run(bytes.as_bytes(), true, 5), want, "{} with {end:?}", case.name);
        }
    }
}

/// What each recorded error body is.
const ERRORS: &[(&str, Kind)] = &[
    ("openllmetry-openai-vision-base64", Kind::InvalidRequest),
    ("pydantic-groq-tool-regular-error", Kind::ModelNotFound),
    ("pydantic-openrouter-errors-raised", Kind::RateLimit),
    ("rig-deepseek-wire-shape-matrix-blocking-pdf-document-part-reaches-the", Kind::InvalidRequest),
    ("rig-doubleword-error-matrix-invalid-key-blocking", Kind::Auth),
    ("rig-doubleword-error-matrix-unknown-model-blocking", Kind::ModelNotFound),
    ("rig-groq-response-identity-edge-auth-rejection-classifies-with-contrac", Kind::Auth),
    ("rig-llamacpp-multimodal-matrix-malformed-data-uri", Kind::InvalidRequest),
    ("rig-llamacpp-structured-output-matrix-schema-and-grammar-conflict", Kind::InvalidRequest),
    ("rig-mistral-response-identity-edge-blocking-error-carries-the-correlat", Kind::ModelNotFound),
    ("rig-venice-error-envelope-nonexistent-model-error-preserves-status-and", Kind::ModelNotFound),
    ("rubyllm-error-handling-with-azure-grok-4-1-fast-non-reasoning-raises-a", Kind::Auth),
    ("rubyllm-error-handling-with-deepseek-deepseek-chat-raises-appropriate", Kind::Auth),
    ("rubyllm-error-handling-with-mistral-mistral-small-latest-raises-approp", Kind::Auth),
    ("rubyllm-error-handling-with-openrouter-claude-haiku-4-5-raises-appropr", Kind::Auth),
    ("rubyllm-real-error-scenarios-ollama-cloud-gpt-oss-120b-handles-context", Kind::ContextLength),
    ("rubyllm-real-error-scenarios-openrouter-claude-haiku-4-5-handles-conte", Kind::ContextLength),
];

#[test]
fn every_error_body_has_its_kind_and_message() {
    for case in cases().iter().filter(|c| c.status != 200) {
        let error = adapter(json!({})).error(case.status, Some(3), &case.body().0);
        let want = ERRORS.iter().find(|(name, _)| *name == case.name).map(|(_, kind)| *kind);
        assert_eq!(Some(error.kind), want, "{}: {error:?}", case.name);
        assert_eq!((error.status, error.retry_after_s), (Some(case.status), Some(3)), "{}", case.name);
        assert!(!error.message.contains("answered with status"), "{}: {error:?}", case.name);
    }
}

#[test]
fn a_next_turn_of_our_own_items_says_what_the_recorded_client_said() {
    let cases = cases();
    let mut compared = 0;
    for case in &cases {
        let Some((group, turn)) = case.name.rsplit_once("-t") else { continue };
        let Ok(turn) = turn.parse::<u32>() else { continue };
        let next = format!("{group}-t{}", turn + 1);
        let Some(next) = cases.iter().find(|c| c.name == next) else { continue };
        let (body, stream) = case.body();
        let (events, result) = run(&body, stream, usize::MAX);
        if result.is_ok() {
            check_echo(&events, &next.messages()[case.messages().len()..], &next.name);
            compared += 1;
        }
    }
    assert!(cases.is_empty() || compared >= 9, "only {compared} turns were compared");
}

/// `recorded` begins with the assistant's message and the results behind it.
#[track_caller]
fn check_echo(events: &[ModelEvent], recorded: &[Value], name: &str) {
    let assistant = &recorded[0];
    let echo = match assistant {
        m if m["reasoning_details"].is_array() => "sealed",
        m if m["reasoning_content"].is_string() => "reasoning_content",
        m if m["reasoning"].is_string() => "reasoning",
        m if m["content"].as_str().is_some_and(|t| t.starts_with("<think>")) => "think_tags",
        _ => "none",
    };
    let content = vec![ContentPart::InputText { text: "question".into() }];
    let question = Message { id: None, status: None, role: Role::User, content, phase: None };
    let mut context = vec![Item::Message(question)];
    context.extend(assemble(events).items);
    for answer in recorded[1..].iter().take_while(|m| m["role"] == "tool") {
        context.push(Item::FunctionCallOutput(FunctionCallOutput {
            id: None,
            call_id: answer["tool_call_id"].as_str().unwrap().into(),
            output: Output::Text(answer["content"].as_str().unwrap().into()),
            status: None,
        }));
    }
    let settings = Settings::default();
    let request = ModelRequest { model: "m", context: &context, settings: &settings, stream: false };
    let call = adapter(json!({ "reasoning_echo": echo })).request(&request).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let ours = &body["messages"].as_array().unwrap()[1..];

    let plain = |m: &Value| m["content"].as_str().unwrap_or_default().trim().to_owned();
    assert_eq!(plain(&ours[0]), plain(assistant), "{name}");
    assert_eq!(calls(&ours[0]), calls(assistant), "{name}");
    assert_eq!(ours[0]["reasoning_details"], assistant["reasoning_details"], "{name}");
    if echo.starts_with("reasoning") {
        assert_eq!(ours[0][echo], assistant[echo], "{name}");
    }
    for (ours, theirs) in ours[1..].iter().zip(&recorded[1..]) {
        assert_eq!(ours["tool_call_id"], theirs["tool_call_id"], "{name}");
        assert_eq!(plain(ours), plain(theirs), "{name}");
    }
}

/// Ids, names and parsed arguments: clients write the JSON of arguments anew.
fn calls(message: &Value) -> Vec<(Value, Value, Value)> {
    let list = message["tool_calls"].as_array().into_iter().flatten();
    list.map(|c| {
        let arguments = serde_json::from_str(c["function"]["arguments"].as_str().unwrap()).unwrap();
        (c["id"].clone(), c["function"]["name"].clone(), arguments)
    })
    .collect()
}
