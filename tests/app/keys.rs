//! Who may call, from where, and with whose provider key.

use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

const ADA: (&str, &str) = ("authorization", "Bearer a-long-key-of-ada");
const BOB: (&str, &str) = ("authorization", "Bearer a-long-key-of-bob");

fn keyed(more: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let keys = "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
    let app = setup(format!("{more}\n{keys}{}", fake.provider("openai-chat")));
    (fake, app.env("ADA", "a-long-key-of-ada").env("BOB", "a-long-key-of-bob").start())
}

fn body() -> Value {
    json!({"model": "openai-chat/m", "input": "Hi"})
}

fn get_as(app: &App, key: (&str, &str), path: &str) -> Answer {
    app.request("GET", path, &[key], None).finish()
}

#[test]
fn without_a_good_key_there_is_one_answer() {
    let (fake, app) = keyed("");
    let wrong = [
        vec![],
        vec![("authorization", "")],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer a-long-key-of-ad")],
        vec![("authorization", "Bearer a-long-key-of-adaa")],
        vec![("authorization", "Basic a-long-key-of-ada")],
        vec![("authorization", "a-long-key-of-ada")],
        vec![("x-api-key", "a-long-key-of-ada")],
    ];
    for headers in wrong {
        for (method, path) in [
            ("POST", "/v1/responses"),
            ("GET", "/v1/responses/resp_1"),
            ("DELETE", "/v1/responses/resp_1"),
            ("GET", "/v1/responses/resp_1/input_items"),
            ("GET", "/v1/models"),
            ("GET", "/v1/nothing"),
        ] {
            let answer = app.request(method, path, &headers, Some(body().to_string().as_bytes())).finish();
            let want = (401, "invalid_request_error".into(), Some("invalid_api_key".into()), None);
            assert_eq!(answer.error(), want, "{headers:?} {path}");
            assert!(!answer.text().contains("key-of"), "{}", answer.text());
        }
    }
    assert_eq!(fake.count(), 0);
    let texts: Vec<_> = ["Bearer x", "Bearer a-long-key-of-ad", "Bearer a-long-key-of-bobb"]
        .map(|key| app.post_with(&[("authorization", key)], &body()).text())
        .into();
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
    assert_eq!(app.post_with(&[ADA], &body()).status, 200);
    for open in ["/health", "/ready"] {
        assert_eq!(app.get(open).status, 200, "{open}");
    }
}

#[test]
fn owners_do_not_see_each_other() {
    let (_fake, app) = keyed("");
    let response = app.post_with(&[ADA], &body()).response();
    let path = format!("/v1/responses/{}", response["id"].as_str().unwrap());
    assert_eq!(get_as(&app, ADA, &path).response(), response);

    let foreign = get_as(&app, BOB, &path);
    let unknown = get_as(&app, BOB, "/v1/responses/resp_0199f0f0f0f070008000000000000000");
    assert_eq!(foreign.error(), (404, "not_found".into(), Some("not_found".into()), None));
    assert_eq!(unknown.error(), foreign.error());

    let items = format!("{path}/input_items");
    assert_eq!(get_as(&app, ADA, &items).status, 200);
    assert_eq!(get_as(&app, BOB, &items).error(), foreign.error());
    assert_eq!(get_as(&app, BOB, &items).message(), foreign.message());
    let delete = |key| app.request("DELETE", &path, &[key], None).finish();
    assert_eq!(delete(BOB).error(), foreign.error());
    assert_eq!(delete(BOB).message(), foreign.message());
    assert_eq!(get_as(&app, ADA, &path).response(), response);

    let mut chain = body();
    chain["previous_response_id"] = response["id"].clone();
    assert_eq!(app.post_with(&[ADA], &chain).status, 200);
    let (status, _, code, _) = app.post_with(&[BOB], &chain).error();
    assert_eq!((status, code.as_deref()), (400, Some("previous_response_not_found")));

    let mut reference = body();
    reference["input"] = json!([{"type": "item_reference", "id": response["output"][0]["id"]}]);
    assert_eq!(app.post_with(&[ADA], &reference).status, 200);
    assert_eq!(app.post_with(&[BOB], &reference).error().0, 404);
    assert_eq!(delete(ADA).status, 200);
}

#[test]
fn an_open_bind_needs_keys() {
    let folder = tempfile::tempdir().unwrap();
    let output = PROGRAM.command(folder.path(), &[]).args(["--bind", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: ") && text.contains("0.0.0.0:0"), "{text}");
}

#[test]
fn without_keys_only_loopback_names_are_answered() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let app = setup(fake.provider("openai-chat")).start();
    for host in
        ["evil.example", "evil.example:4000", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example"]
    {
        let (status, kind, code, _) = app.post_with(&[("host", host)], &body()).error();
        let got = (status, kind.as_str(), code.as_deref());
        assert_eq!(got, (403, "invalid_request_error", Some("host_not_allowed")), "{host}");
    }
    assert_eq!(fake.count(), 0);
    for host in ["localhost", "localhost:9", "127.0.0.1", "[::1]:4000"] {
        assert_eq!(app.post_with(&[("host", host)], &body()).status, 200, "{host}");
    }
}

#[test]
fn a_browser_may_call_from_a_listed_origin_only() {
    let (_fake, app) = keyed("server.cors_allowed_origins = ['https://app.example']");
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        app.request("OPTIONS", "/v1/responses", &headers, None).finish()
    };
    let good = preflight("https://app.example");
    assert_eq!((good.status, good.header("access-control-allow-origin")), (200, Some("https://app.example")));
    let allowed = good.header("access-control-allow-headers").unwrap_or_default().to_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    assert!(good.header("access-control-allow-methods").is_some_and(|m| m.contains("POST")));
    assert_eq!(preflight("https://evil.example").header("access-control-allow-origin"), None);

    let origin = ("origin", "https://app.example");
    let actual = app.post_with(&[ADA, origin], &body());
    assert_eq!(
        (actual.status, actual.header("access-control-allow-origin")),
        (200, Some("https://app.example"))
    );
    let exposed = actual.header("access-control-expose-headers").unwrap_or_default();
    for name in ["x-request-id", "openresponses-translation", "openresponses-token-count"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let mut streamed = body();
    streamed["stream"] = json!(true);
    let streamed = app.post_with(&[ADA, origin], &streamed);
    streamed.events();
    assert_eq!(streamed.header("access-control-allow-origin"), Some("https://app.example"));
    // A page must be able to read why it failed.
    let refused = app.post_with(&[origin], &body());
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (401, Some("https://app.example"))
    );
    let foreign = app.post_with(&[ADA, ("origin", "https://evil.example")], &body());
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}

#[test]
fn without_cors_and_keys_no_page_is_answered() {
    let app = setup("").start();
    let origin = ("origin", "https://app.example");
    for (method, headers) in
        [("OPTIONS", vec![origin, ("access-control-request-method", "POST")]), ("POST", vec![origin])]
    {
        let answer = app.request(method, "/v1/responses", &headers, Some(b"{}")).finish();
        assert_eq!((answer.error().0, answer.header("access-control-allow-origin")), (403, None));
    }
    assert_eq!(app.request("OPTIONS", "/v1/responses", &[], None).finish().status, 405);
}

#[test]
fn a_client_may_bring_the_providers_key() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let provider = format!("{}api_key_env = 'SERVER_KEY'\n", fake.provider("openai-chat"));
    let seen = |number: usize| fake.request(number).header("authorization").map(str::to_owned);

    let app = setup(provider.clone()).env("SERVER_KEY", "sk-server").start();
    app.post(&body()).response();
    assert_eq!(seen(0).as_deref(), Some("Bearer sk-server"));
    app.post_with(&[("x-provider-api-key", "sk-header")], &body()).response();
    assert_eq!(seen(1).as_deref(), Some("Bearer sk-header"));
    let mut with_key = body();
    with_key["api_key"] = json!("sk-body");
    app.post(&with_key).response();
    assert_eq!(seen(2).as_deref(), Some("Bearer sk-body"));
    assert!(!fake.request(2).body.to_string().contains("sk-body"));

    let keyless = setup(provider.clone()).start();
    let (status, _, code, _) = keyless.post(&body()).error();
    assert_eq!((status, code.as_deref()), (400, Some("model_not_found")));
    keyless.post_with(&[("x-provider-api-key", "sk-mine")], &body()).response();
    assert_eq!(seen(3).as_deref(), Some("Bearer sk-mine"));
    for bad in ["a b", "tab\tkey", "schlüssel"] {
        let mut bad_key = body();
        bad_key["api_key"] = json!(bad);
        let (status, _, code, param) = keyless.post(&bad_key).error();
        assert_eq!(
            (status, code.as_deref(), param.as_deref()),
            (400, Some("invalid_value"), Some("api_key"))
        );
    }

    let denied = setup(format!("auth.client_provider_keys = 'deny'\n{provider}"))
        .env("SERVER_KEY", "sk-server")
        .start();
    let (status, _, code, _) = denied.post_with(&[("x-provider-api-key", "sk-mine")], &body()).error();
    assert_eq!((status, code.as_deref()), (403, Some("provider_key_not_allowed")));
}
