//! Keys go where they belong and nowhere else: not to disk, not to the log, not into answers.

use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::files;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, KINDS, text};

const SERVER: &str = "sk-canary-of-the-server-0123456789";
const HEADER: &str = "sk-canary-in-an-extra-header-0123456789";
const CLIENT: &str = "or-canary-of-the-client-0123456789";
const MINE: &str = "sk-canary-brought-in-a-header-0123456789";
const BODY: &str = "sk-canary-brought-in-the-body-0123456789";
const CANARIES: [&str; 5] = [SERVER, HEADER, CLIENT, MINE, BODY];

/// The keys that came with a request, by whatever header.
fn keys_of(request: &Request) -> String {
    let names = ["authorization", "x-api-key", "x-goog-api-key", "x-team-token"];
    names.iter().filter_map(|name| request.header(name)).collect::<Vec<_>>().join(" and ")
}

/// A provider that repeats the keys it got in its errors, as some do.
fn answer(kind: &'static str, request: &Request) -> Script {
    let words = format!("Incorrect API key provided: {}.", keys_of(request));
    let asked = request.body.to_string();
    let status = |word: &str| asked.contains(word).then(|| word.parse::<u16>().unwrap_or(500));
    if let Some(status) = ["400", "401", "429", "500"].into_iter().find_map(status) {
        return Script::json(status, &wire::error(kind, status, &words));
    }
    if asked.contains("plain") {
        return Script::body(500, "text/plain", words);
    }
    if !asked.contains("midway") {
        return wire::answer(kind, text(&["Hi"]))(request);
    }
    let error = wire::error(kind, 500, &words);
    let frame = match kind {
        "ollama" => format!("{error}\n"),
        "anthropic" => format!("event: error\ndata: {error}\n\n"),
        "openai-responses" => {
            let failed = json!({"type": "response.failed", "response": {"status": "failed",
                "error": {"code": "server_error", "message": words}}});
            format!("event: response.failed\ndata: {failed}\n\n")
        }
        _ => format!("data: {error}\n\n"),
    };
    let frames = wire::frames(kind, &text(&["Half", " and half"]));
    let half = frames.into_iter().take(3).fold(Script::head(200, wire::stream_type(kind)), Script::send);
    half.send(frame)
}

fn check_clean(what: &str, bytes: &[u8]) {
    for canary in CANARIES {
        // Sled may cut a page anywhere; the middle of a key is as bad as all of it.
        for part in [&canary[..20], &canary[10..]] {
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(
                !found,
                "`{part}` is in {what}: {}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(2000)])
            );
        }
    }
}

fn post(binary: &Binary, headers: &[(&str, &str)], body: &Value) -> Answer {
    let bearer = format!("Bearer {CLIENT}");
    let mut all = vec![("authorization", bearer.as_str())];
    all.extend(headers);
    Connection::send(binary.address, "POST", "/v1/responses", &all, Some(body.to_string().as_bytes()))
        .finish()
}

#[test]
fn no_key_is_kept_logged_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let fakes: Vec<FakeProvider> = KINDS.iter().map(|_| FakeProvider::start()).collect();
    let mut config = "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n".to_owned();
    for (fake, kind) in fakes.iter().zip(KINDS) {
        fake.always(move |request| answer(kind, request));
        config += &fake.provider(kind);
        config += "api_key_env = 'PROVIDER_KEY'\nheaders = { x-team-token = { env = 'TEAM' } }\n";
    }
    let env = [("ADA", CLIENT), ("PROVIDER_KEY", SERVER), ("TEAM", HEADER), ("RUST_LOG", "trace")];
    let binary = PROGRAM.start(folder.path(), &config, &env);
    let mut answers = Vec::new();
    for kind in KINDS {
        for input in ["good", "400", "401", "429", "500", "plain", "midway"] {
            for stream in [false, true] {
                let mut body = json!({"model": format!("{kind}/m"), "input": input, "stream": stream, "metadata": {"a": "b"}});
                answers.push(post(&binary, &[], &body));
                answers.push(post(&binary, &[("x-provider-api-key", MINE)], &body));
                body["api_key"] = json!(BODY);
                answers.push(post(&binary, &[], &body));
                // A mistake beside the key must not echo it.
                body["temperature"] = json!("hot");
                answers.push(post(&binary, &[], &body));
            }
        }
    }
    let wrong = [("authorization", "Bearer or-canary-of-the-client-0123456789x")];
    answers.push(Connection::send(binary.address, "POST", "/v1/responses", &wrong, Some(b"{}")).finish());
    for (fake, kind) in fakes.iter().zip(KINDS) {
        let seen: String = (0..fake.count()).map(|number| keys_of(&fake.request(number))).collect();
        for canary in [SERVER, HEADER, MINE, BODY] {
            assert!(seen.contains(canary), "{kind} did not get `{canary}`");
        }
    }
    for answer in &answers {
        check_clean("an answer", &answer.body);
        check_clean("an answer's headers", format!("{answer:?}").as_bytes());
    }
    let hint = answers.iter().find(|answer| answer.text().contains("Incorrect API key provided: "));
    assert!(hint.is_some(), "the provider's words still come through");
    binary.terminate();
    let (status, output) = binary.wait();
    assert!(status.success());
    assert!(
        output.lines().filter(|line| line.contains("\"response\"") || line.contains("request")).count() > 50
    );
    check_clean("the log", output.as_bytes());
    let data = files(&folder.path().join("data"));
    assert!(!data.is_empty());
    for file in data {
        check_clean(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}
