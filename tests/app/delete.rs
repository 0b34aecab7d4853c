//! `DELETE /v1/responses/{id}`.

use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

fn server() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let app = setup(fake.provider("openai-chat")).disk(&folder()).start();
    (fake, app)
}

fn delete(app: &App, id: &Value) -> Answer {
    let path = format!("/v1/responses/{}", id.as_str().unwrap());
    app.request("DELETE", &path, &[], None).finish()
}

fn body(previous: &Value) -> Value {
    json!({"model": "openai-chat/m", "input": "Hello", "previous_response_id": previous})
}

#[test]
fn a_deleted_response_is_not_there_for_anything() {
    let (_fake, app) = server();
    let first = app.post(&body(&Value::Null)).response();
    let second = app.post(&body(&first["id"])).response();
    let third = app.post(&body(&second["id"])).response();

    let answer = delete(&app, &second["id"]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(answer.json(), json!({"id": second["id"], "object": "response", "deleted": true}));

    let id = second["id"].as_str().unwrap();
    let gone = (404, "not_found".into(), Some("not_found".into()), None);
    for again in [
        delete(&app, &second["id"]),
        app.stored(&second["id"]),
        app.get(&format!("/v1/responses/{id}/input_items")),
    ] {
        assert_eq!(again.error(), gone);
        assert_eq!(again.message(), format!("Response with id '{id}' not found."));
    }
    for broken in [&second["id"], &third["id"]] {
        let (status, _, code, param) = app.post(&body(broken)).error();
        assert_eq!((status, code.as_deref()), (400, Some("previous_response_not_found")));
        assert_eq!(param.as_deref(), Some("previous_response_id"));
    }
    let reference = json!([{"type": "item_reference", "id": second["output"][0]["id"]}]);
    let refused = app.post(&json!({"model": "openai-chat/m", "input": reference}));
    assert_eq!(
        refused.error(),
        (404, "not_found".into(), Some("not_found".into()), Some("input[0].id".into()))
    );

    assert_eq!(app.stored(&first["id"]).response(), first);
    assert_eq!(app.stored(&third["id"]).response(), third);
    assert_eq!(app.post(&body(&first["id"])).status, 200);
}

#[test]
fn a_deletion_outlives_the_server() {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let disk = folder();
    let app = setup(fake.provider("openai-chat")).disk(&disk).start();
    let [kept, gone] = [0; 2].map(|_| app.post(&body(&Value::Null)).response());
    assert_eq!(delete(&app, &gone["id"]).status, 200);
    app.stop();
    let app = setup(fake.provider("openai-chat")).disk(&disk).start();
    assert_eq!(app.stored(&gone["id"]).status, 404);
    assert_eq!(app.stored(&kept["id"]).response(), kept);
}

#[test]
fn what_is_not_a_stored_response_cannot_be_deleted() {
    let (_fake, app) = server();
    for path in ["resp_unknown", "resp_0199f0f0f0f070008000000000000000", "%ff%fe", "..%2f..", "resp_%00"] {
        let answer = app.request("DELETE", &format!("/v1/responses/{path}"), &[], None).finish();
        assert_eq!(answer.error(), (404, "not_found".into(), Some("not_found".into()), None), "{path}");
    }
    for (method, path) in [("DELETE", "/v1/responses"), ("PUT", "/v1/responses/resp_x")] {
        let answer = app.request(method, path, &[], None).finish();
        assert_eq!(answer.error().0, 405);
        let allow = if path.ends_with("resp_x") { "GET, DELETE" } else { "POST" };
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[test]
fn of_several_who_delete_at_once_one_succeeds() {
    let (_fake, app) = server();
    let id = app.post(&body(&Value::Null)).response()["id"].clone();
    let path = format!("/v1/responses/{}", id.as_str().unwrap());
    let all: Vec<_> = (0..10).map(|_| app.request("DELETE", &path, &[], None)).collect();
    let mut statuses: Vec<_> = all.into_iter().map(|connection| connection.finish().status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![404; 9]].concat());
}
