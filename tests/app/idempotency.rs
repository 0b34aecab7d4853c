//! `idempotency-key`: who asks twice gets one response.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::{App, folder, setup};
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, CALL, text};

const KEY: (&str, &str) = ("idempotency-key", "order-7");

fn server() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).disk(&folder()).start();
    (fake, app)
}

fn body(more: Value) -> Value {
    let mut body = json!({"model": "openai-chat/m", "input": "Hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn open(app: &App, body: &Value) -> Connection {
    app.request("POST", "/v1/responses", &[KEY], Some(body.to_string().as_bytes()))
}

/// A stream of one text that waits behind its first delta.
fn slow(gate: &Gate) -> Script {
    let mut frames = wire::frames("openai-chat", &text(&["Hel", "lo"])).into_iter();
    let begun = frames.by_ref().take(2).fold(Script::head(200, "text/event-stream"), Script::send);
    frames.fold(begun.then(Step::Wait(gate.clone())), Script::send)
}

#[track_caller]
fn check_replayed(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.header("idempotent-replayed")),
        (200, Some("true")),
        "{}",
        answer.text()
    );
}

#[test]
fn the_same_request_gets_the_same_response() {
    for more in
        [json!({}), json!({"stream": true}), json!({"store": false}), json!({"store": false, "stream": true})]
    {
        let (fake, app) = server();
        fake.push(wire::answer("openai-chat", text(&["Hel", "lo"])));
        let mut body = body(more);
        body["top_k"] = json!(3);
        let first = app.post_with(&[KEY], &body);
        assert_eq!((first.status, first.header("idempotent-replayed")), (200, None), "{}", first.text());
        let again = app.post_with(&[KEY], &body);
        check_replayed(&again);
        // `top_k` is no member of a request, which the answer says each time.
        let note = |answer: &Answer| answer.header("openresponses-translation").map(str::to_owned);
        assert!(note(&first).is_some_and(|note| note.contains("top_k")), "{body}");
        assert_eq!(note(&again), note(&first), "{body}");
        if body["stream"] == true {
            assert_eq!(again.last_response(), first.last_response(), "{body}");
        } else {
            assert_eq!(again.json(), first.json(), "{body}");
        }
        assert_eq!(fake.count(), 1, "{body}");
    }
}

#[test]
fn a_stored_stream_is_told_again_in_the_order_of_the_specification() {
    let (fake, app) = server();
    fake.push(wire::answer("openai-chat", CALL));
    let tool = json!({"type": "function", "name": "get_weather", "parameters": {"type": "object"}});
    let body = body(json!({"stream": true, "tools": [tool]}));
    let first = app.post_with(&[KEY], &body);
    let again = app.post_with(&[KEY], &body);
    check_replayed(&again);
    // Both are checked for their order.
    let kinds = |answer: &Answer| {
        let mut kinds: Vec<String> = answer
            .events()
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !name.ends_with(".delta"))
            .collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(&again), kinds(&first));
    assert_eq!(again.last_response(), first.last_response());
}

#[test]
fn who_comes_while_it_is_made_gets_it_from_its_beginning() {
    let (fake, app) = server();
    let gate = Gate::default();
    fake.script(slow(&gate));
    let body = body(json!({"stream": true}));
    let mut first = open(&app, &body);
    first.until("response.output_text.delta");
    let mut second = open(&app, &body);
    second.until("response.output_text.delta");
    gate.open();
    let (first, second) = (first.finish(), second.finish());
    check_replayed(&second);
    assert_eq!(second.text(), first.text());
    assert_eq!(first.last_response()["output"][0]["content"][0]["text"], "Hello");
    assert_eq!(fake.count(), 1);
}

#[test]
fn many_at_once_are_one() {
    let (fake, app) = server();
    let gate = Gate::default();
    fake.script(slow(&gate));
    let clients: Vec<Connection> = (0..50).map(|_| open(&app, &body(json!({})))).collect();
    fake.request(0);
    gate.open();
    let mut ids: Vec<Value> =
        clients.into_iter().map(|client| client.finish().response()["id"].clone()).collect();
    ids.dedup();
    assert_eq!((ids.len(), fake.count()), (1, 1));
}

#[test]
fn a_client_that_left_finds_its_response() {
    for stream in [false, true] {
        let (fake, app) = server();
        let gate = Gate::default();
        fake.script(slow(&gate));
        let body = body(json!({"stream": stream}));
        let client = open(&app, &body);
        fake.request(0);
        client.leave();
        let again = open(&app, &body);
        gate.open();
        let again = again.finish();
        check_replayed(&again);
        assert_eq!(fake.count(), 1);
    }
}

#[test]
fn a_restart_forgets_nothing_that_is_stored() {
    let fake = FakeProvider::start();
    fake.push(wire::answer("openai-chat", text(&["Hello"])));
    let folder = tempfile::tempdir().unwrap();
    let send = |address| {
        let body = body(json!({})).to_string();
        Connection::send(address, "POST", "/v1/responses", &[KEY], Some(body.as_bytes())).finish()
    };
    let binary = PROGRAM.start(folder.path(), &fake.provider("openai-chat"), &[]);
    let first = send(binary.address);
    binary.kill();
    let binary = PROGRAM.start(folder.path(), &fake.provider("openai-chat"), &[]);
    let again = send(binary.address);
    check_replayed(&again);
    assert_eq!((again.json(), fake.count()), (first.json(), 1));
}

#[test]
fn a_background_response_is_begun_once() {
    for stream in [false, true] {
        let (fake, app) = server();
        fake.push(wire::answer("openai-chat", text(&["Hello"])));
        let body = body(json!({"background": true, "stream": stream}));
        let id = |answer: &Answer| match stream {
            true => answer.last_response()["id"].clone(),
            false => answer.json()["id"].clone(),
        };
        let first = id(&app.post_with(&[KEY], &body));
        let again = app.post_with(&[KEY], &body);
        check_replayed(&again);
        assert_eq!((id(&again), fake.count()), (first.clone(), 1));
        if stream {
            let log = app.get(&format!("/v1/responses/{}?stream=true", first.as_str().unwrap()));
            assert_eq!(again.text(), log.text());
        }
    }
}

#[test]
fn another_body_or_a_bad_key_is_refused() {
    let (fake, app) = server();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    for store in [true, false] {
        let key = ("idempotency-key", if store { "stored" } else { "unstored" });
        assert_eq!(app.post_with(&[key], &body(json!({"store": store}))).status, 200);
        let other = app.post_with(&[key], &body(json!({"store": store, "input": "Bye"})));
        let want = (400, "invalid_request_error".into(), Some("idempotency_key_reused".into()), None);
        assert_eq!(other.error(), want);
    }
    let long = "k".repeat(256);
    for key in ["", &long, "ö"] {
        let refused = app.post_with(&[("idempotency-key", key)], &body(json!({})));
        let want = (400, "invalid_request_error".into(), Some("invalid_idempotency_key".into()), None);
        assert_eq!(refused.error(), want, "{key}");
    }
    let twice = app.post_with(&[("idempotency-key", "a"), ("idempotency-key", "b")], &body(json!({})));
    assert_eq!(twice.error().2.as_deref(), Some("duplicate_header"));
    assert_eq!(fake.count(), 2);
}

#[test]
fn the_keys_of_clients_are_their_own() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let keys = "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
    let app = setup(format!("{keys}{}", fake.provider("openai-chat")));
    let app = app.env("ADA", "a-long-key-of-ada").env("BOB", "a-long-key-of-bob").disk(&folder()).start();
    let ask = |key: &str| {
        let key = format!("Bearer a-long-key-of-{key}");
        app.post_with(&[KEY, ("authorization", &key)], &body(json!({}))).response()["id"].clone()
    };
    let (ada, bob) = (ask("ada"), ask("bob"));
    assert_ne!(ada, bob);
    assert_eq!((ask("ada"), ask("bob"), fake.count()), (ada, bob, 2));
}

#[test]
fn a_failure_is_not_kept() {
    for (store, stream) in [(true, false), (false, true), (true, true)] {
        let (fake, app) = server();
        fake.script(Script::json(400, &json!({"error": {"message": "no", "type": "invalid_request_error"}})));
        let body = body(json!({"store": store, "stream": stream}));
        assert_eq!(app.post_with(&[KEY], &body).status, 400);
        // In the middle of a stream.
        let frames = wire::frames("openai-chat", &text(&["Hel", "lo"]));
        let broken = frames.into_iter().take(2).fold(Script::head(200, "text/event-stream"), Script::send);
        fake.script(broken.then(Step::Cut));
        let failed = app.post_with(&[KEY], &body);
        assert!(failed.status >= 500 || failed.last_response()["status"] == "failed", "{}", failed.text());
        fake.push(wire::answer("openai-chat", text(&["Hello"])));
        let good = app.post_with(&[KEY], &body);
        assert_eq!((good.status, good.header("idempotent-replayed")), (200, None));
        assert_eq!(fake.count(), 3);
    }
}

#[test]
fn a_response_that_was_deleted_is_made_anew() {
    let (fake, app) = server();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let first = app.post_with(&[KEY], &body(json!({}))).response()["id"].clone();
    let path = format!("/v1/responses/{}", first.as_str().unwrap());
    assert_eq!(app.request("DELETE", &path, &[], None).finish().status, 200);
    let second = app.post_with(&[KEY], &body(json!({}))).response()["id"].clone();
    assert_ne!(second, first);
    let metrics = app.get("/metrics").text();
    assert!(!metrics.contains("open_responses_idempotent_replays_total{"), "{metrics}");
}

#[test]
fn what_is_not_stored_is_kept_within_bounds() {
    let (fake, app) = server();
    let long: &'static str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    fake.always(wire::answer("openai-chat", text(Box::leak(Box::new([long])))));
    for number in 0..8 {
        let key = ("idempotency-key", &*format!("key-{number}"));
        assert_eq!(app.post_with(&[key], &body(json!({"store": false}))).status, 200);
    }
    let replayed = |number: usize| {
        let key = ("idempotency-key", &*format!("key-{number}"));
        let answer = app.post_with(&[key], &body(json!({"store": false})));
        answer.header("idempotent-replayed").is_some()
    };
    assert!(replayed(7));
    assert!(!replayed(0));
}
