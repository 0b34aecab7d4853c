//! What a provider's cache can give again: a chain's prompt grows at its end only, and a response tells where its own
//! parts from that of another one.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::{App, folder, setup};
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

const TURNS: usize = 10;

/// Members of a body in which the prompt stands: what stays as it is, and the list that grows.
fn prompt(kind: &str) -> (&'static [&'static str], &'static str) {
    match kind {
        "openai-responses" => (&["instructions", "tools"], "input"),
        "anthropic" => (&["system", "tools"], "messages"),
        "gemini" => (&["systemInstruction", "tools"], "contents"),
        _ => (&["tools"], "messages"),
    }
}

fn app(fake: &FakeProvider) -> App {
    setup(KINDS.map(|kind| fake.provider(kind)).concat()).disk(&folder()).start()
}

/// Each turn thinks and calls a tool, and speaks about its result.
#[test]
fn a_chain_gives_the_provider_the_same_beginning() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    let tool = json!({"type": "function", "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}});
    for kind in KINDS {
        let first = fake.count();
        let mut previous = Value::Null;
        for turn in 0..TURNS {
            let mut ask = |input: Value, answer: Turn| {
                fake.push(wire::answer(kind, answer));
                let body = json!({"model": format!("{kind}/m"), "instructions": "Be kind.", "tools": [tool],
                    "input": input, "previous_response_id": previous, "reasoning": {"effort": "low", "summary": "auto"}});
                let response = app.post(&body).response();
                previous = response["id"].clone();
                response
            };
            let response = ask(json!(format!("Question {turn}")), Turn { thinking: "hm", ..CALL });
            let output = response["output"].as_array().unwrap();
            let call = output.iter().find(|item| item["type"] == "function_call").unwrap();
            let result =
                json!({"type": "function_call_output", "call_id": call["call_id"], "output": "Rain"});
            ask(json!([result]), Turn { thinking: "so", ..text(&["It ", "rains"]) });
        }
        let (same, grows) = prompt(kind);
        let bodies: Vec<Value> = (first..fake.count()).map(|n| fake.request(n).body).collect();
        assert_eq!(bodies.len(), 2 * TURNS);
        let sealed = match kind {
            "openai-responses" => "blob-of-openai",
            "anthropic" => "sig-of-anthropic",
            _ => "Rain",
        };
        assert!(bodies[2 * TURNS - 1].to_string().matches(sealed).count() >= TURNS, "{kind}: {bodies:?}");
        for pair in bodies.windows(2) {
            for name in same {
                assert_eq!(pair[1][*name].to_string(), pair[0][*name].to_string(), "{kind}: {name}");
            }
            let [then, now] = [&pair[0], &pair[1]].map(|body| body[grows].as_array().unwrap());
            assert!(now.len() > then.len(), "{kind}");
            for (now, then) in now.iter().zip(then) {
                assert_eq!(now.to_string(), then.to_string(), "{kind}: {grows}");
            }
        }
    }
}

/// The diagnosis of a request that is compared with a response.
#[track_caller]
fn compared(app: &App, with: &Value, changes: &Value) -> Value {
    let mut body = json!({"model": "openai-chat/m", "input": "Hi",
        "prompt_cache_options": {"comparison_response_id": with}});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    app.post(&body).response()["prompt_cache_diagnostics"].clone()
}

#[test]
fn a_response_tells_where_its_prompt_parts_from_another_one() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    fake.always(wire::answer("openai-chat", text(&["Hi", "!"])));
    let first = app.post(&json!({"model": "openai-chat/m", "input": "Hi"})).response();
    assert_eq!(first.get("prompt_cache_diagnostics"), None);
    let id = &first["id"];
    let second =
        app.post(&json!({"model": "openai-chat/m", "input": "And?", "previous_response_id": id})).response();
    let hit = json!({"type": "cache_hit"});
    assert_eq!(compared(&app, id, &json!({})), hit);
    // What continues it, and what is sent anew with all that was said.
    let next = json!({"input": "Well", "previous_response_id": second["id"]});
    assert_eq!(compared(&app, id, &next), hit);
    assert_eq!(compared(&app, &second["id"], &next), hit);
    let mut again = vec![json!({"role": "user", "content": "Hi"})];
    again.extend(first["output"].as_array().unwrap().clone());
    again.push(json!({"role": "user", "content": "And?"}));
    assert_eq!(compared(&app, &second["id"], &json!({ "input": again })), hit);
    // Not with another word in it.
    again[0] = json!({"role": "user", "content": "Ho"});
    let parts = compared(&app, &second["id"], &json!({ "input": again }));
    assert_eq!((&parts["type"], &parts["reason"]), (&json!("cache_miss"), &json!("input_changed")));
    assert!(parts["cache_missed_tokens"].as_u64().unwrap() > 10, "{parts}");
    assert_eq!(parts["comparison_reusable_tokens"], 0);
    let last = compared(&app, &second["id"], &json!({"input": "Or?", "previous_response_id": id}));
    assert_eq!(last["reason"], "input_changed");
    assert!(last["comparison_reusable_tokens"].as_u64().unwrap() > 5, "{last}");
    let keyed = compared(&app, id, &json!({"prompt_cache_key": "k"}));
    assert_eq!(keyed["reason"], "prompt_cache_key_changed");
    let asked = (0..fake.count()).map(|n| fake.request(n).body.to_string());
    assert!(asked.into_iter().all(|body| !body.contains("comparison")), "the provider was told");
}

#[test]
fn nobody_is_told_of_what_others_asked() {
    let keys = ["a-long-key-of-alice", "a-long-key-of-bob"];
    let config = "[auth]\nclient_keys_env = 'KEYS'\n[providers.demo]\nenabled = true\n";
    let folder = tempfile::tempdir().unwrap();
    let binary = PROGRAM.start(folder.path(), config, &[("KEYS", &keys.join(","))]);
    let ask = |key: &str, body: Value| {
        let bearer = format!("Bearer {key}");
        let (headers, body) = ([("authorization", bearer.as_str())], body.to_string());
        let answer =
            Connection::send(binary.address, "POST", "/v1/responses", &headers, Some(body.as_bytes()));
        answer.finish().response()
    };
    let hers = ask(keys[0], json!({"model": "demo", "input": "Hi"}));
    let body = json!({"model": "demo", "input": "Hi", "prompt_cache_options": {"comparison_response_id": hers["id"]}});
    for (key, want) in keys.into_iter().zip(["cache_hit", "comparison_response_not_found"]) {
        assert_eq!(ask(key, body.clone())["prompt_cache_diagnostics"], json!({ "type": want }));
    }
}

/// The record of a response that is still made is not compared with; what was said of one stays after a restart.
#[test]
fn a_response_in_the_background_keeps_what_it_was_told() {
    let fake = FakeProvider::start();
    let disk = folder();
    let config = fake.provider("openai-chat");
    let app = setup(config.clone()).disk(&disk).start();
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let first = app.post(&json!({"model": "openai-chat/m", "input": "Hi"})).response();
    fake.script(Script::silent());
    let body = json!({"model": "openai-chat/m", "input": "Ho", "background": true,
        "prompt_cache_options": {"comparison_response_id": first["id"]}});
    let queued = app.post(&body).response();
    assert_eq!(queued["prompt_cache_diagnostics"]["reason"], "input_changed");
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let unavailable = json!({"type": "unavailable"});
    assert_eq!(compared(&app, &queued["id"], &json!({})), unavailable);
    // What it was compared with is gone when it goes on.
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(app.request("DELETE", &path, &[], None).finish().status, 200);
    app.stop();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let app = setup(config).disk(&disk).start();
    let ended = loop {
        let response = app.stored(&queued["id"]).response();
        if response["status"] != "queued" && response["status"] != "in_progress" {
            break response;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(ended["status"], "completed");
    assert_eq!(ended["prompt_cache_diagnostics"], queued["prompt_cache_diagnostics"]);
}

#[test]
fn it_is_told_from_the_first_event_on_and_kept() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let first = app.post(&json!({"model": "openai-chat/m", "input": "Hi"})).response();
    let body = json!({"model": "openai-chat/m", "input": "Ho", "stream": true,
        "prompt_cache_options": {"comparison_response_id": first["id"]}});
    let answer = app.post(&body);
    let events = answer.events();
    let last = answer.last_response();
    let found = &last["prompt_cache_diagnostics"];
    assert_eq!(found["reason"], "input_changed");
    assert_eq!(&events[0].1["response"]["prompt_cache_diagnostics"], found);
    assert_eq!(&app.stored(&last["id"]).response()["prompt_cache_diagnostics"], found);
    assert_eq!(last["prompt_cache_options"]["comparison_response_id"], first["id"]);
}

#[test]
fn a_comparison_that_cannot_be_made_is_said_and_does_no_harm() {
    let fake = FakeProvider::start();
    let app = setup(format!("server.max_context_bytes = 100000\n{}", fake.provider("openai-chat"))).start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let not_found = json!({"type": "comparison_response_not_found"});
    for id in ["resp_nobody", "", "resp_0123456789abcdef0123456789abcdef0123456789abcdef"] {
        assert_eq!(compared(&app, &json!(id), &json!({})), not_found, "{id}");
    }
    let unstored = app.post(&json!({"model": "openai-chat/m", "input": "Hi", "store": false})).response();
    assert_eq!(compared(&app, &unstored["id"], &json!({})), not_found);
    // Each fits, but not both.
    let long = json!({"model": "openai-chat/m", "input": "a ".repeat(30_000)});
    let large = app.post(&long).response();
    assert_eq!(compared(&app, &large["id"], &json!({}))["reason"], "input_changed");
    let both = compared(&app, &large["id"], &json!({"input": "a ".repeat(30_000)}));
    assert_eq!(both, json!({"type": "unavailable"}));
}
