//! Compares what a server says after its start with what clients were told before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::http::ask;
use crate::ledger::{DONE, Entry, Kind};
use crate::model::{Model, check_text};
use or_test_support::Options;
use or_test_support::order::{check_events, parse_sse};
use or_test_support::schema::schemas;

/// At the same time: what goes on after the start is waited for.
const THREADS: usize = 4;

/// Checks all of them; the answer says how many ended in which way of those whose end nobody had been told.
pub(crate) fn all(address: SocketAddr, entries: &[Arc<Entry>], rng: &Rng) -> String {
    let (next, tally) = (Mutex::new(entries.iter()), Mutex::new(BTreeMap::<String, usize>::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let mut rng = rng.clone().fork();
            let (next, tally) = (&next, &tally);
            scope.spawn(move || {
                while let Some(entry) = { next.lock().unwrap().next() } {
                    let word = one(address, entry, &mut rng);
                    *tally.lock().unwrap().entry(word).or_default() += 1;
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    tally.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn get(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    ask(address, "GET", path, None).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn one(address: SocketAddr, entry: &Entry, rng: &mut Rng) -> String {
    let (told, asked, deleted) = {
        let told = entry.told();
        (told.end.is_some(), told.delete_asked, told.deleted)
    };
    if entry.id().is_none() {
        return "without an id".to_owned();
    }
    // While the server still goes on with it, as often as not.
    if entry.kind == Kind::BackgroundStream && !asked && rng.bool() {
        log(address, entry, rng);
    }
    let begin = Instant::now();
    loop {
        let (status, json) = get(address, &entry.path());
        if status == 404 && (asked || (!entry.kind.is_background() && !told)) {
            return if asked { "deleted" } else { "unknown" }.to_owned();
        }
        assert_eq!(status, 200, "{} {:?}: {}", entry.key, entry.kind, String::from_utf8_lossy(&json));
        assert!(!deleted, "{} {:?} is back", entry.key, entry.kind);
        if entry.show(&json) {
            break;
        }
        assert!(entry.kind.is_background(), "{} is in progress", entry.key);
        assert!(begin.elapsed() < PATIENCE, "{} {:?} does not end", entry.key, entry.kind);
        std::thread::sleep(Duration::from_millis(5));
    }
    let end: Value = serde_json::from_str(entry.told().end.as_deref().unwrap()).unwrap();
    let status = end["status"].as_str().unwrap();
    let text = text_of(&end);
    if let Err(error) = check_text(&entry.key, &text, status == "completed") {
        panic!("{} {:?}: {error}", entry.key, entry.kind);
    }
    if status == "failed" {
        assert_eq!(end["error"]["code"], "interrupted", "{end}");
    }
    // What was shown of a text is what it begins with, unless its end was never stored.
    let shown: String = entry.shown().iter().filter_map(|frame| delta(frame)).collect();
    if entry.kind == Kind::BackgroundStream || status == "completed" {
        assert!(text.starts_with(&shown), "{}: {shown} was shown, {text} is kept", entry.key);
    }
    if entry.kind == Kind::BackgroundStream && !asked {
        log(address, entry, rng);
    }
    if told { "as told".to_owned() } else { format!("{status} ({:?})", entry.kind) }
}

/// The event log: whole, in order, and the same for who has seen a part of it.
fn log(address: SocketAddr, entry: &Entry, rng: &mut Rng) {
    let (status, body) = get(address, &format!("{}?stream=true", entry.path()));
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200, "{text}");
    let events = parse_sse(text.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}: {text}", entry.key));
    if let Err(findings) = check_events(&events) {
        panic!("{}: {findings:#?} in {text}", entry.key);
    }
    for (_, event) in &events {
        if let Some(Err(findings)) = schemas().map(|s| s.check_event(event, Options::STRICT)) {
            panic!("{findings:#?} in {event}");
        }
    }
    let frames: Vec<_> = text.split_inclusive("\n\n").collect();
    let (done, whole) = frames.split_last().unwrap();
    assert_eq!(*done, DONE);
    whole.iter().for_each(|frame| _ = entry.frame(frame));
    assert_eq!(whole.len(), entry.told().frames.len(), "{}: more was shown than is kept", entry.key);
    let after = rng.usize(0..frames.len() + 2);
    let (_, rest) = get(address, &format!("{}?stream=true&starting_after={after}", entry.path()));
    let want = frames[(after + 1).min(frames.len() - 1)..].concat();
    assert_eq!(String::from_utf8(rest).unwrap(), want, "{} after {after}", entry.key);
}

fn delta(frame: &str) -> Option<String> {
    let data = frame.strip_prefix("event: response.output_text.delta\ndata: ")?;
    let event: Value = serde_json::from_str(data).unwrap();
    event["delta"].as_str().map(str::to_owned)
}

fn text_of(response: &Value) -> String {
    let parts =
        response["output"].as_array().into_iter().flatten().filter_map(|item| item["content"].as_array());
    parts.flatten().filter_map(|part| part["text"].as_str()).collect()
}

/// The response can be chained on, and the provider is shown what it was.
pub(crate) fn chain(address: SocketAddr, model: &Model, key: &str, entry: &Entry) {
    let body = json!({"model": "openai-chat/m", "input": key, "previous_response_id": entry.id()});
    let (status, answer) = ask(address, "POST", "/v1/responses", Some(&body)).unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let messages = model.asked(key)["messages"].clone();
    let all: Vec<_> = messages.as_array().unwrap().iter().filter_map(|m| m["content"].as_str()).collect();
    assert!(all.contains(&entry.key.as_str()), "{} is not in {messages}", entry.key);
    let end: Value = serde_json::from_str(entry.told().end.as_deref().unwrap()).unwrap();
    let text = text_of(&end);
    assert!(text.is_empty() || all.contains(&text.as_str()), "{text} is not in {messages}");
}
