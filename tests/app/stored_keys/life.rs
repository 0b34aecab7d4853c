//! From its making to its end.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pretty_assertions::assert_eq;
use serde_json::json;

use super::{admin, ask, create, send, status, with_admin};
use crate::stage::app::{folder, setup};

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[test]
fn a_key_is_in_force_at_once_on_every_worker() {
    let app = with_admin("server.workers = 4").start();
    assert_eq!(ask(&app, "or_0123456789abcdef_x", "demo").error().2.as_deref(), Some("invalid_api_key"));
    let first = create(&app, json!({"name": "ada", "group": "research"}));
    // Each connection may go to another worker.
    assert!((0..16).all(|_| status(&app, &first) == 200));

    let rotated = admin(&app, "POST", "/ada/rotate", json!({"overlap_s": 3600})).json();
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert!(rotated["previous_secret_until"].as_i64().unwrap() > now() + 3000);
    assert!((0..16).all(|_| status(&app, &first) == 200 && status(&app, &second) == 200));
    let third = admin(&app, "POST", "/ada/rotate", json!({})).json()["secret"].as_str().unwrap().to_owned();
    // Fewer, for who shows wrong ones is slowed down.
    assert!((0..8).all(|_| status(&app, &first) == 401 && status(&app, &second) == 401));
    assert_eq!(status(&app, &third), 200);

    let shown = admin(&app, "GET", "/ada", json!({})).json();
    assert!((now() - shown["last_used_at"].as_i64().unwrap()).abs() < 60, "{shown}");
    assert_eq!(shown.get("secret"), None);
    assert_eq!(admin(&app, "POST", "/ada/revoke", json!({})).json()["state"], "revoked");
    assert!((0..3).all(|_| status(&app, &third) == 401));
    assert_eq!(admin(&app, "POST", "/ada/rotate", json!({})).error().2.as_deref(), Some("key_revoked"));
}

#[test]
fn an_old_secret_ends_with_its_overlap_and_a_key_with_its_time() {
    let app = with_admin("").start();
    let old = create(&app, json!({"name": "ada"}));
    let short = create(&app, json!({"name": "bob", "expires_at": now() + 2}));
    let new = admin(&app, "POST", "/ada/rotate", json!({"overlap_s": 2})).json()["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!([status(&app, &old), status(&app, &new)], [200, 200]);
    let end = Instant::now() + Duration::from_secs(20);
    while status(&app, &old) == 200 || status(&app, &short) == 200 {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!([status(&app, &old), status(&app, &short), status(&app, &new)], [401, 401, 200]);
    assert_eq!(admin(&app, "GET", "/bob", json!({})).json()["state"], "expired");
    // More time is a change like any other.
    assert_eq!(admin(&app, "PATCH", "/bob", json!({"expires_at": null})).json()["state"], "active");
    assert_eq!(status(&app, &short), 200);
}

#[test]
fn what_a_key_has_stored_is_its_own_through_rotation_and_after_its_end() {
    let folder = folder();
    let app = with_admin("").disk(&folder).start();
    let (ada, bob) = (create(&app, json!({"name": "ada"})), create(&app, json!({"name": "bob"})));
    let id = ask(&app, &ada, "demo").response()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/responses/{id}");
    let read = |key: &str| send(&app, key, "GET", &path, None).status;
    assert_eq!([read(&ada), read(&bob)], [200, 404]);
    let rotated = admin(&app, "POST", "/ada/rotate", json!({})).json()["secret"].as_str().unwrap().to_owned();
    assert_eq!([read(&ada), read(&rotated)], [401, 200]);

    let deleted = admin(&app, "DELETE", "/ada", json!({})).json();
    assert_eq!((&deleted["name"], &deleted["deleted"]), (&json!("ada"), &json!(true)));
    assert_eq!(read(&rotated), 401);
    assert_eq!(admin(&app, "GET", "/ada", json!({})).error().2.as_deref(), Some("key_not_found"));
    let refused = admin(&app, "POST", "", json!({"name": "ada"})).error();
    assert_eq!((refused.0, refused.2.as_deref()), (409, Some("key_name_has_responses")));
    let heir = create(&app, json!({"name": "ada", "inherit_responses": true}));
    assert_eq!([read(&rotated), read(&heir)], [401, 200]);
}

#[test]
fn a_name_whose_response_is_running_is_not_free_either() {
    let app = with_admin("").start();
    let ada = create(&app, json!({"name": "ada"}));
    let bearer = format!("Bearer {ada}");
    let body = json!({"model": "demo-hang", "input": "Hi", "stream": true}).to_string();
    let mut stream =
        app.request("POST", "/v1/responses", &[("authorization", &bearer)], Some(body.as_bytes()));
    stream.until("response.in_progress");
    // What was let in goes on to its end.
    admin(&app, "POST", "/ada/revoke", json!({}));
    admin(&app, "DELETE", "/ada", json!({}));
    assert_eq!(app.running().len(), 1);
    let refused = admin(&app, "POST", "", json!({"name": "ada"})).error();
    assert_eq!((refused.0, refused.2.as_deref()), (409, Some("key_name_has_responses")));
    stream.leave();
}

#[test]
fn keys_and_what_is_known_of_them_outlive_a_restart() {
    let folder = folder();
    let app = with_admin("").disk(&folder).start();
    let (ada, bob) =
        (create(&app, json!({"name": "ada", "tags": {"a": "b"}})), create(&app, json!({"name": "bob"})));
    assert_eq!(status(&app, &ada), 200);
    admin(&app, "POST", "/bob/revoke", json!({}));
    let shown = admin(&app, "GET", "/ada", json!({})).json();
    app.stop();

    let app = with_admin("").disk(&folder).start();
    assert_eq!(admin(&app, "GET", "/ada", json!({})).json(), shown);
    assert_eq!([status(&app, &ada), status(&app, &bob)], [200, 401]);
    app.stop();

    // Without the admin API a key is wanted all the same, because there are some; and one of the configuration wins.
    let configured = "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n";
    let app = setup(configured).env("ADA", "a-long-key-of-ada").disk(&folder).start();
    assert_eq!([status(&app, &ada), status(&app, "a-long-key-of-ada")], [401, 200]);
    app.stop();
    let app = setup("").disk(&folder).start();
    assert_eq!([status(&app, &ada), status(&app, "wrong"), app.get("/v1/models").status], [200, 401, 401]);
}

#[test]
fn a_server_does_not_become_open_when_its_last_key_goes() {
    let app = with_admin("").start();
    assert_eq!(app.get("/v1/models").status, 401);
    let ada = create(&app, json!({"name": "ada"}));
    admin(&app, "DELETE", "/ada", json!({}));
    assert_eq!([app.get("/v1/models").status, status(&app, &ada)], [401, 401]);
    let app = setup("auth.require_key = true").start();
    assert_eq!(app.get("/v1/models").status, 401);
}

#[test]
fn shares_of_a_key_are_its_own_and_change_at_once() {
    let app = with_admin("server.max_concurrent_responses = 8").start();
    let ada = create(&app, json!({"name": "ada", "limits": {"max_background": 1}}));
    let hang = json!({"model": "demo-hang", "input": "Hi", "background": true});
    let begin = || send(&app, &ada, "POST", "/v1/responses", Some(&hang)).status;
    assert_eq!([begin(), begin()], [200, 429]);
    admin(&app, "PATCH", "/ada", json!({"limits": {"max_background": 2}}));
    assert_eq!([begin(), begin()], [200, 429]);
}
