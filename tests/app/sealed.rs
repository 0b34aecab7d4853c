//! The provider's state that clients carry: closed, and good for its owner alone.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::mcp::providers;
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, Turn, text};

const KEYS: &str =
    "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
const ADA: (&str, &str) = ("authorization", "Bearer key-of-ada-0123456789");
const BOB: (&str, &str) = ("authorization", "Bearer key-of-bob-0123456789");
/// What the fake providers give as state.
const STATES: [(&str, &str); 2] = [("openai-responses", "blob-of-openai"), ("anthropic", "sig-of-anthropic")];
const KEY: [&str; 2] =
    ["QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="];

fn start(fake: &FakeProvider, shared: Option<&str>) -> App {
    let seal = shared.map_or("", |_| "security.seal_key_env = 'SEAL'\n");
    let keys = |one: (&str, &'static str)| one.1.strip_prefix("Bearer ").unwrap();
    let app = setup(format!("{seal}{KEYS}{}", providers(fake))).env("ADA", keys(ADA)).env("BOB", keys(BOB));
    app.env("SEAL", shared.unwrap_or("x")).start()
}

/// A reasoning item with its state.
fn thinking(fake: &FakeProvider, app: &App, kind: &'static str, stream: bool) -> Value {
    fake.push(wire::answer(kind, Turn { thinking: "hm", ..text(&["4"]) }));
    let body = json!({"model": format!("{kind}/m"), "input": "2+2?", "store": false, "stream": stream,
                      "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"}});
    let answer = app.post_with(&[ADA], &body);
    let response =
        if stream { answer.events().pop().unwrap().1["response"].clone() } else { answer.response() };
    response["output"][0].clone()
}

/// What the provider is sent of this item, and what the client is told of it.
fn sent_back(
    fake: &FakeProvider,
    app: &App,
    kind: &'static str,
    key: (&str, &str),
    item: &Value,
) -> (String, Answer) {
    let before = fake.count();
    fake.push(wire::answer(kind, text(&["6"])));
    let input = json!([{"role": "user", "content": "2+2?"}, item, {"role": "assistant", "content": "4"},
                       {"role": "user", "content": "And 3+3?"}]);
    let body = json!({"model": format!("{kind}/m"), "input": input, "reasoning": {"effort": "low"}});
    let answer = app.post_with(&[key], &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    (fake.request(before).body.to_string(), answer)
}

/// A stored answer's reasoning as its client has it, which did not ask for the state; and the answer's id.
fn stored_thinking(fake: &FakeProvider, app: &App, kind: &'static str, stream: bool) -> (Value, String) {
    fake.push(wire::answer(kind, Turn { thinking: "hm", ..text(&["4"]) }));
    let body = json!({"model": format!("{kind}/m"), "input": "2+2?", "stream": stream,
                      "reasoning": {"effort": "low", "summary": "auto"}});
    let answer = app.post_with(&[ADA], &body);
    let response = if stream { answer.last_response() } else { answer.response() };
    let item = response["output"][0].clone();
    assert_eq!((&item["type"], item.get("encrypted_content")), (&json!("reasoning"), None));
    (item, response["id"].as_str().unwrap().to_owned())
}

#[track_caller]
fn check_unread((sent, answer): (String, Answer), state: &str) {
    assert!(!sent.contains(state), "{sent}");
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("encrypted"), "{notes}");
}

#[test]
fn state_comes_back_to_the_provider_from_its_owner_only() {
    let fake = FakeProvider::start();
    let app = start(&fake, None);
    for (kind, state) in STATES {
        for stream in [false, true] {
            let item = thinking(&fake, &app, kind, stream);
            assert!(sent_back(&fake, &app, kind, ADA, &item).0.contains(state));
            check_unread(sent_back(&fake, &app, kind, BOB, &item), state);
        }
    }
}

#[test]
fn state_can_be_neither_read_nor_altered() {
    let fake = FakeProvider::start();
    let app = start(&fake, None);
    for (kind, state) in STATES {
        let mut item = thinking(&fake, &app, kind, false);
        let sealed = item["encrypted_content"].as_str().unwrap().to_owned();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed["or2.".len()..]).unwrap();
        for word in [kind, state, "thinking"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{kind}: {word}");
        }
        for at in [4, 20, sealed.len() / 2, sealed.len() - 3] {
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            let altered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            item["encrypted_content"] = json!(altered);
            check_unread(sent_back(&fake, &app, kind, ADA, &item), state);
        }
    }
}

#[test]
fn state_of_before_there_was_a_seal_is_read() {
    let fake = FakeProvider::start();
    let app = start(&fake, None);
    let (kind, state) = STATES[0];
    let old = or_protocol::Envelope::seal(kind, "m", state);
    let item = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": old});
    let (sent, answer) = sent_back(&fake, &app, kind, ADA, &item);
    assert!(sent.contains(state), "{sent} {:?}", answer.header("openresponses-translation"));
}

#[test]
fn servers_with_one_key_read_each_others_state() {
    let fake = FakeProvider::start();
    let (one, two, other) =
        (start(&fake, Some(KEY[0])), start(&fake, Some(KEY[0])), start(&fake, Some(KEY[1])));
    let alone = start(&fake, None);
    for (kind, state) in STATES {
        let item = thinking(&fake, &one, kind, false);
        assert!(sent_back(&fake, &two, kind, ADA, &item).0.contains(state));
        check_unread(sent_back(&fake, &two, kind, BOB, &item), state);
        check_unread(sent_back(&fake, &other, kind, ADA, &item), state);
        check_unread(sent_back(&fake, &alone, kind, ADA, &item), state);
    }
}

#[test]
fn stored_reasoning_comes_back_by_its_id_with_its_state() {
    let fake = FakeProvider::start();
    let app = start(&fake, None);
    for (kind, state) in STATES {
        for stream in [false, true] {
            let (item, id) = stored_thinking(&fake, &app, kind, stream);
            let (sent, answer) = sent_back(&fake, &app, kind, ADA, &item);
            assert!(sent.contains(state), "{kind}: {sent}");
            // It stays where it is, and is neither shown nor stored again.
            let list = format!("/v1/responses/{}/input_items", answer.response()["id"].as_str().unwrap());
            assert!(!app.request("GET", &list, &[ADA], None).finish().text().contains("encrypted_content"));
            let with_state = |key, item: &Value| sent_back(&fake, &app, kind, key, item).0.contains(state);
            assert!(!with_state(BOB, &item), "{kind}");
            let mut foreign = item.clone();
            foreign["id"] = json!("rs_of_somebody");
            assert!(!with_state(ADA, &foreign), "{kind}");
            app.request("DELETE", &format!("/v1/responses/{id}"), &[ADA], None).finish();
            assert!(!with_state(ADA, &item), "{kind}");
        }
    }
}

#[test]
fn an_id_gives_its_state_once() {
    let fake = FakeProvider::start();
    let app = start(&fake, None);
    let (item, _) = stored_thinking(&fake, &app, "openai-responses", false);
    let before = fake.count();
    fake.push(wire::answer("openai-responses", text(&["6"])));
    let input: Vec<_> =
        std::iter::repeat_n(item, 50).chain([json!({"role": "user", "content": "3+3?"})]).collect();
    app.post_with(&[ADA], &json!({"model": "openai-responses/m", "input": input})).response();
    let sent = fake.request(before).body.to_string();
    assert_eq!(sent.matches("blob-of-openai").count(), 1, "{sent}");
}
