//! Our own short transcripts, one for each feature of each provider, through translator and engine.
//!
//! They are in the repository and run everywhere. Each has a snapshot of the events' types and of the
//! response's status, output and usage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use or_protocol::Envelope;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::answers::{Findings, check_stream};
use crate::replay::{Answer, Replay};
use or_test_support::shared::Kind;
use or_test_support::{order, schema};

/// One transcript: the adapter's kind, the file's name without its ending, and its bytes.
pub(crate) struct Transcript {
    pub(crate) kind: String,
    name: String,
    pub(crate) framing: Kind,
    pub(crate) bytes: Vec<u8>,
}

#[test]
fn every_transcript_of_ours_becomes_the_response_in_its_snapshot() {
    let all = transcripts();
    for kind in or_test_support::shared::PROVIDERS.into_iter().chain(["demo"]) {
        assert!(all.iter().any(|transcript| transcript.kind == kind), "no transcript of {kind}");
    }
    for transcript in &all {
        check(transcript);
    }
}

fn check(transcript: &Transcript) {
    let replay = match transcript.name.starts_with("hosted_") {
        true => hosted_replay(&transcript.kind),
        false => replay(&transcript.kind, transcript.framing != Kind::Json),
    };
    let translated = replay.translate_body(transcript.framing, [transcript.bytes.as_slice()]);
    let streamed = replay.respond(&translated, true);
    let unary = replay.respond(&translated, false);
    let name = format!("{}_{}", transcript.kind, transcript.name);
    assert_eq!(shown(&unary.response), shown(&streamed.response), "{name}");
    let events = order::parse_sse(&streamed.frames).unwrap();
    assert_eq!(order::check_events_with(&events, replay.options()), Ok(()), "{name}");
    if let Some(schemas) = schema::schemas() {
        let mut findings = Findings::new();
        check_stream(&streamed, replay.options(), schemas, &mut findings);
        assert_eq!(findings, [], "{name}");
    }
    if transcript.framing != Kind::Json {
        let single = replay.translate_body(transcript.framing, transcript.bytes.chunks(1));
        assert_eq!(single, translated, "{name}, byte by byte");
    }
    insta::with_settings!({
        snapshot_path => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, snapshot(&streamed, &events));
    });
}

/// Files of the adapters' own tests, and those beside this test.
pub(crate) fn transcripts() -> Vec<Transcript> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src/adapters/tests/data", "tests/fixtures"] {
        for kind in entries(&root.join(folder)).into_iter().filter(|path| path.is_dir()) {
            found.extend(entries(&kind).iter().filter_map(|file| transcript(&kind, file)));
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn transcript(folder: &Path, file: &Path) -> Option<Transcript> {
    let framing = match file.extension()?.to_str()? {
        "sse" => Kind::Sse,
        "ndjson" => Kind::Ndjson,
        "json" => Kind::Json,
        _ => return None,
    };
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let mut name = text(file.file_stem())?;
    if framing == Kind::Json {
        name.push_str("_whole");
    }
    Some(Transcript { kind: text(folder.file_name())?, name, framing, bytes: fs::read(file).ok()? })
}

/// A request that any transcript answers.
pub(crate) fn replay(kind: &str, stream: bool) -> Replay {
    let tool = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
    let body = json!({
        "model": "model", "input": "Hi.", "stream": stream,
        "tools": [tool("get_weather"), tool("now")],
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    });
    Replay::new(kind, "https://localhost/v1", json!({}), body)
}

/// A request that an answer with the provider's own tools is for.
fn hosted_replay(kind: &str) -> Replay {
    let code = json!({"type": "code_interpreter", "container": {"type": "auto"}});
    let model = if kind == "anthropic" { "claude-sonnet-4-6" } else { "gemini-3-flash-preview" };
    let body = json!({
        "model": model, "input": "Hi.", "stream": true,
        "tools": [{"type": "web_search"}, code],
        "include": ["reasoning.encrypted_content", "web_search_call.action.sources", "code_interpreter_call.outputs"],
    });
    let quirks = match kind {
        "anthropic" => {
            json!({"web_search": "web_search_20250305", "code_execution": "code_execution_20250825"})
        }
        _ => json!({}),
    };
    Replay::new(kind, "https://localhost/v1", quirks, body)
}

fn snapshot(answer: &Answer, events: &[(String, Value)]) -> String {
    let mut text = String::new();
    let mut rest = events;
    while let Some((name, _)) = rest.first() {
        let same = rest.iter().take_while(|(other, _)| other == name).count();
        let times = if same > 1 { format!(" x{same}") } else { String::new() };
        let _ = writeln!(text, "{name}{times}");
        rest = &rest[same..];
    }
    let shown = shown(&answer.response);
    let _ = write!(text, "\n{}", serde_json::to_string_pretty(&shown).unwrap());
    text
}

/// What of a response the snapshot has: no ids, no times, and sealed state opened.
fn shown(response: &Value) -> Value {
    let mut shown = json!({});
    for key in ["status", "incomplete_details", "error", "service_tier", "usage", "output"] {
        if !response[key].is_null() {
            shown[key] = response[key].clone();
        }
    }
    for item in shown["output"].as_array_mut().into_iter().flatten() {
        item["id"] = json!("[id]");
        if let Some(state) = item["encrypted_content"].as_str().and_then(|text| Envelope::open(text).ok()) {
            item["encrypted_content"] = json!([state.kind, state.model, state.blob]);
        }
    }
    shown
}
