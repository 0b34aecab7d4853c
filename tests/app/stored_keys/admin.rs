//! Who may use the admin API, and what it says to bad requests.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{ADMIN, admin, create, send, with_admin};
use crate::stage::app::setup;
use or_test_support::client::Connection;

const KEYS: &str = "/admin/v1/keys";

#[test]
fn without_an_admin_key_there_is_no_admin_api() {
    let app = setup("[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n").env("ADA", "a-long-key-of-ada").start();
    for (method, path) in [("GET", KEYS), ("POST", KEYS), ("DELETE", "/admin/v1/keys/ada"), ("GET", "/admin")]
    {
        let answer = send(&app, "a-long-key-of-ada", method, path, None);
        assert_eq!(answer.error().0, 404, "{path}");
    }
}

#[test]
fn no_other_key_opens_it_and_it_opens_nothing_else() {
    let toml = "[[auth.keys]]\nname = 'static'\nkey_env = 'STATIC'\n";
    let app = with_admin(toml).env("STATIC", "a-long-static-key").start();
    let ada = create(&app, json!({"name": "ada"}));
    for key in ["a-long-static-key", &ada, "", "a-long-key-of-the-admi"] {
        for (method, path) in [("GET", KEYS), ("POST", KEYS), ("GET", "/admin/v1/nothing")] {
            assert_eq!(send(&app, key, method, path, None).error().0, 401, "{key} {path}");
        }
    }
    assert_eq!(send(&app, ADMIN, "GET", "/v1/models", None).status, 401);
    assert_eq!(send(&app, ADMIN, "GET", "/admin/v1/nothing", None).status, 404);
    let bearer = format!("Bearer {ADMIN}");
    let page = [("authorization", bearer.as_str()), ("origin", "http://localhost")];
    let refused = app.request("GET", KEYS, &page, None).finish().error();
    assert_eq!((refused.0, refused.2.as_deref()), (403, Some("origin_not_allowed")));
    let answer = send(&app, ADMIN, "GET", KEYS, None);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
}

#[test]
fn who_tries_admin_keys_is_slowed_down() {
    let app = with_admin("").start();
    let tries: Vec<_> = (0..25).map(|_| send(&app, "a-wrong-admin-key", "GET", KEYS, None).status).collect();
    assert_eq!((tries[0], tries[24]), (401, 429));
    // The same bucket as that of client keys.
    assert_eq!(send(&app, "a-wrong-client-key", "GET", "/v1/models", None).status, 429);
    assert_eq!(send(&app, ADMIN, "GET", KEYS, None).status, 200);
}

#[test]
fn a_listener_of_its_own_has_nothing_else() {
    // It is the second one, where the metrics are otherwise.
    let app = setup("[admin]\nkey_env = 'ADMIN'\nbind = '127.0.0.1:0'\n").env("ADMIN", ADMIN).start();
    let apart = app.metrics.unwrap();
    let bearer = format!("Bearer {ADMIN}");
    let at = |path: &str, host: &str| {
        let headers = [("authorization", bearer.as_str()), ("host", host)];
        Connection::send(apart, "GET", path, &headers, None).finish().status
    };
    assert_eq!([at(KEYS, "localhost"), at(KEYS, "evil.example")], [200, 403]);
    assert_eq!(
        [at("/v1/models", "localhost"), at("/metrics", "localhost"), at("/adminx", "localhost")],
        [404; 3]
    );
    for path in [KEYS, "/%61dmin/v1/keys", "/admin%2Fv1/keys"] {
        assert_eq!(send(&app, ADMIN, "GET", path, None).status, 404, "{path}");
    }
    assert_eq!(app.get("/health").status, 200);
}

#[test]
fn bad_requests_are_errors_that_say_what_is_wrong() {
    let app = with_admin("[[auth.keys]]\nname = 'static'\nkey_env = 'STATIC'\n")
        .env("STATIC", "a-long-static-key")
        .start();
    create(&app, json!({"name": "ada"}));
    let check = |method: &str, path: &str, body: &str, want: (u16, &str, Option<&str>)| {
        let bearer = format!("Bearer {ADMIN}");
        let path = format!("{KEYS}{path}");
        let answer =
            app.request(method, &path, &[("authorization", &bearer)], Some(body.as_bytes())).finish();
        let (status, _, code, param) = answer.error();
        assert_eq!(
            (status, code.as_deref().unwrap_or_default(), param.as_deref()),
            want,
            "{method} {path} {body}"
        );
    };
    check("POST", "", "{", (400, "invalid_json", None));
    check("POST", "", "[]", (400, "invalid_value", Some("body")));
    check("POST", "", "{}", (400, "invalid_value", Some("name")));
    check("POST", "", r#"{"name": "a b"}"#, (400, "invalid_value", Some("name")));
    check("POST", "", r#"{"name": "x", "budget": {}}"#, (400, "invalid_value", Some("body")));
    check("POST", "", r#"{"name": "x", "expires_at": 1}"#, (400, "invalid_value", Some("expires_at")));
    check("POST", "", r#"{"name": "ada"}"#, (409, "key_name_taken", Some("name")));
    check("POST", "", r#"{"name": "static"}"#, (409, "key_name_taken", Some("name")));
    let long = json!({"name": "x", "group": "x".repeat(70_000)}).to_string();
    check("POST", "", &long, (413, "request_too_large", None));
    check("GET", "/bob", "", (404, "key_not_found", None));
    check("GET", "/key_0123456789abcdef", "", (404, "key_not_found", None));
    check("PATCH", "/ada", r#"{"name": "bob"}"#, (400, "invalid_value", Some("body")));
    check("POST", "/ada/rotate", r#"{"overlap": 1}"#, (400, "invalid_value", Some("overlap")));
    check("POST", "/ada/rotate", r#"{"overlap_s": -1}"#, (400, "invalid_value", Some("overlap_s")));
    check("POST", "/ada/rotate", r#"{"overlap_s": 99999999}"#, (400, "invalid_value", Some("overlap_s")));
    check("GET", "?limit=0", "", (400, "integer_below_min_value", Some("limit")));
    check("GET", "?after=bob", "", (404, "key_not_found", None));
    check("PUT", "", "{}", (405, "invalid_request_error", None));
}

#[test]
fn keys_are_told_in_pages_and_as_they_were_made() {
    let app = with_admin("").start();
    for name in ["c", "a", "b"] {
        create(&app, json!({ "name": name }));
    }
    let page = |query: &str| {
        let page = admin(&app, "GET", query, json!({})).json();
        let names: Vec<_> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap().to_owned())
            .collect();
        (
            names.concat(),
            page["has_more"].as_bool().unwrap(),
            page["last_id"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (names, more, last) = page("?limit=2");
    assert_eq!((names.as_str(), more), ("ab", true));
    let (names, more, _) = page(&format!("?limit=2&after={last}"));
    assert_eq!((names.as_str(), more), ("c", false));

    let settings = json!({"group": "g", "models": ["gpt-*"], "providers": ["openai"], "limits": {"max_readers": 5},
        "rates": {"requests_per_minute": 60, "tokens_per_minute": 1000}, "budgets": {"usd_per_month": 12.5},
        "expires_at": 253_402_300_799_i64, "tags": {"team": "x"}});
    let mut body = settings.clone();
    body["name"] = json!("full");
    create(&app, body);
    let shown = admin(&app, "GET", "/full", json!({})).json();
    for (member, value) in settings.as_object().unwrap() {
        assert_eq!(&shown[member], value);
    }
    let members: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "object",
            "id",
            "name",
            "state",
            "secret_prefix",
            "group",
            "models",
            "providers",
            "limits",
            "rates",
            "budgets",
            "expires_at",
            "tags",
            "created_at",
            "last_used_at",
            "rotated_at",
            "previous_secret_until",
            "revoked_at"
        ]
    );
    assert_eq!(
        (&shown["object"], &shown["state"], &shown["revoked_at"]),
        (&json!("client_key"), &json!("active"), &Value::Null)
    );
}
