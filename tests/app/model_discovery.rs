//! `GET /v1/models` with what the providers say they have.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::KINDS;

/// Without the demo's own.
fn listed(app: &App) -> BTreeMap<String, Value> {
    let answer = app.get("/v1/models");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json()["data"].as_array().unwrap().clone();
    let rest = all.into_iter().filter(|model| model["owned_by"] != "demo");
    rest.map(|model| (model["id"].as_str().unwrap().to_owned(), model)).collect()
}

fn ids(app: &App) -> Vec<String> {
    listed(app).into_keys().collect()
}

/// One model of each provider; Anthropic and Gemini have two pages.
fn lists(request: &Request) -> Script {
    let body = match request.path.as_str() {
        "/v1/models" => json!({"data": [{"id": "gpt-x", "created": 1_700_000_000, "context_length": 9}]}),
        "/v1/models?limit=1000" => {
            json!({"data": [{"id": "claude-x"}], "has_more": true, "last_id": "claude-x"})
        }
        "/v1/models?limit=1000&after_id=claude-x" => json!({"data": [{"id": "claude-y"}], "has_more": false}),
        "/v1/models?pageSize=1000" => json!({"models": [{"name": "models/gemini-x"}], "nextPageToken": "2"}),
        "/v1/models?pageSize=1000&pageToken=2" => {
            json!({"models": [{"name": "models/gemini-y", "inputTokenLimit": 5, "thinking": true}]})
        }
        "/v1/api/tags" => json!({"models": [{"name": "qwen3:8b"}]}),
        path => panic!("{path}"),
    };
    Script::json(200, &body)
}

#[test]
fn every_provider_is_asked_once_and_all_its_pages_are_listed() {
    let fake = FakeProvider::start();
    fake.always(lists);
    let config: String = KINDS.iter().map(|kind| fake.provider(kind)).collect();
    let app = setup(config).start();
    // By the shortest name that leads to each: three of these providers are in the default routes.
    let want = [
        "claude-x",
        "claude-y",
        "gemini-x",
        "gemini-y",
        "openai-chat/gpt-x",
        "openai-responses/gpt-x",
        "qwen3:8b",
    ];
    let got = ids(&app);
    assert_eq!(got, want);
    assert_eq!(ids(&app), got);
    assert_eq!(fake.count(), 7, "asked again");
    assert_eq!(fake.request(0).method, "GET");
    let metrics = app.get("/metrics").text();
    let line = r#"open_responses_model_lists_total{provider="gemini",result="ok"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
    for id in got {
        let asked = app.get(&format!("/v1/models/{id}"));
        assert_eq!((asked.status, &asked.json()["id"]), (200, &json!(id)));
    }
}

#[test]
fn a_model_says_where_it_is_from_and_what_it_can_do() {
    let fake = FakeProvider::start();
    fake.always(lists);
    let config =
        format!("{}models = ['gpt-x', 'mine']\n{}", fake.provider("openai-chat"), fake.provider("gemini"));
    let app = setup(config).start();
    let all = listed(&app);
    let card = |source: &str, kind: &str, carries: Value, more: Value| {
        let mut card = json!({"provider": kind, "kind": kind, "source": source, "streaming": true,
            "carries": carries, "input_modalities": null, "tools": null, "reasoning": null,
            "structured_output": null, "context_length": null, "max_output_tokens": null});
        card.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        card
    };
    let media = json!(["text", "image", "file", "audio", "video"]);
    let asked = &all["openai-chat/gpt-x"];
    assert_eq!(asked["created"], 1_700_000_000);
    let want = card("configured", "openai-chat", media.clone(), json!({"context_length": 9}));
    assert_eq!(asked["open_responses"], want);
    let want = card("configured", "openai-chat", media.clone(), json!({}));
    assert_eq!(all["openai-chat/mine"]["open_responses"], want);
    assert!(all["openai-chat/mine"]["created"].as_i64().unwrap() > 1_700_000_000);
    let want = card("discovered", "gemini", media, json!({"context_length": 5, "reasoning": true}));
    assert_eq!(all["gemini-y"]["open_responses"], want);
    let demo = &app.get("/v1/models/demo").json()["open_responses"];
    assert_eq!((&demo["source"], &demo["tools"]), (&json!("built-in"), &json!(true)));
}

#[test]
fn a_failing_provider_lists_what_is_configured_and_is_not_asked_again_soon() {
    let fake = FakeProvider::start();
    fake.always(|_| Script::json(500, &json!({"error": {"message": "oh no"}})));
    let app = setup(format!("{}models = ['mine']\n", fake.provider("openai-chat"))).start();
    for _ in 0..3 {
        assert_eq!(ids(&app), ["openai-chat/mine"]);
    }
    assert_eq!(fake.count(), 1);
    let metrics = app.get("/metrics").text();
    let line = r#"open_responses_model_lists_total{provider="openai-chat",result="error"} 1"#;
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_silent_provider_costs_its_patience_once() {
    let fake = FakeProvider::start();
    fake.always(|_| Script::silent());
    let other = FakeProvider::start();
    other.always(lists);
    let config = format!("{}{}", fake.provider("anthropic"), other.provider("openai-chat"));
    let app = setup(config).start();
    let begin = Instant::now();
    assert_eq!(ids(&app), ["openai-chat/gpt-x"]);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    assert_eq!(ids(&app), ["openai-chat/gpt-x"]);
    assert_eq!(fake.count(), 1);
}

#[test]
fn a_list_is_asked_for_again_when_it_is_old() {
    let fake = FakeProvider::start();
    fake.script(Script::body(200, "text/html", "<html>"));
    fake.always(lists);
    let app = setup(format!("server.model_discovery_s = 1\n{}", fake.provider("openai-chat"))).start();
    let end = Instant::now() + Duration::from_secs(40);
    while ids(&app) != ["openai-chat/gpt-x"] {
        assert!(Instant::now() < end, "never asked again");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(fake.count() >= 2);
}

#[test]
fn only_the_servers_own_key_is_used_and_nobody_without_one_is_asked() {
    let fake = FakeProvider::start();
    fake.always(lists);
    let with = format!("{}api_key_env = 'FAKE_KEY'\n", fake.provider("openai-chat"));
    let without = format!("{}api_key_env = 'NO_SUCH_KEY'\n", fake.named_provider("mine", "openai-chat"));
    let app = setup(format!("{with}{without}")).env("FAKE_KEY", "sk-server-key").start();
    let headers = [("x-provider-api-key", "sk-mine")];
    let answer = app.request("GET", "/v1/models", &headers, None).finish();
    assert_eq!(answer.status, 200);
    assert_eq!(fake.request(0).header("authorization"), Some("Bearer sk-server-key"));
    assert_eq!(fake.count(), 1);
    assert_eq!(ids(&app), ["openai-chat/gpt-x"]);
}

#[test]
fn a_name_that_leads_elsewhere_is_not_listed() {
    let fake = FakeProvider::start();
    fake.always(lists);
    let route = "[[routes]]\npattern = 'gpt-x'\nprovider = 'demo'";
    let app = setup(format!("{}{route}", fake.provider("openai-chat"))).start();
    assert_eq!(ids(&app), Vec::<String>::new());
}

#[test]
fn without_discovery_or_network_the_list_comes_at_once() {
    let fake = FakeProvider::start();
    let off = setup(format!("server.model_discovery_s = 0\n{}", fake.provider("openai-chat"))).start();
    assert_eq!(ids(&off), Vec::<String>::new());
    assert_eq!(fake.count(), 0);
    drop(off);
    // Nothing listens where the provider should be.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("[providers.ollama]\nbase_url = 'http://{closed}'\nmodels = ['llama4']");
    let app = setup(config).start();
    assert_eq!(ids(&app), ["llama4"]);
}
