//! `GET /v1/models` and `GET /v1/models/{id}`.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

fn server(models: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let config = format!("server.model_discovery_s = 0\n{}models = {models}\n", fake.provider("openai-chat"));
    let app = setup(config).start();
    (fake, app)
}

fn listed(app: &App) -> Vec<Value> {
    let answer = app.get("/v1/models");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let list = answer.json();
    assert_eq!((list.as_object().unwrap().len(), &list["object"]), (2, &json!("list")));
    list["data"].as_array().unwrap().clone()
}

#[test]
fn the_demo_and_configured_models_are_listed_and_answer() {
    let (fake, app) = server("['m', 'maker/m:1']");
    let all = listed(&app);
    for model in &all {
        let keys: Vec<_> = model.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "object", "created", "owned_by", "open_responses"], "{model}");
        assert_eq!(model["object"], "model");
        assert!(model["created"].as_i64().is_some_and(|at| at > 1_700_000_000), "{model}");
        let one = app.get(&format!("/v1/models/{}", model["id"].as_str().unwrap()));
        assert_eq!((one.status, one.json()), (200, model.clone()));
    }
    let named = |owner: &str| -> Vec<_> {
        all.iter().filter(|m| m["owned_by"] == owner).map(|m| m["id"].as_str().unwrap()).collect()
    };
    assert_eq!(named("openai-chat"), ["openai-chat/m", "openai-chat/maker/m:1"]);
    assert!(named("demo").contains(&"demo") && named("demo").contains(&"demo-reasoning"));
    assert_eq!(all.len(), named("demo").len() + 2);

    app.post(&json!({"model": "openai-chat/maker/m:1", "input": "Hi"})).response();
    assert_eq!(fake.request(0).body["model"], "maker/m:1");
    assert_eq!(app.post(&json!({"model": named("demo")[0], "input": "Hi"})).status, 200);
}

#[test]
fn an_id_may_be_sent_encoded() {
    let (_fake, app) = server("['maker/m:1']");
    for id in ["openai-chat%2Fmaker%2Fm%3A1", "openai-chat/maker/m:1", "openai-chat%2fmaker/m%3a1"] {
        assert_eq!(app.get(&format!("/v1/models/{id}")).json()["id"], "openai-chat/maker/m:1", "{id}");
    }
}

#[test]
fn a_model_that_is_not_listed_is_not_found_though_it_may_be_served() {
    let (_fake, app) = server("[]");
    for id in ["openai-chat/m", "gpt-5.1", "nonsense", "a/b/c", "%ff", "demo/", "..%2f.."] {
        let answer = app.get(&format!("/v1/models/{id}"));
        let want = (404, "not_found".into(), Some("model_not_found".into()), Some("model".into()));
        assert_eq!(answer.error(), want, "{id}");
    }
    assert_eq!(app.get("/v1/models/x").message(), "The model 'x' is not in this server's list of models.");
    assert_eq!(app.post(&json!({"model": "openai-chat/m", "input": "Hi"})).status, 200);
    assert_eq!(app.get("/v1/models/").error().0, 404);
    for path in ["/v1/models", "/v1/models/demo"] {
        let answer = app.request("POST", path, &[], Some(b"{}")).finish();
        assert_eq!((answer.error().0, answer.header("allow")), (405, Some("GET")), "{path}");
    }
}

#[test]
fn a_provider_that_is_off_lists_nothing() {
    let app = setup("[providers.demo]\nenabled = false\nmodels = ['demo']").start();
    assert_eq!(listed(&app), Vec::<Value>::new());
}
