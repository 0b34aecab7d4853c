//! What one client key may have stored.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use or_test_support::client::Answer;

const ANN: [(&str, &str); 1] = [("authorization", "Bearer client-key-of-ann-0001")];
const BOB: [(&str, &str); 1] = [("authorization", "Bearer client-key-of-bob-0002")];

fn server(limits: &str) -> App {
    let keys = "[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
    setup(format!("{keys}{limits}"))
        .env("ANN", "client-key-of-ann-0001")
        .env("BOB", "client-key-of-bob-0002")
        .disk(&folder())
        .start()
}

fn body(store: bool) -> Value {
    json!({"model": "demo", "input": "Hi", "store": store})
}

fn delete(app: &App, id: &Value) -> Answer {
    app.request("DELETE", &format!("/v1/responses/{}", id.as_str().unwrap()), &ANN, None).finish()
}

#[track_caller]
fn check_full(answer: &Answer) {
    let (status, kind, code, _) = answer.error();
    let want = (429, "too_many_requests", Some("storage_quota_exceeded"));
    assert_eq!((status, kind.as_str(), code.as_deref()), want);
}

#[test]
fn a_client_above_its_share_stores_no_more_and_the_others_do() {
    for limits in ["max_stored_responses = 2", "max_stored_bytes = 8000"] {
        let app = server(&format!("[key_limits]\n{limits}\n"));
        let ids: Vec<_> = (0..2).map(|_| app.post_with(&ANN, &body(true)).response()["id"].clone()).collect();
        check_full(&app.post_with(&ANN, &body(true)));
        let mut stream = body(true);
        stream["stream"] = true.into();
        check_full(&app.post_with(&ANN, &stream));
        assert_eq!(app.post_with(&ANN, &body(false)).response()["status"], "completed");
        assert_eq!(app.post_with(&BOB, &body(true)).response()["status"], "completed");
        // What is deleted is given back.
        assert_eq!(delete(&app, &ids[0]).json()["deleted"], true);
        assert_eq!(app.post_with(&ANN, &body(true)).response()["status"], "completed");
        check_full(&app.post_with(&ANN, &body(true)));
    }
}

#[test]
fn a_key_can_have_a_share_of_its_own() {
    let app = server("max_stored_responses = 1\n");
    for _ in 0..3 {
        assert_eq!(app.post_with(&ANN, &body(true)).response()["status"], "completed");
    }
    assert_eq!(app.post_with(&BOB, &body(true)).response()["status"], "completed");
    check_full(&app.post_with(&BOB, &body(true)));
}
