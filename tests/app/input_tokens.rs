//! `POST /v1/responses/input_tokens`.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, KINDS, text};

/// Kinds with a counter of their own, its path, and its answer.
const COUNTERS: [(&str, &str, &str); 3] = [
    (
        "openai-responses",
        "/v1/responses/input_tokens",
        r#"{"object":"response.input_tokens","input_tokens":42}"#,
    ),
    ("anthropic", "/v1/messages/count_tokens", r#"{"input_tokens":42}"#),
    ("gemini", "/v1/models/m:countTokens", r#"{"totalTokens":42,"promptTokensDetails":[]}"#),
];

fn server() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let config: String = KINDS.iter().map(|kind| fake.provider(kind)).collect();
    let keyed = format!("{}api_key_env = 'FAKE_KEY'\n", fake.named_provider("keyed", "anthropic"));
    let busy = format!("{}max_concurrent = 1\n", fake.named_provider("busy", "anthropic"));
    let app = setup(format!("{config}{keyed}{busy}")).env("FAKE_KEY", "sk-server-key").start();
    (fake, app)
}

fn count_with(app: &App, headers: &[(&str, &str)], body: &Value) -> Answer {
    let body = body.to_string();
    app.request("POST", "/v1/responses/input_tokens", headers, Some(body.as_bytes())).finish()
}

/// The count and who made it.
#[track_caller]
fn counted(answer: &Answer) -> (u64, String) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["object"], "response.input_tokens");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    (
        body["input_tokens"].as_u64().unwrap(),
        answer.header("openresponses-token-count").unwrap_or_default().to_owned(),
    )
}

fn request(kind: &str) -> Value {
    json!({"model": format!("{kind}/m"), "input": "How many?", "instructions": "Be exact.", "temperature": 0.5,
           "max_output_tokens": 50, "stream": true, "store": true, "background": true,
           "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}]})
}

#[test]
fn the_providers_own_counter_is_asked_with_the_request_it_would_get() {
    let (fake, app) = server();
    for (number, (kind, path, answer)) in COUNTERS.into_iter().enumerate() {
        fake.script(Script::body(200, "application/json", answer));
        assert_eq!(counted(&count_with(&app, &[], &request(kind))), (42, "provider".into()), "{kind}");
        let asked = fake.request(number);
        assert_eq!(asked.path, path);
        let text = asked.body.to_string();
        for part in ["How many?", "Be exact.", "look"] {
            assert!(text.contains(part), "{kind}: {text}");
        }
        for part in ["max_tokens", "max_output_tokens", "stream", "store", "metadata"] {
            assert!(asked.body.get(part).is_none(), "{kind}: {text}");
        }
    }
    assert_eq!(fake.request(1).header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(fake.request(2).body["generateContentRequest"]["model"], "models/m");
}

#[test]
fn without_a_counter_there_is_an_estimate() {
    let (fake, app) = server();
    for kind in ["openai-chat", "ollama"] {
        let (tokens, method) = counted(&count_with(&app, &[], &request(kind)));
        assert_eq!(method, "estimate");
        assert!((20..60).contains(&tokens), "{kind}: {tokens}");
    }
    assert_eq!(fake.count(), 0);
    let plain =
        |text: &str| counted(&count_with(&app, &[], &json!({"model": "openai-chat/m", "input": text}))).0;
    assert_eq!(plain("Hello world, how are you?"), plain("") + 7);
    let large = "word ".repeat(100_000);
    assert!((100_000..100_100).contains(&plain(&large)), "{}", plain(&large));
}

#[test]
fn a_counter_that_is_not_there_makes_an_estimate() {
    let (fake, app) = server();
    for kind in ["openai-responses", "anthropic"] {
        for (status, body) in [
            (404, r#"{"detail":"Not Found"}"#),
            (404, "<html>nginx</html>"),
            (405, r#"{"detail":"Method Not Allowed"}"#),
            (501, ""),
        ] {
            fake.script(Script::body(status, "application/json", body));
            assert_eq!(
                counted(&count_with(&app, &[], &request(kind))).1,
                "estimate",
                "{kind} {status} {body}"
            );
        }
    }
}

#[test]
fn errors_of_the_counter_are_those_of_a_creation() {
    let (fake, app) = server();
    for (kind, ..) in COUNTERS {
        for (status, words, want) in [
            (400, "the words of the provider", (400, None)),
            (401, "bad key", (502, Some("upstream_auth_error"))),
            (404, "model 'm' not found", (400, Some("model_not_found"))),
            (429, "slow down", (429, Some("rate_limit_exceeded"))),
            (500, "oh no", (502, None)),
        ] {
            let script = Script::json(status, &wire::error(kind, status, words)).header("retry-after", "7");
            fake.script(script);
            let answer = count_with(&app, &[], &request(kind));
            let (got, _, code, _) = answer.error();
            assert_eq!(got, want.0, "{kind} {status}: {}", answer.text());
            if want.1.is_some() {
                assert_eq!(code.as_deref(), want.1, "{kind} {status}");
            }
            if status == 429 {
                assert_eq!(answer.header("retry-after"), Some("7"));
            }
        }
        fake.script(Script::json(200, &json!({"tokens": "many"})));
        let (status, _, code, _) = count_with(&app, &[], &request(kind)).error();
        assert_eq!((status, code.as_deref()), (502, Some("upstream_invalid_response")), "{kind}");
    }
}

#[test]
fn the_key_is_the_servers_or_the_clients_own() {
    let (fake, app) = server();
    fake.always(|_| Script::json(200, &json!({"input_tokens": 1})));
    count_with(&app, &[], &request("keyed"));
    assert_eq!(fake.request(0).header("x-api-key"), Some("sk-server-key"));
    count_with(&app, &[("x-provider-api-key", "sk-mine-1234")], &request("keyed"));
    assert_eq!(fake.request(1).header("x-api-key"), Some("sk-mine-1234"));
    fake.always(|_| Script::json(401, &wire::error("anthropic", 401, "sk-mine-1234 is wrong")));
    let answer = count_with(&app, &[("x-provider-api-key", "sk-mine-1234")], &request("keyed"));
    assert_eq!((answer.status, answer.message()), (401, "*** is wrong".to_owned()));
}

#[test]
fn a_providers_limit_holds_for_counting_too() {
    let (fake, app) = server();
    fake.script(Script::silent());
    let body = request("busy").to_string();
    let waiting = app.request("POST", "/v1/responses/input_tokens", &[], Some(body.as_bytes()));
    fake.request(0);
    let answer = count_with(&app, &[], &request("busy"));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    // A client that leaves takes its upstream call along.
    waiting.leave();
    fake.closed(0);
}

#[test]
fn the_chain_and_references_of_the_same_owner_count() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-responses", text(&["Hello"])));
    let config = format!(
        "[auth]\nkeys = [{{ name = 'a', key_env = 'A' }}, {{ name = 'b', key_env = 'B' }}]\n{}",
        fake.provider("openai-responses")
    );
    let app = setup(config).env("A", "client-key-of-a-01").env("B", "client-key-of-b-02").start();
    let a = [("authorization", "Bearer client-key-of-a-01")];
    let b = [("authorization", "Bearer client-key-of-b-02")];
    let model = "openai-responses/m";
    let first = app.post_with(&a, &json!({"model": model, "input": "One"})).response();
    fake.always(|_| Script::json(200, &json!({"object": "response.input_tokens", "input_tokens": 5})));
    let more = json!({"model": model, "input": "Two", "previous_response_id": first["id"]});
    assert_eq!(counted(&count_with(&app, &a, &more)).0, 5);
    let input = fake.request(1).body["input"].to_string();
    assert!(["One", "Hello", "Two"].iter().all(|part| input.contains(part)), "{input}");
    let item = json!({"type": "item_reference", "id": first["output"][0]["id"]});
    let reference = json!({"model": model, "input": [item]});
    counted(&count_with(&app, &a, &reference));
    assert!(fake.request(2).body["input"].to_string().contains("Hello"));

    let create = app.post_with(&b, &more).error();
    assert_eq!(create.2.as_deref(), Some("previous_response_not_found"));
    assert_eq!(count_with(&app, &b, &more).error(), create);
    assert_eq!(count_with(&app, &b, &reference).error(), app.post_with(&b, &reference).error());
}

#[test]
fn bad_requests_get_the_errors_of_a_creation() {
    let (_fake, app) = server();
    for body in [
        json!({"input": "Hi"}),
        json!({"model": "nobody/m", "input": "Hi"}),
        json!({"model": "openai-chat/m", "input": 1}),
        json!({"model": "openai-chat/m", "input": [{"type": "message", "role": "user", "content": [{"type": "x"}]}]}),
        json!({"model": "openai-chat/m", "input": "Hi", "tools": [{"type": "function"}]}),
        json!({"model": "openai-chat/m", "input": "Hi", "previous_response_id": "resp_x"}),
        json!({"model": "demo-error-429", "input": "Hi"}),
    ] {
        let want = app.post(&body).error();
        assert!((400..500).contains(&want.0), "{body}");
        assert_eq!(count_with(&app, &[], &body).error(), want, "{body}");
    }
    let answer = app.get("/v1/responses/input_tokens");
    assert_eq!((answer.error().0, answer.header("allow")), (405, Some("POST")));
}

#[test]
fn translation_notes_and_strict_mode_are_those_of_a_creation() {
    let (fake, app) = server();
    let body = json!({"model": "ollama/m", "input": "Hi", "metadata": {"a": "b"}, "service_tier": "flex"});
    let answer = count_with(&app, &[], &body);
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("service_tier;dropped"), "{notes}");
    let strict = [("openresponses-strict", "true")];
    assert_eq!(count_with(&app, &strict, &body).error(), app.post_with(&strict, &body).error());
    assert_eq!(fake.count(), 0);
}

#[test]
fn the_demo_counts_what_it_will_charge() {
    let (_fake, app) = server();
    for body in [
        json!({"model": "demo", "input": "Say hello to the world", "instructions": "Be kind."}),
        json!({"model": "demo", "input": "What is the weather in Oslo?", "tools": [
            {"type": "function", "name": "get_weather", "description": "The weather of a city"}]}),
    ] {
        let (tokens, method) = counted(&count_with(&app, &[], &body));
        assert_eq!(method, "provider");
        assert_eq!(app.post(&body).response()["usage"]["input_tokens"], tokens);
    }
    let metrics = app.get("/metrics").text();
    let line = r#"open_responses_token_counts_total{method="provider",provider="demo"} 2"#;
    assert!(metrics.contains(line), "{metrics}");
}
