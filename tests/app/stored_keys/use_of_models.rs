//! Which models and providers a key may use.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{admin, ask, create, send, with_admin};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, text};

#[test]
fn a_key_gets_the_models_and_providers_that_it_may_use() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let named =
        |name: &str| format!("{}models = ['small', 'large']\n", fake.named_provider(name, "openai-chat"));
    let app = with_admin(&format!("{}{}", named("one"), named("two"))).start();
    let all = create(&app, json!({"name": "all"}));
    let some =
        create(&app, json!({"name": "some", "models": ["sm*", "demo-long"], "providers": ["one", "d*"]}));

    let refused = ask(&app, &some, "one/large");
    let want = (403, "invalid_request_error".into(), Some("model_not_found".into()), Some("model".into()));
    assert_eq!(refused.error(), want);
    assert_eq!(refused.message(), "The client key 'some' does not have access to the model 'one/large'.");
    let got = |key: &str| {
        ["one/small", "one/large", "two/small", "demo", "demo-long"].map(|model| ask(&app, key, model).status)
    };
    assert_eq!(got(&all), [200; 5]);
    assert_eq!(got(&some), [200, 403, 403, 403, 200]);
    assert_eq!(ask(&app, &some, "nobody").error().0, 400);
    let count = |model: &str| {
        send(&app, &some, "POST", "/v1/responses/input_tokens", Some(&json!({"model": model, "input": "Hi"})))
            .status
    };
    assert_eq!([count("one/small"), count("two/small")], [200, 403]);

    let listed = |key: &str| {
        let list = send(&app, key, "GET", "/v1/models", None).json();
        let ids =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned());
        ids.filter(|id| id.contains('/') || id == "demo-long" || id == "demo").collect::<Vec<_>>()
    };
    assert_eq!(listed(&all), ["demo", "demo-long", "one/small", "one/large", "two/small", "two/large"]);
    assert_eq!(listed(&some), ["demo-long", "one/small"]);
    let one = |model: &str| send(&app, &some, "GET", &format!("/v1/models/{model}"), None).status;
    assert_eq!([one("one/small"), one("one/large")], [200, 404]);

    // A provider's key of the client's own opens nothing more.
    let bearer = format!("Bearer {some}");
    let headers = [("authorization", bearer.as_str()), ("x-provider-api-key", "sk-mine")];
    assert_eq!(app.post_with(&headers, &json!({"model": "two/small", "input": "Hi"})).status, 403);

    admin(&app, "PATCH", "/some", json!({"models": null, "providers": Value::Null}));
    assert_eq!(got(&some), [200; 5]);
}

#[test]
fn a_target_that_a_key_may_not_use_is_passed_over() {
    let (one, two) = (FakeProvider::start(), FakeProvider::start());
    one.always(wire::answer("openai-chat", text(&["One"])));
    two.push(wire::answer("anthropic", text(&["Two"])));
    two.always(|_| Script::json(500, &wire::error("anthropic", 500, "no")));
    let providers =
        [one.named_provider("one", "openai-chat"), two.named_provider("two", "anthropic")].concat();
    let route =
        "[[routes]]\npattern = '^m$'\ntargets = [{ provider = 'one' }, { provider = 'two', model = 'x' }]\n";
    let app = with_admin(&format!("resilience = {{ retries = 0 }}\n{providers}{route}")).start();
    let key = create(&app, json!({"name": "some", "providers": ["two"]}));
    let answer = ask(&app, &key, "m");
    assert_eq!((answer.status, answer.header("openresponses-provider")), (200, Some("two")));
    assert_eq!((ask(&app, &key, "m").status, one.count(), two.count()), (502, 0, 2));
}
